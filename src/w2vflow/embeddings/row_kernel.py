"""Logistic regressions of words on contexts, or of contexts on words, row by row, compiled.

Imported when first needed: numba is slow to load.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from w2vflow.support.compiled import compiled

__all__ = ["Given", "SeenPairs", "Side", "refit", "target_products"]

Host = np.ndarray
_fast: Any = partial(compiled, reorder=True)

# Gauss-Hermite quadrature of means over a Gaussian.
_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(7)
_SHARES = _SHARES / _SHARES.sum()
# Curvature of ln(1 + e^x) that the size of directions is guessed by: any near 0.15 serves.
_CURVATURE = np.float32(0.15)
# Below this share of all pairs the unseen ones of a row are rounding errors.
_FEW = 1e-5
# Of longer rows every fourth pair tells how long the last step is.
_LONG, _STRIDE = 256, 4
_HALF = np.float32(0.5)
_ONE = np.float32(1)


class SeenPairs(NamedTuple):
    """`A` of the seen pairs, the same from words and from contexts: a symmetric matrix by rows."""

    indptr: Int[Host, " r"]
    indices: Int[Host, " n"]
    positive: Float[Host, " n"]


class Side(NamedTuple):
    """Weights as seen from words or from contexts: `B = left right^T + (own_i - other_j - 1) A`.

    `sums` are those of `G` over the other side.
    """

    left: Float[Host, "V q"]
    right: Float[Host, "V q"]
    own: Float[Host, " V"]
    other: Float[Host, " V"]
    sums: Float[Host, " V"]


class Given(NamedTuple):
    """Vectors of the other side, and their moments under every column `r` of `right`.

    Attributes:
        mass, linear, square: `sum_j R_jr`, `sum_j R_jr c_j` and `sum_j R_jr c_j c_j^T`; the last is diagonal
            if there is one column, and then its diagonal alone, `b = 1`.
        spread: mean square of each entry of `c_j` under the sums of `G`.
    """

    vectors: Float[Host, "V d"]
    mass: Float[Host, " q"]
    linear: Float[Host, "q d"]
    square: Float[Host, "q b d"]
    spread: Float[Host, " d"]


@_fast
def _dots(vectors: Host, seen: Host, vector: Host, out: Host) -> None:
    """Write the inner products with some rows, four at a time."""
    size, at = len(seen), 0
    while at + 4 <= size:
        a, b, c, d = seen[at], seen[at + 1], seen[at + 2], seen[at + 3]
        s = t = u = v = np.float32(0)
        for k in range(len(vector)):
            s += vectors[a, k] * vector[k]
            t += vectors[b, k] * vector[k]
            u += vectors[c, k] * vector[k]
            v += vectors[d, k] * vector[k]
        out[at], out[at + 1], out[at + 2], out[at + 3] = s, t, u, v
        at += 4
    for last in range(at, size):
        s = np.float32(0)
        for k in range(len(vector)):
            s += vectors[seen[last], k] * vector[k]
        out[last] = s


@_fast
def _add_rows(vectors: Host, seen: Host, factors: Host, out: Host) -> None:
    """Add multiples of some rows, four at a time."""
    size, at = len(seen), 0
    while at + 4 <= size:
        a, b, c, d = seen[at], seen[at + 1], seen[at + 2], seen[at + 3]
        s, t, u, v = factors[at], factors[at + 1], factors[at + 2], factors[at + 3]
        for k in range(len(out)):
            out[k] += s * vectors[a, k] + t * vectors[b, k] + u * vectors[c, k] + v * vectors[d, k]
        at += 4
    for last in range(at, size):
        for k in range(len(out)):
            out[k] += factors[last] * vectors[seen[last], k]


@_fast
def _weights(word: int, seen: Host, positive: Host, side: Side, low: Host, total: Host) -> float:
    """Write `L R^T` and `G` of the seen pairs of a row; return the sum of the former."""
    whole: Any = 0.0
    for at in range(len(seen)):
        value = np.float32(0)
        for r in range(side.left.shape[1]):
            value += side.left[word, r] * side.right[seen[at], r]
        low[at] = value
        total[at] = value + (side.own[word] - side.other[seen[at]]) * positive[at]
        whole += value
    return whole


@_fast
def _logistic(x: Any) -> Any:
    return _ONE / (_ONE + np.exp(-x))


@_fast
def _unseen(mean: float, square: float) -> tuple[float, float, float]:
    """Return `sigma` and `sigma'` in the mean over a Gaussian, and `tanh(r/2) / (2 r)`, `r^2 = square`."""
    width = np.sqrt(max(square - mean**2, 0.0))
    level = slope = 0.0
    for node in range(len(_NODES)):
        value = 1 / (1 + np.exp(-(mean + width * _NODES[node])))
        level += _SHARES[node] * value
        slope += _SHARES[node] * value * (1 - value)
    root = max(np.sqrt(max(square, mean**2)), 1e-3)
    return level, slope, np.tanh(root / 2) / (2 * root)


@_fast
def _image(left: Host, square: Host, vector: Host, out: Host) -> float:
    """Write `sum_r left_r square_r vector`; return its product with the vector."""
    form = 0.0
    for k in range(len(vector)):
        if square.shape[1] == 1:
            out[k] = left[0] * square[0, 0, k] * vector[k]
            form += out[k] * vector[k]
            continue
        out[k] = 0
        for r in range(len(left)):
            value = np.float32(0)
            for m in range(len(vector)):
                value += square[r, k, m] * vector[m]
            out[k] += left[r] * value
        form += out[k] * vector[k]
    return form


@_fast
def _coefficients(
    x: Host, positive: Host, low: Host, total: Host, moments: tuple[Any, Any, Any], out: Host
) -> None:
    """Write by how much each seen pair pulls at the row, beyond its part in the moments of all pairs."""
    mean, level, slope = moments
    for at in range(len(x)):
        value = _logistic(x[at])
        out[at] = positive[at] - total[at] * value + low[at] * (level + slope * (x[at] - mean))


@_fast
def _curvature(x: Host, change: Host, low: Host, total: Host, bound: Any, stride: int) -> Any:
    """Return the sum over seen pairs of the curvature that bounds the loss, beyond that of unseen ones.

    Changes are those of every so many pairs, which stand for all: the most frequent come first.
    """
    whole, part = np.float32(0), np.float32(0)
    for sample in range(len(change)):
        at = sample * stride
        near = abs(x[at]) < np.float32(1e-3)
        value = np.float32(0.25) if near else (_logistic(x[at]) - _HALF) / x[at]
        whole += total[at] * value * change[sample] ** 2
        part += low[at] * change[sample] ** 2
    return np.float32(stride) * (whole - bound * part)


@_fast
def _moments(x: Host, low: Host, rest: float, all_linear: float, all_square: float) -> tuple[float, float]:
    """Return the first two moments of the logits of unseen pairs: those of all less those of the seen."""
    first, second = all_linear, all_square
    for at in range(len(x)):
        first -= low[at] * x[at]
        second -= low[at] * x[at] * x[at]
    return first / rest, second / rest


@_fast
def _refit_row(
    word: int, seen: Host, positive: Host, side: Side, given: Given, w: Host, ridge: Any, steps: int
) -> None:
    """Move one row by steps of conjugate gradients, each as long as the quadratic bound of the loss says."""
    size, dim, left = len(seen), len(w), side.left[word]
    work, row = np.empty((5, size), np.float32), np.zeros((5, dim), np.float32)
    low, total, x, change, factors = work[0], work[1], work[2], work[3], work[4]
    linear, image, descent, previous, direction = row[0], row[1], row[2], row[3], row[4]
    whole = 0.0
    for r in range(len(left)):
        whole += left[r] * given.mass[r]
        linear += left[r] * given.linear[r]
    rest = whole - _weights(word, seen, positive, side, low, total)
    scale = _CURVATURE * side.sums[word]
    if w.any():
        _dots(given.vectors, seen, w, x)
    else:
        x[:] = 0
    last = 0.0
    for step in range(steps):
        form = _image(left, given.square, w, image)
        mean, level, slope, bound = 0.0, 0.5, 0.25, 0.25
        if rest > _FEW * whole:
            mean, square = _moments(x, low, rest, np.dot(linear, w), form)
            level, slope, bound = _unseen(mean, square)
        _coefficients(
            x, positive, low, total, (np.float32(mean), np.float32(level), np.float32(slope)), factors
        )
        previous[:] = descent
        descent[:] = -np.float32(level - slope * mean) * linear - np.float32(slope) * image - ridge * w
        _add_rows(given.vectors, seen, factors, descent)
        now = turned = 0.0
        for k in range(dim):
            likely = descent[k] / (scale * given.spread[k] + ridge)
            now += likely * descent[k]
            turned += likely * (descent[k] - previous[k])
        if not now > 0:
            return
        kept = np.float32(max(turned / last, 0.0) if last > 0 else 0.0)
        last, along, length = now, 0.0, 0.0
        for k in range(dim):
            direction[k] = descent[k] / (scale * given.spread[k] + ridge) + kept * direction[k]
            along += descent[k] * direction[k]
            length += direction[k] ** 2
        stride = _STRIDE if step == steps - 1 and size > _LONG else 1
        changed = change[: -(-size // stride)]
        _dots(given.vectors, seen[::stride].copy(), direction, changed)
        curved = bound * _image(left, given.square, direction, image) + ridge * length
        curved += _curvature(x, changed, low, total, np.float32(bound), stride)
        if curved > 0:
            w += np.float32(along / curved) * direction
            if stride == 1:
                x += np.float32(along / curved) * change


@_fast
def refit(
    first: int, last: int, pairs: SeenPairs, side: Side, given: Given, rows: Host, ridge: Any, steps: int
) -> None:
    """Move the rows from the first to before the last, in place."""
    for word in range(first, last):
        at = slice(pairs.indptr[word], pairs.indptr[word + 1])
        _refit_row(word, pairs.indices[at], pairs.positive[at], side, given, rows[word], ridge, steps)


@_fast
def target_products(first: int, last: int, pairs: SeenPairs, side: Side, vectors: Host, out: Host) -> None:
    """Write rows of `M* + 2`, which is `4 A / G`, times vectors."""
    for word in range(first, last):
        at = slice(pairs.indptr[word], pairs.indptr[word + 1])
        seen, positive = pairs.indices[at], pairs.positive[at]
        low, total = np.empty(len(seen), np.float32), np.empty(len(seen), np.float32)
        _weights(word, seen, positive, side, low, total)
        for k in range(len(seen)):
            low[k] = np.float32(4) * positive[k] / total[k]
        out[word] = 0
        _add_rows(vectors, seen, low, out[word])
