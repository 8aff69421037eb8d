"""Second moments of minibatch gradients between concepts, exact for each sampler."""

from types import ModuleType
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import sparse

from w2vflow.problem import PairWeights, Problem, csr_matmul
from w2vflow.sgd.samplers.batches import Blocking, blocked, check_batch, shared_out
from w2vflow.spectrum import Spectrum, check_pairs, learned_eigenpairs
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, at_hand, is_known, namespace
from w2vflow.support.checks import argument_error
from w2vflow.support.csr import of_entries

__all__ = ["Pairs", "concepts_of", "gradient_noise"]


def concepts_of(problem: Problem, dim: int, spectrum: Spectrum | None) -> Spectrum:
    """Return the `dim` concepts that are learned, the rest of the spectrum as its density.

    Raises:
        ValueError: tied weights with fewer than `dim` positive eigenvalues, or a spectrum with fewer pairs.
    """
    given = (
        learned_eigenpairs(problem, dim) if spectrum is None else check_pairs(problem, spectrum).leading(dim)
    )
    leading = at_hand(given)
    if not is_known(leading):
        return leading
    learned = leading.eigenvalues > 0 if problem.tied else leading.eigenvalues != 0
    if not learned.all():
        kind = "positive" if problem.tied else "nonzero"
        expected = f"at most the number of {kind} eigenvalues, {learned.sum()}"
        raise argument_error("dim", expected, dim, "Directions beyond it are never learned.")
    return leading


@checked
def gradient_noise(
    problem: Problem, concepts: Spectrum, *, learned: bool, batch_size: int, sampler: str
) -> Float[AnyArray, "d columns"]:
    """Return `Var(v_k^T (S + S^T) v_j)` of one batch, for concepts `k` and `j`, and for the rest.

        gradient of a batch = (S + S^T) W   (tied);   S C and S^T W   (untied)

    `S` holds the slopes of the pairs that were drawn. For independent pairs of second moment `w_ij`,

        E (v_k^T (S + S^T) v_j)^2 = 2 sum_ii' w_ii' v_ki^2 v_ji'^2   (twice that for k = j)

    less the square of the mean. For `k != j` a sum over `v_ki v_ji v_ki' v_ji'` is left out, which is
    0 for equal `w`. Pairs of a block share their words; by Hoeffding, with `a` rows and `b` columns,

        variance = (rows' means) / a + (columns' means) / b + (what remains) / (a b).

    Sums over all pairs take time `nnz d + V d^3` and no matrix of pairs.

    Args:
        problem: quartic, at constant `G`, from statistics.
        concepts: from `concepts_of`.
        learned: at the solution, `x = sum_k lambda_k v_k v_k^T`; else at small weights, `x = 0`.
        batch_size, sampler: as in `run_sgd`.

    Returns:
        The concepts `j` first; where not `learned`, after them a column for each node of the density
        of the rest, whose eigenvectors are taken to lie without preference.

    References:
        Hoeffding (1948), Annals of Mathematical Statistics 19, section 5.
    """
    check_batch(sampler, batch_size, _SAMPLERS)
    return _SAMPLERS[sampler](Pairs.of(problem, concepts, learned), batch_size)


class Pairs(NamedTuple):
    """What the sums are over.

    Attributes:
        weights: `A`; `B = 1 - A`.
        pair, word: `P` of the entries of `A`, and `p`.
        vectors, columns: `v_k`, and their squares with the mean square of the rest after them.
        values, strengths, nodes: `lambda_k`; those of `x`; eigenvalues of the rest.
        x: `x_ij` of the entries of `A`.
    """

    weights: PairWeights
    pair: AnyArray
    word: AnyArray
    vectors: AnyArray
    columns: AnyArray
    values: AnyArray
    strengths: AnyArray
    nodes: AnyArray
    x: AnyArray

    @classmethod
    def of(cls, problem: Problem, concepts: Spectrum, learned: bool) -> "Pairs":
        stats, weights = problem.require_statistics("pairs are drawn"), problem.pair_weights()
        concepts, weights = at_hand((concepts, weights))
        values, vectors = concepts.eigenvalues, concepts.eigenvectors
        xp = namespace(values, weights.values)
        squares, x = vectors**2, xp.zeros(len(weights.values))
        if learned:
            columns, nodes = squares, xp.zeros(0)

            def strength(at: slice, rows: AnyArray, others: AnyArray) -> AnyArray:
                pairs = zip(values, vectors.T, strict=True)
                return sum(value * vector[rows] * vector[others] for value, vector in pairs)

            x = of_entries(weights, strength)
        else:
            nodes = concepts.bath_nodes
            rest = (1 - squares.sum(axis=1)) / max(1, len(vectors) - len(values))
            columns = xp.column_stack([squares, rest])
        strengths = values if learned else xp.zeros_like(values)
        pair, word = stats.values / stats.values.sum(), stats.word_probability
        return cls(weights, pair, word, vectors, columns, values, strengths, nodes, x)

    @property
    def xp(self) -> ModuleType:
        """The namespace of its arrays."""
        return namespace(self.values, self.weights.values)

    @property
    def squares(self) -> AnyArray:
        return self.columns[:, : len(self.values)]

    @property
    def total(self) -> AnyArray:
        """Return `v_k^T (S + S^T) v_j` of the whole gradient."""
        return self.xp.diag(self.strengths - self.values)

    def product_of_words(self) -> AnyArray:
        """Return `p_i p_j` of the entries of `A`."""
        return of_entries(self.weights, lambda at, rows, columns: self.word[rows] * self.word[columns])

    def times(self, values: AnyArray, right: AnyArray) -> AnyArray:
        """Return `F right`, with `F` of these values where `A` has entries."""
        indptr, indices = self.weights.indptr, self.weights.indices
        if self.xp is np:
            return sparse.csr_array((values, indices, indptr), (len(indptr) - 1, len(right))) @ right
        return csr_matmul(*map(jnp.asarray, (indptr, indices, values, right)))

    def seen(self, values: AnyArray, left: AnyArray, right: AnyArray) -> AnyArray:
        """Return `left^T F right`."""
        return left.T @ self.times(values, right)

    def seen_squares(self, values: AnyArray) -> AnyArray:
        """Return `sum F_ii' v_ki^2 v_ji'^2` over the entries of `A`."""
        return self.seen(values, self.squares, self.columns)

    def all_squares(self, share: AnyArray | float = 1.0) -> AnyArray:
        """Return `sum (1 + x_ii' / 2)^2 v_ki^2 v_ji'^2 / (q_i q_i')` over all pairs, `q` the shares."""
        xp, columns = self.xp, (self.columns.T / share).T
        size, sums = len(self.values), columns.sum(axis=0)
        first = columns.T @ self.vectors
        second = xp.stack([(self.vectors.T @ (y[:, None] * self.vectors)).ravel() for y in columns.T])
        each = xp.outer(self.strengths, self.strengths).ravel()
        found = xp.outer(sums, sums) + (first * self.strengths) @ first.T + (second * each) @ second.T / 4
        return found[:size]

    def of_pairs(self, moment: AnyArray, mean: AnyArray) -> AnyArray:
        """Return the variance of one independent pair from the sum of `w v_ki^2 v_ji'^2` and the mean."""
        return self.spread(2 * moment + self.wide(2 * self.xp.diag(self.xp.diag(moment)) - mean**2))

    def wide(self, own: AnyArray) -> AnyArray:
        """Return the same with a 0 for whatever is no concept in `columns`."""
        return self.xp.pad(own, ((0, 0), (0, self.columns.shape[1] - len(own))))

    def spread(self, variance: AnyArray) -> AnyArray:
        """Return the same with the column of the rest repeated for each of its nodes."""
        size = len(self.values)
        rest = self.xp.repeat(variance[:, size:], len(self.nodes), axis=1)
        return self.xp.hstack([variance[:, :size], rest])

    def of_blocks(
        self, pair: AnyArray, mean: AnyArray, slopes: AnyArray, ones: bool, blocking: Blocking
    ) -> AnyArray:
        """Return the variance of blocks.

        Args:
            pair: that of a single pair.
            mean: of `v_k^T (S + S^T) v_j`, for concepts.
            slopes: `mu_j` of `S v_j = mu_j v_j + (v_j^T 1) 1`, for concepts and nodes.
            ones: whether `S` has the term with `1`.
            blocking: the blocks.
        """
        size, V, xp = len(self.values), len(self.vectors), self.xp
        sums = self.vectors.sum(axis=0) * ones
        either = slopes[:size, None] + slopes
        overlap = self.spread(self.squares.T @ self.columns)
        rest = (V * ones - xp.sum(sums**2)) / max(1, V - size)
        squared = xp.concatenate([sums**2, xp.full(len(self.nodes), rest)])
        main = squared[:size, None] + squared + either**2 * overlap
        cubes = self.squares.T @ self.vectors
        own = 2 * either[:, :size] * (sums * cubes + (sums * cubes).T) + 2 * xp.diag(sums**2)
        own = V * (main[:, :size] + own) - mean**2
        main = xp.hstack([own, V * main[:, size:]])
        count, rows, columns = blocking
        return (main / rows + main / columns + (pair - 2 * main) / (rows * columns)) / count


def _corpus(of: Pairs, batch_size: int) -> AnyArray:
    """Half of the pairs from `P` with weights `A / P`, half from `p p^T` with weights `B / (p p^T)`."""
    A, x, half = of.weights.values, of.x, batch_size // 2
    positive = of.seen_squares(A**2 / of.pair * (x / 2 - 1) ** 2)
    # B^2 - 1 = -A (2 - A) on seen pairs; B = 1 on the others.
    fewer = A * (2 - A) / of.product_of_words() * (1 + x / 2) ** 2
    negative = of.all_squares(of.word) - of.seen_squares(fewer)
    mean = 2 * of.seen(A * (x / 2 - 1), of.vectors, of.vectors)
    return (of.of_pairs(positive, mean) + of.of_pairs(negative, of.total - mean)) / half


def _balanced(of: Pairs, batch_size: int) -> AnyArray:
    """All pairs alike, with a label: `A (x/2 - 1)^2 + B (x/2 + 1)^2 = (1 + x/2)^2 - 2 A x`."""
    moment = of.all_squares() - of.seen_squares(2 * of.weights.values * of.x)
    return of.of_pairs(len(of.vectors) ** 2 * moment, of.total) / batch_size


def _blocks(of: Pairs, batch_size: int) -> AnyArray:
    """All pairs of rows and columns drawn alike, with both weights: a slope of `1 + x/2 - 2 A`."""
    A, x = of.weights.values, of.x
    moment = of.all_squares() + of.seen_squares(4 * A * (A - 1 - x / 2))
    pair = of.of_pairs(len(of.vectors) ** 2 * moment, of.total)
    slopes = of.xp.concatenate([of.strengths - of.values, -of.nodes]) / 2
    return of.of_blocks(pair, of.total, slopes, False, blocked(batch_size))


def _shared(of: Pairs, batch_size: int) -> AnyArray:
    """Seen pairs from `A`, of slope -2, and blocks with a weight of 1 for each pair, of slope `1 + x/2`."""
    A, (drawn, blocking) = of.weights.values, shared_out(batch_size)
    mean = -4 * of.seen(A, of.vectors, of.vectors)
    seen = of.of_pairs(4 * A.sum() * of.seen_squares(A), mean) / drawn
    sums = of.vectors.sum(axis=0)
    mean = 2 * of.xp.outer(sums, sums) + of.xp.diag(of.strengths)
    pair = of.of_pairs(len(of.vectors) ** 2 * of.all_squares(), mean)
    slopes = of.xp.concatenate([of.strengths / 2, of.xp.zeros(len(of.nodes))])
    return seen + of.of_blocks(pair, mean, slopes, True, blocking)


_SAMPLERS = {"corpus": _corpus, "balanced": _balanced, "blocks": _blocks, "shared": _shared}
