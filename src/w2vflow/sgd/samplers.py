"""Minibatches of pairs, drawn on the device. Every sampler's expected gradient is the full gradient."""

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt32

from w2vflow.checks import argument_error
from w2vflow.problem import Problem

__all__ = ["SAMPLERS", "Balanced", "Corpus", "PairBatch", "Sampler", "draw_index"]


class PairBatch(NamedTuple):
    """A minibatch; its loss is the mean over pairs of `positive l+(x) + negative l-(x)`.

    Attributes:
        rows, columns: the two words of each pair.
        positive, negative: weights of the pair as a positive and as a negative example.
    """

    rows: Int[Array, " b"]
    columns: Int[Array, " b"]
    positive: Float[Array, " b"]
    negative: Float[Array, " b"]


class Sampler(eqx.Module):
    """Draws minibatches whose expected loss is the objective."""

    @classmethod
    @abstractmethod
    def of(cls, problem: Problem) -> "Sampler":
        """Tabulate what drawing needs of a problem."""

    @abstractmethod
    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return a minibatch of `batch_size` independent pairs."""


class Corpus(Sampler):
    """Positive pairs from `P`, as many negative ones from `p x p`, with importance weights Psi.

    This is how word2vec meets its data. At constant `G` the weights of rare pairs are huge, and so
    is the variance: small learning rates or large batches are needed.
    """

    pair_share: Float[Array, " VV"]
    pair_alias: Int[Array, " VV"]
    word_share: Float[Array, " V"]
    word_alias: Int[Array, " V"]
    psi_positive: Float[Array, " VV"]
    psi_negative: Float[Array, " VV"]

    @classmethod
    def of(cls, problem: Problem) -> "Corpus":
        """Build the alias tables for a problem."""
        from w2vflow.sgd.alias import alias_table

        stats = problem.require_statistics("pairs are drawn")
        pair = (stats.counts.toarray() / stats.counts.sum()).ravel()
        word = stats.word_probability
        share = _positive_share(problem)
        product = np.outer(word, word).ravel()
        psi_positive = np.divide(share, pair, out=np.zeros_like(pair), where=pair > 0)
        tables = (*alias_table(pair), *alias_table(word), psi_positive, (1 - share) / product)
        return cls(*(jnp.asarray(t, jnp.int32 if t.dtype == np.int32 else jnp.float32) for t in tables))

    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return `batch_size / 2` positive and as many negative pairs."""
        size, half = len(self.word_share), batch_size // 2
        for_pair, for_row, for_column = jax.random.split(key, 3)
        seen = _alias_draw(for_pair, half, self.pair_share, self.pair_alias)
        row = _alias_draw(for_row, half, self.word_share, self.word_alias)
        column = _alias_draw(for_column, half, self.word_share, self.word_alias)
        # Each half estimates its own sum, and the mean runs over both.
        positive, negative = 2 * self.psi_positive[seen], 2 * self.psi_negative[row * size + column]
        none = jnp.zeros_like(positive)
        return PairBatch(
            jnp.concatenate([seen // size, row]),
            jnp.concatenate([seen % size, column]),
            jnp.concatenate([positive, none]),
            jnp.concatenate([none, negative]),
        )


class Balanced(Sampler):
    """Pairs drawn from `G`, each labelled positive with probability `A / G`, else negative.

    The same expected gradient as `Corpus` without its importance weights, hence with far less
    variance. At constant `G` all pairs are equally likely.
    """

    positive_share: Float[Array, " VV"]
    vocab_size: int = eqx.field(static=True)

    @classmethod
    def of(cls, problem: Problem) -> "Balanced":
        """Tabulate `A / G` for a problem."""
        return cls(jnp.asarray(_positive_share(problem), jnp.float32), problem.vocab_size)

    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return `batch_size` pairs, each positive or negative."""
        pairs = self.vocab_size**2
        pair, fraction = draw_index(key, batch_size, pairs)
        positive = fraction < self.positive_share[pair]
        weight = jnp.float32(pairs)
        return PairBatch(
            pair // self.vocab_size,
            pair % self.vocab_size,
            jnp.where(positive, weight, 0),
            jnp.where(positive, 0, weight),
        )


SAMPLERS: dict[str, type[Sampler]] = {"corpus": Corpus, "balanced": Balanced}


def draw_index(key: Key[Array, ""], count: int, size: int) -> tuple[Int[Array, " b"], Float[Array, " b"]]:
    """Return `count` uniform indices below `size`, and for each a uniform fraction in [0, 1).

    The index is the integer part of `size` times a 64-bit fixed-point fraction, the second result
    its fractional part; so one draw of two words serves an alias table or a label. No index is
    likelier than another by more than `size / 2^64`.
    """
    if size > np.iinfo(np.int32).max:
        raise argument_error("size", "below 2^31", size, "Use a smaller vocabulary.")
    high, low = jax.random.bits(key, (2, count), jnp.uint32)
    carry, _ = _wide_product(low, size)
    index, remainder = _wide_product(high, size)
    remainder = remainder + carry
    index = index + (remainder < carry)
    # 24 bits: all of a float32's, and never rounded up to 1.
    fraction = (remainder >> 8).astype(jnp.float32) * jnp.float32(2.0**-24)
    return index.astype(jnp.int32), fraction


def _wide_product(a: UInt32[Array, " b"], b: int) -> tuple[UInt32[Array, " b"], UInt32[Array, " b"]]:
    """Return the high and low words of the 64-bit product, in 32-bit arithmetic."""
    a_high, a_low = a >> 16, a & 0xFFFF
    b_high, b_low = jnp.uint32(b >> 16), jnp.uint32(b & 0xFFFF)
    low = a_low * b_low
    middle = a_high * b_low + (low >> 16)
    cross = a_low * b_high + (middle & 0xFFFF)
    return a_high * b_high + (middle >> 16) + (cross >> 16), (cross << 16) | (low & 0xFFFF)


def _alias_draw(
    key: Key[Array, ""], count: int, share: Float[Array, " n"], alias: Int[Array, " n"]
) -> Int[Array, " b"]:
    index, fraction = draw_index(key, count, len(share))
    return jnp.where(fraction < share[index], index, alias[index])


def _positive_share(problem: Problem) -> np.ndarray:
    """Return `A / G = (2 + M*) / 4` of every pair, flat, float64."""
    return (2 + np.asarray(problem.target(), np.float64).ravel()) / 4
