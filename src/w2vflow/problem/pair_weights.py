"""Weights of all pairs, positive `A` and negative `B`, sparse where `M*` is sparse."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = ["PairWeights"]

# Entries at a time: temporary arrays of all of them would double the memory.
_ENTRIES = 2**22


@checked
@dataclass(frozen=True, eq=False)
class PairWeights:
    """`A_ij = Psi+_ij P_ij` and `B_ij = Psi-_ij p_i p_j` of all pairs, float64, on the host.

    `A` is zero where a pair was never seen. `B` is of low rank, or becomes so by adding `A`; so all
    of both is known from the seen pairs and two thin matrices.

    Attributes:
        positive: `A`, with seen pairs as its entries; symmetric but for a user's own.
        left, right: `L` and `R`, nonnegative.
        exclusive: `B = L R^T - A`, so that `G = A + B = L R^T`; else `B = L R^T`.
        dense_negative: `B` itself where it is of no such form; then `L` and `R` have no columns.
    """

    positive: sparse.csr_array
    left: Float[np.ndarray, "V q"]
    right: Float[np.ndarray, "V q"]
    exclusive: bool = False
    dense_negative: Float[np.ndarray, "V V"] | None = None

    @property
    def vocab_size(self) -> int:
        """Number of words `V`."""
        return self.positive.shape[0]

    @property
    def symmetric(self) -> bool:
        """Whether `A` and `B` are symmetric to rounding, as tied weights ask for."""
        if self.dense_negative is not None:
            parts = self.positive.toarray(), self.dense_negative
            return all(np.allclose(part, part.T, rtol=1e-10, atol=0) for part in parts)
        # ||L R^T - R L^T||^2 from products of thin matrices, against ||L R^T||^2.
        both, swapped = np.hstack([self.left, self.right]), np.hstack([self.right, -self.left])
        difference = np.sum((both.T @ both) * (swapped.T @ swapped))
        size = np.sum((self.left.T @ self.left) * (self.right.T @ self.right))
        return bool(difference <= 1e-12 * size)

    def total(self) -> float:
        """Return the sum of `G` over all pairs."""
        if self.dense_negative is not None:
            return float(self.positive.sum() + self.dense_negative.sum())
        low_rank = float(self.left.sum(axis=0) @ self.right.sum(axis=0))
        return low_rank if self.exclusive else low_rank + float(self.positive.sum())

    def sums(self) -> tuple[Float[np.ndarray, " V"], Float[np.ndarray, " V"]]:
        """Return the sums of `G` over all contexts of every word, and over all words of every context."""
        if self.dense_negative is not None:
            rows, columns = self.dense_negative.sum(axis=1), self.dense_negative.sum(axis=0)
        else:
            rows, columns = self.left @ self.right.sum(axis=0), self.right @ self.left.sum(axis=0)
        if self.exclusive:
            return rows, columns
        return rows + self.positive.sum(axis=1), columns + self.positive.sum(axis=0)

    def normalised(self) -> "PairWeights":
        """Return the same weights times the factor that makes the mean of `G` one.

        Raises:
            ValueError: a weight is negative or not finite, or all are zero.
        """
        self._check()
        factor = self.vocab_size**2 / self.total()
        negative = None if self.dense_negative is None else self.dense_negative * factor
        positive = sparse.csr_array(
            (self.positive.data * factor, self.positive.indices, self.positive.indptr), self.positive.shape
        )
        return replace(self, positive=positive, left=self.left * factor, dense_negative=negative)

    def symmetrized(self) -> "PairWeights":
        """Return the mean of the weights and their transpose."""
        if self.dense_negative is not None:
            positive = sparse.csr_array((self.positive + self.positive.T) / 2)
            return replace(
                self, positive=positive, dense_negative=(self.dense_negative + self.dense_negative.T) / 2
            )
        if self.symmetric:
            return self
        left, right = np.hstack([self.left, self.right]) / 2, np.hstack([self.right, self.left])
        return replace(self, left=left, right=right)

    def low_rank(
        self, rows: Int[np.ndarray, " n"], columns: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Return `(L R^T)_ij` of some pairs."""
        value = np.zeros(len(rows))
        for left, right in zip(self.left.T, self.right.T, strict=True):
            value += left[rows] * right[columns]
        return value

    def shifted_target(self) -> sparse.csr_array:
        """Return `M* + 2 = 4 A / G`, zero where a pair was never seen, sparse.

        The indices are those of the counts, not copied.

        Raises:
            ValueError: `B` is of no low rank; then use `dense`.
        """
        if self.dense_negative is not None:
            raise argument_error("weighting", "of low rank where pairs were never seen", "an array")
        values = np.empty(self.positive.nnz)
        for at, rows, columns in seen_entries(self.positive):
            seen, low_rank = self.positive.data[at], self.low_rank(rows, columns)
            values[at] = 4 * seen / (low_rank if self.exclusive else low_rank + seen)
        return sparse.csr_array(
            (values, self.positive.indices, self.positive.indptr), shape=self.positive.shape
        )

    def target_norm_squared(self) -> float:
        """Return `sum_ij G_ij M*_ij^2`, from the seen pairs alone where `B` is of low rank."""
        if self.dense_negative is not None:
            positive, negative = self.dense()
            return float(np.sum(_ratio(4 * (positive - negative) ** 2, positive + negative)))
        seen, above = 0.0, 0.0
        for at, rows, columns in seen_entries(self.positive):
            positive, low_rank = self.positive.data[at], self.low_rank(rows, columns)
            total = low_rank if self.exclusive else low_rank + positive
            seen += float(np.sum(4 * (2 * positive - total) ** 2 / total))
            above += float(np.sum(total))
        return seen + 4 * (self.total() - above)

    def dense(self) -> tuple[Float[np.ndarray, "V V"], Float[np.ndarray, "V V"]]:
        """Return `A` and `B` as dense matrices."""
        positive = self.positive.toarray()
        if self.dense_negative is not None:
            return positive, self.dense_negative
        low_rank = self.left @ self.right.T
        return positive, low_rank - positive if self.exclusive else low_rank

    def dense_target(self) -> Float[np.ndarray, "V V"]:
        """Return `M*`; 0 where neither weight is there."""
        if self.dense_negative is None:
            target = self.shifted_target().toarray()
            target -= 2
            return target
        positive, negative = self.dense()
        return _ratio(2 * (positive - negative), positive + negative)

    def _check(self) -> None:
        parts = {"Psi+": self.positive.data, "Psi-": self.left, "Psi- ": self.right}
        if self.dense_negative is not None:
            parts["Psi-"] = self.dense_negative
        for name, part in parts.items():
            # NaN compares false.
            bad = part[~((part >= 0) & np.isfinite(part))]
            if bad.size:
                raise argument_error("weighting", f"nonnegative and finite in {name.strip()}", bad[0])
        if not self.total() > 0:
            raise argument_error("weighting", "positive for some pair", "zero for all pairs")


@checked
def seen_entries(
    matrix: sparse.csr_array,
) -> Iterator[tuple[slice, Int[np.ndarray, " n"], Int[np.ndarray, " n"]]]:
    """Yield some million entries of a CSR matrix at a time: where their values are, rows and columns."""
    indptr, indices = matrix.indptr, matrix.indices
    cuts = np.unique(np.searchsorted(indptr, np.arange(0, matrix.nnz, _ENTRIES)))
    for first, last in zip(cuts, np.append(cuts[1:], len(indptr) - 1), strict=True):
        at = slice(int(indptr[first]), int(indptr[last]))
        yield at, np.repeat(np.arange(first, last), np.diff(indptr[first : last + 1])), indices[at]


def _ratio(value: np.ndarray, total: np.ndarray) -> np.ndarray:
    return np.divide(value, total, out=np.zeros_like(value), where=total > 0)
