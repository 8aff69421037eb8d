"""Second moments of what minibatches add to the vector of one word, also where vectors are noisy."""

from types import ModuleType
from typing import NamedTuple

from w2vflow.sgd.noise.gradient_noise import Pairs
from w2vflow.sgd.samplers.batches import Blocking, blocked, check_batch, shared_out
from w2vflow.support.arrays import AnyArray, namespace

__all__ = ["Kicks", "Vectors"]


class Vectors(NamedTuple):
    """Vectors of words: means and variances along each direction, `(V, d)`.

    Attributes:
        mean: what the concepts contribute.
        variance: of the noise about it, taken as Gaussian and independent between words.
        signs: by which the means of contexts differ from those of words.
        strength: sum over words of the second moments, `(d,)`: how strongly a direction pulls back.
    """

    mean: AnyArray
    variance: AnyArray
    signs: AnyArray
    strength: AnyArray

    @property
    def second(self) -> AnyArray:
        """Second moments."""
        return self.mean**2 + self.variance


class Kicks(NamedTuple):
    """The sums of which a sampler's noise is made, for `Vectors` of any noise.

        D_ik = sum_j E [c_ij(x_ij) w_jk^2] + what pairs of a block have in common,
        c_ij(x) = factor u_i u_j (1 + x / 2)^2 + (F + F' x + F'' x^2)_ij on seen pairs

    with `c_ij` the second moment of the slopes that the pair `i, j` gets in a batch.

    Attributes:
        factor, share: of all pairs, `u = share`.
        plain, linear: `F` and `F'` of the seen pairs, None if 0.
        of_x: `F' x` of the solution, None if 0.
        quarter: `F'' / F`: 1/4 or 0.
        common: what rows and columns of blocks have in common, over the square of a mean.
        ones: whether that is `sum_j (1 + x_ij / 2) w_j`, else `sum_j (x_ij - M*_ij) w_j / 2`.
        pairs: what is seen.
    """

    factor: AnyArray | float
    share: AnyArray
    plain: AnyArray | None
    linear: AnyArray | None
    of_x: AnyArray | None
    quarter: float
    common: float
    ones: bool
    pairs: Pairs

    @classmethod
    def of(cls, pairs: Pairs, batch_size: int, sampler: str) -> "Kicks":
        """Return the sums of a sampler; `pairs` are those of the solution."""
        check_batch(sampler, batch_size, _KICKS)
        return _KICKS[sampler](pairs, batch_size)

    def on(self, vectors: Vectors) -> AnyArray:
        """Return `D_ik`, the variance that one batch adds to each word along each direction."""
        return self._of_all(vectors) + self._of_seen(vectors) + self._of_blocks(vectors)

    def _of_all(self, at: Vectors) -> AnyArray:
        """Return `factor u_i sum_j u_j E[(1 + x / 2)^2 w_jk^2]`, by Wick's theorem."""
        xp, u = self._xp, self.share[:, None]
        m, C, T, signs = at.mean, at.variance, at.second, at.signs
        first = signs[:, None] * ((u * m).T @ T)
        linear = m @ first + 2 * m * (signs * xp.sum(u * m * C, axis=0))
        products = xp.stack([(m.T @ (column[:, None] * m)).T for column in (u * T).T])
        both = products * (signs[:, None] * signs)
        squared = xp.stack([xp.sum((m @ one) * m, axis=1) for one in both], axis=1)
        squared += C @ ((u * m**2).T @ T) + T @ ((u * C).T @ T)
        coupled = (signs[:, None] * signs) * ((u * m).T @ (m * C))
        squared += 4 * (m * (m @ coupled) + C * xp.sum(u * m**2 * C, axis=0)) + 2 * T * xp.sum(
            u * C**2, axis=0
        )
        return self.factor * u * (xp.sum(u * T, axis=0) + linear + squared / 4)

    def _of_seen(self, at: Vectors) -> AnyArray:
        """Return what seen pairs have more, with `x` of the means in proportion to what is held of them."""
        xp, pairs = self._xp, self.pairs
        m, C, T = at.mean, at.variance, at.second
        left = xp.sum(m**2) / xp.sum(xp.abs(pairs.values))
        if self.linear is None:
            return pairs.times(self.plain, T)
        if self.plain is None or not self.quarter:
            found = left * pairs.times(self.of_x, T) + 2 * m * pairs.times(self.linear, at.signs * m * C)
            return found if self.plain is None else found + pairs.times(self.plain, T)
        squared, x = self.quarter * self.plain, left * pairs.x
        found = pairs.times(self.plain + left * self.of_x + squared * x**2, T)
        found = found + m * pairs.times(2 * self.linear + 4 * squared * x, at.signs * m * C)
        # Of the noise of `x^2`, which is the same in all directions but for its size.
        noisy, whole = C.sum(axis=1), T.sum(axis=1)
        columns = xp.stack([whole**2, whole * noisy, noisy**2], axis=1)
        of_both, of_noise, of_square = pairs.times(squared, columns).T
        share, d = at.strength / xp.sum(at.strength), m.shape[1]
        more = (noisy * (of_both - of_noise) + whole * of_noise)[:, None] * share / d
        return found + more + 2 * T * of_square[:, None] / d**2

    def _of_blocks(self, at: Vectors) -> AnyArray:
        """Return what the words of a block share: the pull of all its columns on a row, and vice versa."""
        found = at.strength**2 * at.variance / 4
        if self.ones:
            pull = at.signs * self._xp.sum(at.mean, axis=0) + at.strength * at.mean / 2
            found = found + pull**2
        return self.common * found

    @property
    def _xp(self) -> ModuleType:
        return namespace(self.pairs.values, self.pairs.weights.values)

    @classmethod
    def _made(
        cls,
        pairs: Pairs,
        factor: AnyArray | float,
        share: AnyArray | None,
        seen: tuple[AnyArray | None, AnyArray | None],
        blocking: Blocking | None = None,
        *,
        quarter: float = 0.0,
        ones: bool = False,
    ) -> "Kicks":
        """Return the sums of a sampler, of which `seen` are `F` and `F'`."""
        V = len(pairs.vectors)
        common = 0.0 if blocking is None else sum(_in_common(V, blocking)) / blocking.blocks
        share = pairs.xp.ones(V) if share is None else share
        of_x = None if seen[1] is None else seen[1] * pairs.x
        return cls(factor, share, *seen, of_x, quarter, common, ones, pairs)


def _in_common(V: int, blocking: Blocking) -> tuple[float, float]:
    """Return, for rows and for columns, by how much drawing a word makes its mean pull vary."""
    _, a, c = blocking
    return (V / a + 1 - 1 / a) * (1 - 1 / c) - 1, (V / c + 1 - 1 / c) * (1 - 1 / a) - 1


def _alone(V: int, blocking: Blocking) -> float:
    """Return the weight of single pairs of a block."""
    count, a, c = blocking
    return ((V / a + 1 - 1 / a) * V / c + (V / c + 1 - 1 / c) * V / a) / count


def _corpus(pairs: Pairs, batch_size: int) -> Kicks:
    A, factor = pairs.weights.values, 2 / (batch_size // 2)
    positive = factor * A**2 / pairs.pair
    # B^2 - 1 = -A (2 - A) on seen pairs; B = 1 on the others.
    fewer = factor * A * (2 - A) / pairs.product_of_words()
    return Kicks._made(pairs, factor, 1 / pairs.word, (positive - fewer, -positive - fewer), quarter=0.25)


def _balanced(pairs: Pairs, batch_size: int) -> Kicks:
    factor = 2 * len(pairs.vectors) ** 2 / batch_size
    return Kicks._made(pairs, factor, None, (None, -2 * factor * pairs.weights.values))


def _blocks(pairs: Pairs, batch_size: int) -> Kicks:
    A, blocking = pairs.weights.values, blocked(batch_size)
    factor = _alone(len(pairs.vectors), blocking)
    return Kicks._made(pairs, factor, None, (4 * factor * A * (A - 1), -2 * factor * A), blocking)


def _shared(pairs: Pairs, batch_size: int) -> Kicks:
    A, (drawn, blocking) = pairs.weights.values, shared_out(batch_size)
    factor = _alone(len(pairs.vectors), blocking)
    return Kicks._made(pairs, factor, None, (8 * A.sum() / drawn * A, None), blocking, ones=True)


_KICKS = {"corpus": _corpus, "balanced": _balanced, "blocks": _blocks, "shared": _shared}
