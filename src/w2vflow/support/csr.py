"""Entries of sparse matrices in CSR form, on the host or within a JAX computation."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from w2vflow.support.arrays import is_known

__all__ = ["column_sums", "entry_rows", "of_entries", "row_sums", "some_entries", "taken"]

# Entries at a time: temporary arrays of all of them would double the memory.
_ENTRIES = 2**22


def entry_rows(indptr: Int[Any, " r"], count: int) -> Int[Any, " n"]:
    """Return the row of each of `count` entries."""
    rows = len(indptr) - 1
    if is_known(indptr):
        # Not as a constant of a compiled function, which would take minutes to fold.
        return np.repeat(np.arange(rows), np.diff(np.asarray(indptr)))
    return jnp.repeat(jnp.arange(rows), jnp.diff(indptr), total_repeat_length=count)


def taken(array: Float[Any, " V"], at: Int[Any, " n"]) -> Float[Any, " n"]:
    """Return the entries at places that are all there, which compiling takes half a minute to check."""
    if isinstance(array, np.ndarray):
        return array[at]
    return array.at[at].get(mode="promise_in_bounds")


def row_sums(values: Float[Any, " n"], indptr: Int[Any, " r"]) -> Float[Any, " R"]:
    """Return the sum of the entries of each row."""
    if isinstance(values, np.ndarray) and isinstance(indptr, np.ndarray):
        none = np.zeros(len(values), indptr.dtype)
        return sparse.csr_array((values, none, indptr), shape=(len(indptr) - 1, 1)) @ np.ones(1)
    rows = entry_rows(indptr, len(values))
    mode = "promise_in_bounds"
    return jax.ops.segment_sum(values, rows, len(indptr) - 1, indices_are_sorted=True, mode=mode)


def column_sums(values: Float[Any, " n"], indices: Int[Any, " n"], columns: int) -> Float[Any, " V"]:
    """Return the sum of the entries of each column."""
    if isinstance(values, np.ndarray) and isinstance(indices, np.ndarray):
        return np.bincount(indices, values, columns)
    return jax.ops.segment_sum(values, indices, columns, mode="promise_in_bounds")


def some_entries(
    indptr: Int[Any, " r"], indices: Int[Any, " n"]
) -> Iterator[tuple[slice, Int[Any, " m"], Int[Any, " m"]]]:
    """Yield where values are, rows and columns: some million entries at a time, or all of traced arrays."""
    if not (isinstance(indptr, np.ndarray) and isinstance(indices, np.ndarray)):
        yield slice(None), entry_rows(indptr, len(indices)), indices
        return
    cuts = np.unique(np.searchsorted(indptr, np.arange(0, len(indices), _ENTRIES)))
    for first, last in zip(cuts, np.append(cuts[1:], len(indptr) - 1), strict=True):
        at = slice(int(indptr[first]), int(indptr[last]))
        yield at, np.repeat(np.arange(first, last), np.diff(indptr[first : last + 1])), indices[at]


def of_entries(pattern: Any, function: Any) -> Float[Any, " n"]:
    """Return `function(at, rows, columns)` of all entries of a CSR pattern, on the host some at a time."""
    values, parts = np.empty(0), []
    for at, rows, columns in some_entries(pattern.indptr, pattern.indices):
        some = function(at, rows, columns)
        if not isinstance(some, np.ndarray):
            parts.append(some)
            continue
        # In place: of hundreds of millions of entries there should be no second copy.
        values = values if len(values) else np.empty(len(pattern.indices))
        values[at] = some
    return jnp.concatenate(parts) if parts else values
