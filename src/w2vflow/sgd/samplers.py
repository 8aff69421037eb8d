"""Minibatches of pairs, drawn on the device. Every sampler's expected gradient is the full gradient."""

import math
from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy import sparse

from w2vflow.losses import Loss
from w2vflow.pairs import PairWeights
from w2vflow.problem import Problem
from w2vflow.sgd.draws import AliasTable, DensePairs, FactoredPairs, PairDraws, SeenPairs
from w2vflow.sgd.kernels import PairBatch, RowGradient, block_gradient, pair_gradient
from w2vflow.sgd.pair_table import WeightTable

__all__ = ["SAMPLERS", "Balanced", "Blocks", "Corpus", "PairSampler", "Sampler"]

# Of a block: larger ones are hardly faster, smaller ones hardly less noisy (benchmarks/sgd_step.py).
_SIDE = 64


class Sampler(eqx.Module):
    """Draws minibatches whose mean gradient is `dL/dZ`.

    Attributes:
        offset: rows of `Z` before the vectors of contexts: 0 where weights are tied, else `V`.
    """

    offset: int = eqx.field(static=True)

    @classmethod
    @abstractmethod
    def of(cls, problem: Problem) -> "Sampler":
        """Tabulate what drawing needs of a problem.

        Raises:
            ValueError: the problem was made from a matrix, or its tables do not fit into memory.
        """

    @abstractmethod
    def pairs(self, batch_size: int) -> int:
        """Return how many pairs a batch that was asked to have `batch_size` has."""

    @abstractmethod
    def gradient(
        self, key: Key[Array, ""], Z: Float[Array, "n d"], pair_loss: Loss, batch_size: int
    ) -> RowGradient:
        """Return the gradient of the loss of a minibatch."""


class PairSampler(Sampler):
    """Draws pairs that are independent of each other."""

    @abstractmethod
    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return pairs and their weights."""

    def gradient(
        self, key: Key[Array, ""], Z: Float[Array, "n d"], pair_loss: Loss, batch_size: int
    ) -> RowGradient:
        """Return the gradient of the loss of a minibatch."""
        return pair_gradient(Z, pair_loss, self.draw(key, batch_size))


class Corpus(PairSampler):
    """Positive pairs from `P`, as many negative ones from `p x p`, with importance weights Psi.

    This is how word2vec meets its data. At constant `G` the weights of rare pairs are huge, and so
    is the variance: small learning rates or large batches are needed.

    Attributes:
        seen: seen pairs, drawn from `P`.
        psi: `Psi+ = A / P` of each of them.
        words: words, drawn from `p`.
        probability: `p`.
        table: `B` of any pair.
    """

    seen: SeenPairs
    psi: Float[Array, " n"]
    words: AliasTable
    probability: Float[Array, " V"]
    table: WeightTable

    @classmethod
    def of(cls, problem: Problem) -> "Corpus":
        """Build the tables for a problem."""
        stats, weights = problem.require_statistics("pairs are drawn"), problem.pair_weights()
        pair, word = _counts_of(weights.positive, stats.counts) / stats.counts.sum(), stats.word_probability
        # Pairs of weight zero may be left out: they would add nothing.
        psi = weights.positive.data * (pair.sum() / pair)
        return cls(
            _offset(problem),
            SeenPairs.of(weights.positive, pair),
            jnp.asarray(psi, jnp.float32),
            AliasTable.of(word),
            jnp.asarray(word, jnp.float32),
            WeightTable.of(weights),
        )

    def pairs(self, batch_size: int) -> int:
        """Return `batch_size`, made even."""
        return 2 * (batch_size // 2)

    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return `batch_size / 2` positive and as many negative pairs."""
        half = batch_size // 2
        for_entry, for_row, for_column = jax.random.split(key, 3)
        entry = self.seen.table.draw(for_entry, half)
        seen_row, seen_column = self.seen.of_entries(entry)
        row, column = self.words.draw(for_row, half), self.words.draw(for_column, half)
        psi = self.table.at(row, column)[1] / (self.probability[row] * self.probability[column])
        none = jnp.zeros_like(psi)
        return PairBatch(
            jnp.concatenate([seen_row, row]),
            jnp.concatenate([seen_column, column]) + self.offset,
            jnp.concatenate([self.psi[entry] / half, none]),
            jnp.concatenate([none, psi / half]),
        )


class Balanced(PairSampler):
    """Pairs drawn from `G`, each labelled positive with probability `A / G`, else negative.

    The same expected gradient as `Corpus` without its importance weights, hence with far less
    variance. At constant `G` all pairs are equally likely.
    """

    @classmethod
    def of(cls, problem: Problem) -> "Balanced":
        """Build the tables for a problem."""
        problem.require_statistics("pairs are drawn")
        weights = problem.pair_weights()
        if weights.exclusive:
            factors = FactoredPairs.of(weights.left, weights.right)
            return _Labelled(_offset(problem), factors, WeightTable.of(weights), weights.total())
        negative = (
            FactoredPairs.of(weights.left, weights.right)
            if weights.dense_negative is None
            else DensePairs.of(weights.dense_negative)
        )
        seen = float(weights.positive.sum())
        return _Mixed(
            _offset(problem),
            SeenPairs.of(weights.positive, weights.positive.data),
            negative,
            seen,
            weights.total() - seen,
        )


class _Labelled(Balanced):
    """Where `G` is a product: pairs from its factors, then the label of each."""

    total: PairDraws
    table: WeightTable
    sum_of_total: float = eqx.field(static=True)

    def pairs(self, batch_size: int) -> int:
        """Return `batch_size`."""
        return batch_size

    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return `batch_size` pairs, each positive or negative."""
        for_pair, for_label = jax.random.split(key)
        row, column = self.total.draw(for_pair, batch_size)
        positive, negative = self.table.at(row, column)
        label = jax.random.uniform(for_label, (batch_size,), jnp.float32)
        is_positive = label * (positive + negative) < positive
        weight = jnp.float32(self.sum_of_total / batch_size)
        return PairBatch(
            row, column + self.offset, jnp.where(is_positive, weight, 0), jnp.where(is_positive, 0, weight)
        )


class _Mixed(Balanced):
    """Where `B` does not depend on `A`: as many pairs from each as their shares of `G`."""

    positive: SeenPairs
    negative: PairDraws
    sum_of_positive: float = eqx.field(static=True)
    sum_of_negative: float = eqx.field(static=True)

    def pairs(self, batch_size: int) -> int:
        """Return `batch_size`, or 2 where it is less."""
        return sum(self._counts(batch_size))

    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return positive and negative pairs."""
        for_positive, for_negative = jax.random.split(key)
        seen, drawn = self._counts(batch_size)
        pairs = self.positive.draw(for_positive, seen), self.negative.draw(for_negative, drawn)
        row, column = (jnp.concatenate(parts) for parts in zip(*pairs, strict=True))
        is_positive = jnp.arange(seen + drawn) < seen
        return PairBatch(
            row,
            column + self.offset,
            jnp.where(is_positive, jnp.float32(self.sum_of_positive / seen), 0),
            jnp.where(is_positive, 0, jnp.float32(self.sum_of_negative / drawn)),
        )

    def _counts(self, batch_size: int) -> tuple[int, int]:
        """Return how many pairs are positive and negative: at least one, or there is a bias."""
        share = self.sum_of_positive / (self.sum_of_positive + self.sum_of_negative)
        seen = max(1, round(share * batch_size))
        return seen, max(1, batch_size - seen)


class Blocks(Sampler):
    """All pairs of 64 random rows with 64 random columns, and that several times over.

        weight of a pair in its block = A_ij / (64^2 r_i c_j),   r, c = the marginals of G,

    from which rows and columns are drawn. Work is matrix products, and a row of `Z` is fetched and
    written once for 64 pairs. Every pair counts with both its weights, not with a label drawn for
    it. Pairs of a block are not independent of each other; of larger blocks that is felt, where the
    gradient of a word is large beside what single pairs scatter about it (`benchmarks/sgd_step.py`).

    Attributes:
        rows, columns: words, drawn from the marginals.
        row_weight, column_weight: inverse probabilities of being drawn.
        table: `A` and `B` of any pair.
    """

    rows: AliasTable
    columns: AliasTable
    row_weight: Float[Array, " V"]
    column_weight: Float[Array, " V"]
    table: WeightTable

    @classmethod
    def of(cls, problem: Problem) -> "Blocks":
        """Build the tables for a problem."""
        problem.require_statistics("pairs are drawn")
        weights = problem.pair_weights()
        rows, columns = _marginals(weights)
        return cls(
            _offset(problem),
            AliasTable.of(rows),
            AliasTable.of(columns),
            _inverse(rows),
            _inverse(columns),
            WeightTable.of(weights),
        )

    def pairs(self, batch_size: int) -> int:
        """Return the pairs of as many whole blocks as come nearest, or of a smaller one."""
        return math.prod(_blocks(batch_size))

    def gradient(
        self, key: Key[Array, ""], Z: Float[Array, "n d"], pair_loss: Loss, batch_size: int
    ) -> RowGradient:
        """Return the gradient of the loss of the blocks."""
        count, rows, columns = _blocks(batch_size)
        for_rows, for_columns = jax.random.split(key)
        row = self.rows.draw(for_rows, count * rows).reshape(count, rows)
        column = self.columns.draw(for_columns, count * columns).reshape(count, columns)

        def one(words: tuple[Array, Array]) -> RowGradient:
            row, column = words[0][:, None], words[1][None, :]
            weight = self.row_weight[row] * (self.column_weight[column] / (count * rows * columns))
            positive, negative = (weight * part for part in self.table.at(row, column))
            return block_gradient(Z, pair_loss, words[0], words[1] + self.offset, positive, negative)

        # One after the other a CPU is twice as fast: a block stays in its cache.
        places, values = jax.lax.platform_dependent(
            row,
            column,
            cpu=lambda *words: jax.lax.map(one, words),
            default=lambda *words: jax.vmap(one)(words),
        )
        return RowGradient(places.reshape(-1), values.reshape(-1, Z.shape[1]))


# `Balanced.of` gives one of two concrete forms.
SAMPLERS: dict[str, type[Sampler]] = {
    "corpus": Corpus,
    "balanced": Balanced,  # type: ignore[type-abstract]
    "blocks": Blocks,
}


def _blocks(batch_size: int) -> tuple[int, int, int]:
    """Return how many blocks make up a batch, and their rows and columns."""
    if batch_size >= _SIDE**2:
        return round(batch_size / _SIDE**2), _SIDE, _SIDE
    rows = math.isqrt(batch_size)
    return 1, rows, batch_size // rows


def _offset(problem: Problem) -> int:
    return 0 if problem.tied else problem.vocab_size


def _inverse(probability: np.ndarray) -> Float[Array, " V"]:
    """Return `1 / p`, and 0 where that is never asked for."""
    return jnp.asarray(
        np.divide(1, probability, out=np.zeros(len(probability)), where=probability > 0), jnp.float32
    )


def _marginals(weights: PairWeights) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of rows and of columns in the sum of `G`."""
    if weights.dense_negative is None:
        row, column = weights.left @ weights.right.sum(axis=0), weights.right @ weights.left.sum(axis=0)
    else:
        row, column = weights.dense_negative.sum(axis=1), weights.dense_negative.sum(axis=0)
    if not weights.exclusive:
        row, column = row + weights.positive.sum(axis=1), column + weights.positive.sum(axis=0)
    return row / row.sum(), column / column.sum()


def _counts_of(positive: sparse.csr_array, counts: sparse.csr_array) -> np.ndarray:
    """Return the counts of the entries of `A`, which are those of `counts` but for a user's own weights."""
    if np.array_equal(positive.indptr, counts.indptr) and np.array_equal(positive.indices, counts.indices):
        return counts.data
    return counts.toarray()[positive.nonzero()]
