"""Counts as whole multiples of a fraction, whose sums are exact."""

import numpy as np
from scipy import sparse

__all__ = ["added", "whole_units"]


def whole_units(counts: sparse.csr_array, denominator: int) -> np.ndarray | None:
    """Return counts in units of `1 / denominator` as int64, None where they are none, or too many."""
    if counts.dtype == np.int64:
        # Larger ones would come out as others, negative ones among them.
        fits = int(counts.data.max(initial=0)) * denominator < 2**63
        return counts.data * denominator if fits else None
    units = np.rint(counts.data * denominator)
    exact = (units < 2**53).all() and (units / denominator == counts.data).all()
    return units.astype(np.int64) if exact else None


def added(
    one: sparse.csr_array, other: sparse.csr_array, denominators: tuple[int, int]
) -> tuple[sparse.csr_array, int]:
    """Return the sum of two matrices of counts, exact if their unit is the same, and its denominator."""
    denominator = denominators[0]
    # Whole units: a sum of the float64 quotients would round twice.
    units = [whole_units(counts, denominator) for counts in (one, other)]
    if denominators[1] != denominator or any(part is None for part in units):
        # Multiples of nothing in common, as where words were reweighed.
        return one + other, 1
    parts = [
        sparse.csr_array((whole, counts.indices, counts.indptr), shape=counts.shape)
        for whole, counts in zip(units, (one, other), strict=True)
    ]
    total = parts[0] + parts[1]
    if denominator > 1:
        # Not the matrix by the number: SciPy multiplies by the reciprocal, which rounds otherwise.
        total.data = total.data / denominator
    return total, denominator
