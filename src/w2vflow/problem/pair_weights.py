"""Weights of all pairs, positive `A` and negative `B`, sparse where `M*` is sparse."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.checks import argument_error
from w2vflow.support.csr import column_sums, entry_rows, of_entries, row_sums, some_entries, taken

__all__ = ["PairWeights"]


class PairWeights(eqx.Module):
    """`A_ij = Psi+_ij P_ij` and `B_ij = Psi-_ij p_i p_j` of all pairs: float64 on the host, or traced.

    `A` is zero where a pair was never seen. `B` is of low rank, or becomes so by adding `A`; so all
    of both is known from the seen pairs and two thin matrices.

    Attributes:
        values: `A` of the seen pairs, row by row, `(n,)`; symmetric but for a user's own, or `directed`.
        indices: contexts of the seen pairs, `(n,)`.
        indptr: where each word begins among them, `(V + 1,)`.
        left, right: `L` and `R`, nonnegative.
        dense_negative: `B` itself where it is of no such form; then `L` and `R` have no columns.
        exclusive: `B = L R^T - A`, so that `G = A + B = L R^T`; else `B = L R^T`.
        directed: of counts of one direction, of which a pair may be seen in one order alone.
        skip: in place of that `B = L R^T - s o A`, with `s_ij = skip_j` of one column `(V, 1)`, and
            `s_ij = skip_i0 + skip_j1` of two.
    """

    values: Float[AnyArray, " n"]
    indices: Int[AnyArray, " n"]
    indptr: Int[AnyArray, " r"]
    left: Float[AnyArray, "V q"]
    right: Float[AnyArray, "V q"]
    dense_negative: Float[AnyArray, "V V"] | None = None
    exclusive: bool = eqx.field(static=True, default=False)
    directed: bool = eqx.field(static=True, default=False)
    skip: Float[AnyArray, "V s"] | None = None

    @property
    def vocab_size(self) -> int:
        """Number of words `V`."""
        return len(self.indptr) - 1

    @property
    def positive(self) -> sparse.csr_array:
        """`A` as a matrix on the host, with seen pairs as its entries; no copy of host arrays."""
        arrays = (np.asarray(self.values), np.asarray(self.indices), np.asarray(self.indptr))
        return sparse.csr_array(arrays, shape=(self.vocab_size, self.vocab_size))

    @property
    def symmetric(self) -> bool | Bool[AnyArray, ""]:
        """Whether `A` and `B` are symmetric to rounding, as tied weights ask for."""
        if self.directed:
            return False
        xp = namespace(self.left, self.dense_negative, self.values)
        if self.dense_negative is not None:
            close = [xp.isclose(part, part.T, rtol=1e-10, atol=0).all() for part in self.dense()]
            return close[0] & close[1]
        # ||L R^T - R L^T||^2 from products of thin matrices, against ||L R^T||^2.
        both, swapped = xp.hstack([self.left, self.right]), xp.hstack([self.right, -self.left])
        difference = xp.sum((both.T @ both) * (swapped.T @ swapped))
        size = xp.sum((self.left.T @ self.left) * (self.right.T @ self.right))
        alike: Any = True
        if self.skip is not None:
            # Of either order of a pair the same: both sides differ by a constant.
            of_words, of_contexts = self.skip_sides()
            apart = of_contexts - of_words
            alike = xp.ptp(apart) <= 1e-10 * xp.abs(self.skip).max()
        return alike & (difference <= (1e-12 if size.dtype == np.float64 else 1e-6) * size)

    def skip_sides(self) -> tuple[Float[AnyArray, " V"], Float[AnyArray, " V"]]:
        """Return `a` and `b` of `s_ij = a_i + b_j`, by which `B = L R^T - s o A`; zeros where none is."""
        if self.skip is None:
            none = namespace(self.left).zeros(self.vocab_size)
            return none, none
        of_contexts = self.skip[:, -1]
        return (0 * of_contexts if self.skip.shape[1] == 1 else self.skip[:, 0]), of_contexts

    def share(self, rows: Int[Any, " n"], columns: Int[Any, " n"]) -> Any:
        """Return `(L R^T - B) / A` of seen pairs."""
        if self.skip is None:
            return float(self.exclusive)
        found = taken(self.skip[:, -1], columns)
        return found if self.skip.shape[1] == 1 else found + taken(self.skip[:, 0], rows)

    def kept(self) -> Float[AnyArray, " n"]:
        """Return `G - L R^T` of the seen pairs."""
        if self.skip is None:
            return self.values * (not self.exclusive)
        return of_entries(self, lambda at, rows, columns: self.values[at] * (1 - self.share(rows, columns)))

    def total(self) -> Float[AnyArray, ""]:
        """Return the sum of `G` over all pairs."""
        if self.dense_negative is not None:
            return self.values.sum() + self.dense_negative.sum()
        low_rank = self.left.sum(axis=0) @ self.right.sum(axis=0)
        return low_rank if self.exclusive else low_rank + self.kept().sum()

    def sums(self) -> tuple[Float[AnyArray, " V"], Float[AnyArray, " V"]]:
        """Return the sums of `G` over all contexts of every word, and over all words of every context."""
        if self.dense_negative is not None:
            rows, columns = self.dense_negative.sum(axis=1), self.dense_negative.sum(axis=0)
        else:
            rows, columns = self.left @ self.right.sum(axis=0), self.right @ self.left.sum(axis=0)
        if self.exclusive:
            return rows, columns
        kept = self.kept()
        of_contexts = column_sums(kept, self.indices, self.vocab_size)
        return rows + row_sums(kept, self.indptr), columns + of_contexts

    def normalised(self) -> "PairWeights":
        """Return the same weights times the factor that makes the mean of `G` one.

        Raises:
            ValueError: a known weight is negative or not finite, or all are zero.
        """
        if is_known(self):
            self._check()
        factor = self.vocab_size**2 / self.total()
        negative = None if self.dense_negative is None else self.dense_negative * factor
        return replace(self, values=self.values * factor, left=self.left * factor, dense_negative=negative)

    def symmetrized(self) -> "PairWeights":
        """Return the mean of the weights and their transpose.

        Raises:
            ValueError: traced weights of counts of one direction.
        """
        if self.directed:
            return self._of_both_directions()
        # Where `B` is of low rank, `A` is symmetric already.
        if self.dense_negative is not None:
            A, B = self.dense()
            seen = entry_rows(self.indptr, len(self.values)), self.indices
            return replace(self, values=((A + A.T) / 2)[seen], dense_negative=(B + B.T) / 2)
        if is_known(self) and self.symmetric:
            return self
        xp = namespace(self.left, self.right)
        left, right = xp.hstack([self.left, self.right]) / 2, xp.hstack([self.right, self.left])
        skip = self.skip
        if skip is not None:
            one = sum(self.skip_sides()) / 2
            skip = xp.stack([one, one], axis=1)
        return replace(self, left=left, right=right, skip=skip)

    def _of_both_directions(self) -> "PairWeights":
        """Return the mean with the transpose, whose seen pairs are those that were seen in either order."""
        if not is_known(self):
            expected = "of both directions where they are traced and symmetrized"
            raise argument_error("stats", expected, "of one direction", "Use `stats.symmetrized()` first.")
        A = sparse.csr_array((self.positive + sparse.csr_array(self.positive.T)) / 2)
        A.sort_indices()
        seen = replace(self, values=A.data, indices=A.indices, indptr=A.indptr, directed=False)
        if self.dense_negative is None and self.skip is None:
            return seen.symmetrized()
        # What is skipped of a pair differs by its order: the mean is of no low rank.
        B, none = self.dense()[1], np.zeros((self.vocab_size, 0))
        return replace(seen, left=none, right=none, skip=None, dense_negative=(B + B.T) / 2)

    def low_rank(self, rows: Int[Any, " n"], columns: Int[Any, " n"]) -> Float[AnyArray, " n"]:
        """Return `(L R^T)_ij` of some pairs."""
        value: Any = 0.0
        for left, right in zip(self.left.T, self.right.T, strict=True):
            value = value + taken(left, rows) * taken(right, columns)
        return value

    def shifted_target(self) -> Float[AnyArray, " n"]:
        """Return `M* + 2 = 4 A / G` of the seen pairs; it is zero where a pair was never seen.

        Raises:
            ValueError: `B` is of no low rank; then use `dense`.
        """
        if self.dense_negative is not None:
            raise argument_error("weighting", "of low rank where pairs were never seen", "an array")

        def shifted(at: slice, rows: AnyArray, columns: AnyArray) -> AnyArray:
            seen, low_rank = self.values[at], self.low_rank(rows, columns)
            return 4 * seen / (low_rank + seen * (1 - self.share(rows, columns)))

        return of_entries(self, shifted)

    def target_norm_squared(self) -> Float[AnyArray, ""]:
        """Return `sum_ij G_ij M*_ij^2`, from the seen pairs alone where `B` is of low rank."""
        if self.dense_negative is not None:
            positive, negative = self.dense()
            return _ratio(4 * (positive - negative) ** 2, positive + negative).sum()
        seen: Any = 0.0
        above: Any = 0.0
        for at, rows, columns in some_entries(self.indptr, self.indices):
            positive, low_rank = self.values[at], self.low_rank(rows, columns)
            total = low_rank + positive * (1 - self.share(rows, columns))
            seen = seen + (4 * (2 * positive - total) ** 2 / total).sum()
            above = above + total.sum()
        return seen + 4 * (self.total() - above)

    def dense(self) -> tuple[Float[AnyArray, "V V"], Float[AnyArray, "V V"]]:
        """Return `A` and `B` as dense matrices."""
        positive = self.dense_positive()
        if self.dense_negative is not None:
            return positive, self.dense_negative
        low_rank = self.left @ self.right.T
        if self.skip is not None:
            of_words, of_contexts = self.skip_sides()
            # Rounding may leave less than nothing where a pair is all that a word has.
            return positive, (low_rank - positive * (of_words[:, None] + of_contexts[None])).clip(0)
        return positive, low_rank - positive if self.exclusive else low_rank

    def dense_positive(self) -> Float[AnyArray, "V V"]:
        """Return `A` as a dense matrix, of the precision of its values."""
        return self._scattered(self.values)

    def dense_target(self) -> Float[AnyArray, "V V"]:
        """Return `M*`; 0 where neither weight is there."""
        if self.dense_negative is None:
            return self._scattered(self.shifted_target(), fill=2)
        positive, negative = self.dense()
        return _ratio(2 * (positive - negative), positive + negative)

    def _scattered(self, values: AnyArray, fill: float = 0.0) -> AnyArray:
        """Return the matrix of these entries, less `fill`."""
        shape = (self.vocab_size, self.vocab_size)
        if namespace(values, self.indices) is np:
            matrix = sparse.csr_array((values, self.indices, self.indptr), shape=shape).toarray()
            matrix -= fill
            return matrix
        rows = entry_rows(self.indptr, len(values))
        start = jnp.full(shape, -fill, values.dtype)
        # As `taken`: to check the places takes a compiler half a minute.
        place, mode = start.at[rows, self.indices], "promise_in_bounds"
        return place.add(values, indices_are_sorted=True, unique_indices=True, mode=mode)

    def _check(self) -> None:
        parts = {"Psi+": self.values, "Psi-": self.left, "Psi- ": self.right}
        if self.dense_negative is not None:
            parts["Psi-"] = self.dense_negative
        for name, part in parts.items():
            # NaN compares false.
            if not (part >= 0).all() or not np.isfinite(part).all():
                bad = part[~((part >= 0) & np.isfinite(part))].ravel()[0]
                raise argument_error("weighting", f"nonnegative and finite in {name.strip()}", bad)
        if not self.total() > 0:
            raise argument_error("weighting", "positive for some pair", "zero for all pairs")


def _ratio(value: AnyArray, total: AnyArray) -> AnyArray:
    xp = namespace(value, total)
    # A denominator of its own where there is none: derivatives would be NaN else.
    return xp.where(total > 0, value, 0.0) / xp.where(total > 0, total, 1.0)
