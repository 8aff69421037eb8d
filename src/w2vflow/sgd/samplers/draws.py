"""Random indices, words and pairs of words on the device, in 32-bit arithmetic."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt32

from w2vflow.problem import PairWeights
from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.checks import argument_error
from w2vflow.support.csr import entry_rows

__all__ = [
    "AliasTable",
    "DensePairs",
    "FactoredPairs",
    "OtherContexts",
    "SeenPairs",
    "draw_fractions",
    "draw_index",
    "traced_alias_table",
]


def draw_index(
    key: Key[Array, ""], count: int, size: int, words: int = 2
) -> tuple[Int[Array, " b"], Float[Array, " b"]]:
    """Return `count` uniform indices below `size`, and for each a uniform fraction in [0, 1).

    The integer and the fractional part of `size` times a fixed-point fraction of one or two random words
    of 32 bits. No index is likelier than another by more than `size / 2^64`, or `size / 2^32` of one word.
    Small fractions are as finely divided as large ones: probabilities far below 2^-24 are right, too.

    Raises:
        ValueError: a size beyond 32 bits.
    """
    if size > np.iinfo(np.int32).max:
        raise argument_error("size", "below 2^31", size, "Use a smaller vocabulary.")
    high, *rest = jax.random.bits(key, (words, count), jnp.uint32)
    index, remainder = _wide_product(high, size)
    last = jnp.zeros_like(remainder)
    for low in rest:
        carry, last = _wide_product(low, size)
        remainder = remainder + carry
        index = index + (remainder < carry)
    return index.astype(jnp.int32), _as_fraction(remainder, last)


def draw_fractions(key: Key[Array, ""], count: int) -> Float[Array, " b"]:
    """Return `count` uniform fractions, small ones as finely divided as large ones."""
    return _as_fraction(*jax.random.bits(key, (2, count), jnp.uint32))


def _as_fraction(high: UInt32[Array, " b"], low: UInt32[Array, " b"]) -> Float[Array, " b"]:
    """Return the fraction whose first 64 bits are given, rounded to a float32, but never up to 1."""
    parts = (high.astype(jnp.float32), low.astype(jnp.float32))
    fraction = parts[0] * jnp.float32(2.0**-32) + parts[1] * jnp.float32(2.0**-64)
    return jnp.minimum(fraction, jnp.float32(1 - 2.0**-24))


def _wide_product(a: UInt32[Array, " b"], b: int) -> tuple[UInt32[Array, " b"], UInt32[Array, " b"]]:
    """Return the high and low words of the 64-bit product, in 32-bit arithmetic."""
    a_high, a_low = a >> 16, a & 0xFFFF
    b_high, b_low = jnp.uint32(b >> 16), jnp.uint32(b & 0xFFFF)
    low = a_low * b_low
    middle = a_high * b_low + (low >> 16)
    cross = a_low * b_high + (middle & 0xFFFF)
    return a_high * b_high + (middle >> 16) + (cross >> 16), (cross << 16) | (low & 0xFFFF)


class AliasTable(eqx.Module):
    """Draws an index with given probabilities: one uniform index and one comparison.

    Index `k` is kept with probability `share[k]`, and is `alias[k]` else.

    Attributes:
        slots: bits of `share`, and `alias`, side by side: a large table is asked once.
        words: random words of 32 bits in a draw.
    """

    slots: Int[Array, "n 2"]
    words: int = eqx.field(static=True)

    @classmethod
    def of(cls, weights: Float[AnyArray, " n"]) -> "AliasTable":
        """Return the table of probabilities in proportion to `weights`, some of them positive."""
        if not is_known(weights):
            traced, other = traced_alias_table(weights)
            bits = jax.lax.bitcast_convert_type(traced, jnp.int32)
            return cls(jnp.stack([bits, other], axis=1), 2)
        from w2vflow.sgd.samplers.alias_kernel import alias_table

        host = np.asarray(weights)
        share, alias = alias_table(host)
        return cls(jnp.asarray(np.column_stack([share.view(np.int32), alias])), _words(host))

    def draw(self, key: Key[Array, ""], count: int) -> Int[Array, " b"]:
        """Return `count` independent indices."""
        return self.pick(*draw_index(key, count, len(self.slots), self.words))

    def pick(self, index: Int[Array, " b"], fraction: Float[Array, " b"]) -> Int[Array, " b"]:
        """Return what the table makes of uniform indices and fractions."""
        slot = self.slots[index]
        share = jax.lax.bitcast_convert_type(slot[:, 0], jnp.float32)
        return jnp.where(fraction < share, index, slot[:, 1])


def traced_alias_table(probability: Float[Array, " n"]) -> tuple[Float[Array, " n"], Int[Array, " n"]]:
    """Return the table of `alias_table` by the same steps, of traced probabilities."""
    size = len(probability)
    share = probability / jnp.sum(probability) * size
    items = jnp.arange(size, dtype=jnp.int32)
    is_light = share < 1
    light, heavy = (jnp.argsort(~kind, stable=True).astype(jnp.int32) for kind in (is_light, ~is_light))
    lights = jnp.sum(is_light, dtype=jnp.int32)

    def step(now: Any) -> Any:
        share, alias, light, lights, heavies = now
        small, large = light[lights - 1], heavy[heavies - 1]
        left = share[large] - (1 - share[small])
        turned = left < 1
        light = light.at[lights - 1].set(jnp.where(turned, large, small))
        lights, heavies = lights - 1 + turned, heavies - turned
        return share.at[large].set(left), alias.at[small].set(large), light, lights, heavies

    begin = share, items, light, lights, size - lights
    share, alias, light, lights, heavies = jax.lax.while_loop(
        lambda now: (now[3] > 0) & (now[4] > 0), step, begin
    )
    # What is left is 1 but for rounding.
    left = jnp.zeros(size, bool).at[light].max(items < lights).at[heavy].max(items < heavies)
    return jnp.where(left, 1, share).astype(jnp.float32), alias


def _words(weights: np.ndarray) -> int:
    """Return how many random words a draw needs so that rare indices are drawn as often as they should."""
    # One word puts the border of a share off by up to 2^-32 of all: at most 2^-15 of any probability.
    return 1 if np.min(weights[weights > 0]) > 2.0**-17 * np.sum(weights) else 2


class SeenPairs(eqx.Module):
    """Pairs among the entries of a sparse matrix, in proportion to weights of its entries.

    Attributes:
        table: draws an entry.
        pairs: row and column of each entry.
    """

    table: AliasTable
    pairs: Int[Array, "n 2"]

    @classmethod
    def of(
        cls, indptr: Int[AnyArray, " r"], indices: Int[AnyArray, " n"], weights: Float[AnyArray, " n"]
    ) -> "SeenPairs":
        """Return the draws from the entries of a CSR pattern."""
        xp = namespace(indptr, indices)
        pairs = xp.stack(
            [entry_rows(indptr, len(indices)).astype(np.int32), indices.astype(np.int32)], axis=1
        )
        return cls(AliasTable.of(weights), jnp.asarray(pairs))

    def draw(self, key: Key[Array, ""], count: int) -> tuple[Int[Array, " b"], Int[Array, " b"]]:
        """Return rows and columns of `count` independent pairs."""
        return self.of_entries(self.table.draw(key, count))

    def of_entries(self, entries: Int[Array, " b"]) -> tuple[Int[Array, " b"], Int[Array, " b"]]:
        """Return rows and columns of given entries."""
        pairs = self.pairs[entries]
        return pairs[:, 0], pairs[:, 1]


class FactoredPairs(eqx.Module):
    """Pairs in proportion to `L R^T`: a column of both factors, then a word from each.

    Attributes:
        rows: draws column `k` and word `i` together, as `k V + i`.
        columns: for each `k` a table of words, one after the other.
    """

    rows: AliasTable
    columns: AliasTable
    vocab_size: int = eqx.field(static=True)

    @classmethod
    def of(cls, left: Float[AnyArray, "V q"], right: Float[AnyArray, "V q"]) -> "FactoredPairs":
        """Return the draws from nonnegative factors, of which every column has a sum above 0."""
        size = len(left)
        tables = [AliasTable.of(column) for column in right.T]
        slots = [table.slots.at[:, 1].add(k * size) for k, table in enumerate(tables)]
        return cls(
            AliasTable.of((left * right.sum(axis=0)).T.ravel()),
            AliasTable(jnp.concatenate(slots), max(table.words for table in tables)),
            size,
        )

    def draw(self, key: Key[Array, ""], count: int) -> tuple[Int[Array, " b"], Int[Array, " b"]]:
        """Return rows and columns of `count` independent pairs."""
        for_row, for_column = jax.random.split(key)
        row = self.rows.draw(for_row, count)
        word, fraction = draw_index(for_column, count, self.vocab_size, self.columns.words)
        column = self.columns.pick(row // self.vocab_size * self.vocab_size + word, fraction)
        return row % self.vocab_size, column % self.vocab_size


class OtherContexts(eqx.Module):
    """Negative pairs as word2vec draws them: the word of a seen pair, with another context than its own.

    Attributes:
        contexts: draws contexts, from `q`.
        both: whether half of the pairs are turned round, word and context.
    """

    contexts: AliasTable
    both: bool = eqx.field(static=True)

    @classmethod
    def of(cls, weights: PairWeights) -> "OtherContexts":
        """Return the draws for `B_ij = k q_j (u_i - A_ij)`, or for half of it turned round."""
        assert weights.skip is not None
        return cls(AliasTable.of(weights.skip[:, -1]), weights.skip.shape[1] == 2)

    def draw(
        self, key: Key[Array, ""], count: int, seen: "SeenPairs"
    ) -> tuple[Int[Array, " b"], Int[Array, " b"], Bool[Array, " b"]]:
        """Return rows and columns of `count` pairs, and which of them are not to be skipped."""
        for_seen, for_context, for_turn = jax.random.split(key, 3)
        row, own = seen.draw(for_seen, count)
        column = self.contexts.draw(for_context, count)
        kept = column != own
        if self.both:
            turned = jax.random.bernoulli(for_turn, shape=(count,))
            row, column = jnp.where(turned, column, row), jnp.where(turned, row, column)
        return row, column, kept


class DensePairs(eqx.Module):
    """Pairs in proportion to the entries of a matrix."""

    table: AliasTable
    vocab_size: int = eqx.field(static=True)

    @classmethod
    def of(cls, weights: Float[AnyArray, "V V"]) -> "DensePairs":
        """Return the draws from a nonnegative matrix."""
        return cls(AliasTable.of(weights.ravel()), len(weights))

    def draw(self, key: Key[Array, ""], count: int) -> tuple[Int[Array, " b"], Int[Array, " b"]]:
        """Return rows and columns of `count` independent pairs."""
        pair = self.table.draw(key, count)
        return pair // self.vocab_size, pair % self.vocab_size
