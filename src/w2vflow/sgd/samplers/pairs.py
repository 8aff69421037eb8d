"""Samplers of single pairs: as a text has them, or balanced."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from w2vflow.problem import Problem
from w2vflow.sgd.samplers.base import PairSampler, Sampler, context_offset
from w2vflow.sgd.samplers.blocks import Blocks, Shared
from w2vflow.sgd.samplers.draws import (
    AliasTable,
    DensePairs,
    FactoredPairs,
    OtherContexts,
    SeenPairs,
    draw_fractions,
)
from w2vflow.sgd.samplers.gradients import PairBatch
from w2vflow.sgd.samplers.weight_table import WeightTable
from w2vflow.support.arrays import is_known
from w2vflow.support.checks import argument_error

__all__ = ["SAMPLERS", "Balanced", "Corpus"]


class Corpus(PairSampler):
    """Positive pairs from `P`, as many negative ones from `p x q`, with importance weights Psi.

    This is how word2vec meets its data. At constant `G` rare pairs have huge weights, and the variance
    asks for small learning rates or large batches.

    Attributes:
        seen: seen pairs, drawn from `P`.
        psi: `Psi+ = A / P` of each of them.
        words, contexts: drawn from `p` and from `q`, which are the same if both directions were counted.
        word_probability, context_probability: `p` and `q`.
        table: `B` of any pair.
    """

    seen: SeenPairs
    psi: Float[Array, " n"]
    words: AliasTable
    contexts: AliasTable
    word_probability: Float[Array, " V"]
    context_probability: Float[Array, " V"]
    table: WeightTable

    @classmethod
    def of(cls, problem: Problem) -> "Corpus":
        """Build the tables for a problem."""
        stats, weights = problem.require_statistics("pairs are drawn"), problem.pair_weights()
        pair, word, context = (
            stats.values / stats.values.sum(),
            stats.word_probability,
            stats.context_probability,
        )
        psi, words = weights.values / pair, AliasTable.of(word)
        return cls(
            context_offset(problem),
            SeenPairs.of(weights.indptr, weights.indices, pair),
            jnp.asarray(psi, jnp.float32),
            words,
            words if context is word else AliasTable.of(context),
            jnp.asarray(word, jnp.float32),
            jnp.asarray(context, jnp.float32),
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
        row, column = self.words.draw(for_row, half), self.contexts.draw(for_column, half)
        product = self.word_probability[row] * self.context_probability[column]
        psi = self.table.at(row, column)[1] / product
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
        problem.require_statistics("pairs are drawn")
        weights = problem.pair_weights()
        if weights.exclusive:
            factors = FactoredPairs.of(weights.left, weights.right)
            total = jnp.asarray(weights.total(), jnp.float32)
            return _Labelled(context_offset(problem), factors, WeightTable.of(weights), total)
        negative: FactoredPairs | DensePairs | OtherContexts
        if weights.skip is not None:
            negative = OtherContexts.of(weights)
        elif weights.dense_negative is None:
            negative = FactoredPairs.of(weights.left, weights.right)
        else:
            negative = DensePairs.of(weights.dense_negative)
        if not is_known(weights):
            expected = "another than 'balanced' where the counts of this weighting are traced"
            remedy = "How many of its pairs are seen ones depends on them. Use 'blocks'."
            raise argument_error("sampler", expected, "'balanced'", remedy)
        seen = float(weights.values.sum())
        drawn = float(weights.left.sum(axis=0) @ weights.right.sum(axis=0))
        of_negative = float(weights.total()) - seen if weights.skip is None else drawn
        return _Mixed(
            context_offset(problem),
            SeenPairs.of(weights.indptr, weights.indices, weights.values),
            negative,
            seen,
            of_negative,
        )


class _Labelled(Balanced):
    """Where `G` is a product: pairs from its factors, then the label of each."""

    total: FactoredPairs
    table: WeightTable
    sum_of_total: Float[Array, ""]

    def pairs(self, batch_size: int) -> int:
        return batch_size

    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return `batch_size` pairs, each positive or negative."""
        for_pair, for_label = jax.random.split(key)
        row, column = self.total.draw(for_pair, batch_size)
        positive, negative = self.table.at(row, column)
        label = draw_fractions(for_label, batch_size)
        is_positive = label * (positive + negative) < positive
        weight = self.sum_of_total / batch_size
        return PairBatch(
            row, column + self.offset, jnp.where(is_positive, weight, 0), jnp.where(is_positive, 0, weight)
        )


class _Mixed(Balanced):
    """As many pairs from `A` and from `B` as their shares of `G`.

    Where negative pairs with the context of their positive one are skipped, those skipped count as drawn.
    """

    positive: SeenPairs
    negative: FactoredPairs | DensePairs | OtherContexts
    sum_of_positive: float = eqx.field(static=True)
    sum_of_negative: float = eqx.field(static=True)

    def pairs(self, batch_size: int) -> int:
        """Return `batch_size`, or 2 where it is less."""
        return sum(self._counts(batch_size))

    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return positive and negative pairs."""
        for_positive, for_negative = jax.random.split(key)
        seen, drawn = self._counts(batch_size)
        there: Array = jnp.ones(drawn, bool)
        if isinstance(self.negative, OtherContexts):
            *others, there = self.negative.draw(for_negative, drawn, self.positive)
        else:
            others = list(self.negative.draw(for_negative, drawn))
        pairs = self.positive.draw(for_positive, seen), others
        row, column = (jnp.concatenate(parts) for parts in zip(*pairs, strict=True))
        is_positive = jnp.arange(seen + drawn) < seen
        is_negative = jnp.concatenate([jnp.zeros(seen, bool), there])
        return PairBatch(
            row,
            column + self.offset,
            jnp.where(is_positive, jnp.float32(self.sum_of_positive / seen), 0),
            jnp.where(is_negative, jnp.float32(self.sum_of_negative / drawn), 0),
        )

    def _counts(self, batch_size: int) -> tuple[int, int]:
        """Return how many pairs are positive and negative: at least one, or there is a bias."""
        share = self.sum_of_positive / (self.sum_of_positive + self.sum_of_negative)
        seen = max(1, round(share * batch_size))
        return seen, max(1, batch_size - seen)


# `Balanced.of` gives one of two concrete forms.
SAMPLERS: dict[str, type[Sampler]] = {
    "corpus": Corpus,
    "balanced": Balanced,  # type: ignore[type-abstract]
    "blocks": Blocks,
    "shared": Shared,
}
