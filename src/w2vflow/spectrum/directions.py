"""Directions of two models side by side: matched, aligned, their overlaps."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from w2vflow.spectrum.polar import polar_factor
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import AnyArray, floats_at_hand, is_known, namespace
from w2vflow.support.checks import argument_error, check_different
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.sharding import matmul

__all__ = [
    "Match",
    "align",
    "common_rows",
    "direction_overlaps",
    "left_directions",
    "match_directions",
    "peak_signs",
    "principal_directions",
    "subspace_overlap",
]

Host = np.ndarray


@checked
def left_directions(W: ArrayLike, k: int) -> Float[AnyArray, "*s V k"]:
    """Return the first `k` left singular vectors of the weights, `(..., V, k)`: what is learned, in order.

    Raises:
        ValueError: `k` outside 1..dim.
    """
    W = _matrices("W", W)
    if not 1 <= k <= W.shape[-1]:
        raise argument_error("k", f"between 1 and the dimension {W.shape[-1]}", k)
    xp = namespace(W)
    # Tall, thin matrices give threads nothing to share: on busy cores they wait for each other.
    with threadpool_limits(1, "blas"):
        Q, R = xp.linalg.qr(W)
        return matmul(Q, xp.linalg.svd(R, full_matrices=False)[0][..., :k])


@checked
def peak_signs(columns: Float[AnyArray, "n k"]) -> Float[AnyArray, " k"]:
    """Return the sign of the largest entry of each column, by size; that of eigenvectors is positive.

    Raises:
        ValueError: no rows.
    """
    if not len(columns):
        raise argument_error("columns", "of one row or more", f"shape {np.shape(columns)}")
    xp = namespace(columns)
    peaks = xp.abs(columns).argmax(axis=0)
    return xp.copysign(xp.ones((), columns.dtype), columns[peaks, xp.arange(columns.shape[1])])


@checked
def direction_overlaps(U: ArrayLike, V: ArrayLike) -> Float[AnyArray, "*s k_U k_V"]:
    """Return the squared cosines `(u_j . v_k)^2` of all pairs of unit columns, `(..., k_U, k_V)`.

    Raises:
        ValueError: another number of rows, or entries that are not finite.
    """
    U, V = _matrices("U", U), _matrices("V", V)
    if U.shape[-2] != V.shape[-2]:
        raise argument_error("V", f"of as many rows as `U`, {U.shape[-2]}", f"shape {V.shape}")
    return matmul(namespace(U).swapaxes(U, -1, -2), V) ** 2


@checked
def subspace_overlap(U: ArrayLike, V: ArrayLike) -> Float[Array, ""]:
    """Return the mean squared cosine of the principal angles between two column spaces.

        ||Q_U^T Q_V||_F^2 / min(k_U, k_V)

    with orthonormal bases `Q` of both. 1 where the smaller space lies in the larger, 0 where they
    are orthogonal; `k/n` on average for random subspaces of dimension k in n.

    Args:
        U, V: `(n, k_U)` and `(n, k_V)`, of full column rank.

    Raises:
        ValueError: they have different numbers of rows.

    Example:
        >>> float(subspace_overlap(np.eye(3)[:, :2], np.eye(3)[:, 1:]))
        0.5
    """
    U, V = (jnp.asarray(_matrix(name, given)) for name, given in (("U", U), ("V", V)))
    if len(U) != len(V):
        raise argument_error("U", "of as many rows as V", f"shapes {U.shape} and {V.shape}")
    return _mean_squared_cosine(U, V)


@eqx.filter_jit
def _mean_squared_cosine(U: Float[Array, "n k"], V: Float[Array, "n l"]) -> Float[Array, ""]:
    cosines = matmul(jnp.linalg.qr(U)[0].T, jnp.linalg.qr(V)[0])
    return jnp.sum(cosines**2) / min(cosines.shape)


@checked
def principal_directions(vectors: ArrayLike, k: int) -> Float[AnyArray, "V k"]:
    """Return the first `k` left singular vectors of word vectors `(V, d)`, strongest first.

    Unit columns, the entry of largest size positive. No rotation of the embedding changes them, so
    seeds may be compared as they are. Of `W` trained to the end from small tied weights they are the
    eigenvectors of `M*`. Vectors of word2vec share a large mean, which is their first direction;
    `vectors - vectors.mean(axis=0)` are without it (what that changes: `match_directions`).

    Raises:
        ValueError: vectors that are no finite matrix, or of a rank below `k`.
    """
    vectors = _matrix("vectors", vectors)
    rank = min(vectors.shape)
    if is_known(vectors):
        # Of R, which has the same singular values, in a tenth of the time.
        values = np.linalg.svd(np.linalg.qr(vectors, mode="r"), compute_uv=False)
        rank = int((values > max(vectors.shape) * np.finfo(float).eps * values[0]).sum())
    if not 1 <= k <= rank:
        raise argument_error("k", f"between 1 and the rank {rank} of the vectors", k)
    directions = left_directions(vectors, k)
    return directions * peak_signs(directions)[None]


@checked
def common_rows(words: Sequence[str], other_words: Sequence[str]) -> tuple[Int[Host, " n"], Int[Host, " n"]]:
    """Return the rows of the words two models share, in both, in the order of the first.

    Raises:
        ValueError: a word is repeated, or none is shared.

    Example:
        >>> rows, others = common_rows(["the", "game", "law"], ["law", "the", "river"])
        >>> rows.tolist(), others.tolist()
        ([0, 2], [1, 0])
    """
    for argument, vocabulary in (("words", words), ("other_words", other_words)):
        check_different(argument, vocabulary)
    row_of = {word: row for row, word in enumerate(other_words)}
    pairs = [(row, row_of[word]) for row, word in enumerate(words) if word in row_of]
    if not pairs:
        remedy = "Are both in one case and language?"
        raise argument_error("other_words", "some of `words`", f"none of {len(words)}", remedy)
    rows, others = np.array(pairs).T
    return rows, others


@checked
class Match(eqx.Module):
    """Which direction of a model goes with which of another's. Made by `match_directions`; a pytree.

    `V[:, order] * signs` are the other model's directions in the order and with the signs of `U`'s.

    Attributes:
        order: columns of `V`: first those that go with the columns of `U`, in `U`'s order, then the
            others in their own, `(m,)`.
        signs: 1 or -1 for each of them, `(m,)`; 1 for the others.
        overlaps: cosines of the columns of `U` with `V[:, order] * signs`, `(k, m)`; the diagonal is
            never negative.
        principal_angles: between the two spaces, in radians, rising, `(k,)`.
    """

    order: Int[AnyArray, " m"]
    signs: Float[AnyArray, " m"]
    overlaps: Float[AnyArray, "k m"]
    principal_angles: Float[AnyArray, " k"]

    @property
    def cosines(self) -> Float[AnyArray, " k"]:
        """Of each direction of `U` with the one that goes with it."""
        return self.overlaps.diagonal()

    @property
    def captured(self) -> Float[AnyArray, " k"]:
        """Squared length of the part of each direction of `U` in the space of `V`; at least `cosines**2`."""
        return (self.overlaps**2).sum(axis=1)

    @property
    def subspace_overlap(self) -> Float[AnyArray, ""]:
        """The mean squared cosine of the principal angles: 1 where `V`'s space holds `U`'s, 0 if orthogonal.

        `m / n` on average for random spaces, n words.
        """
        return (namespace(self.principal_angles).cos(self.principal_angles) ** 2).mean()


@checked
def match_directions(U: ArrayLike, V: ArrayLike, *, order: ArrayLike | None = None) -> Match:
    """Return which directions of one model go with which of another's, and how well.

    One to one, with the largest sum of squared cosines. Directions have no sign: signs make matched
    cosines positive. A squared cosine of random directions is `1/n` on average, n words; the best of m
    is some `2 ln(m) / n`.

    Concepts with nearly equal eigenvalues turn within their common plane, so that the squared cosines of
    two fair models may be 1/2 and less where the plane is the same: `captured`, `subspace_overlap` and
    `principal_angles` do not see it. In words of two models alone (`common_rows`) directions are not
    orthonormal. They are made so, as columns of unit length, by the nearest orthonormal ones (polar
    factor); directions that are orthonormal stay as they are.

    Trained vectors have their mean as first direction, which is no eigenvector of `M*`. Matching
    passes over it if `V` has a column to spare. The ten leading eigenvectors of enwiki15k's `M*`,
    V = 10,000, in eleven directions:

                                          mean squared cosine   subspace overlap
        PPMI of the same counts                  0.69                 0.92
        gensim's SGNS, 1 epoch                   0.68                 0.79
        gensim's SGNS, 5 epochs                  0.47                 0.82
          without their mean                     0.51                 0.84

    Args:
        U: columns, `(n, k)`, rows of the same words as `V`'s. Their dimensions may differ.
        V: columns, `(n, m)`, at least as many as `U`'s; for an embedding `principal_directions`.
        order: which go together, as in the result; by default the best, found on the host. Traced
            directions ask for it: that of a `Match` of known ones, say.

    Raises:
        ValueError: other numbers of rows, fewer columns in `V` than in `U`, columns that are not finite
            or linearly dependent (traced: all is NaN), as more columns than rows are, or an `order` that is
            no permutation of the columns of `V`.

    References:
        Procrustes: Schonemann 1966; symmetric orthonormalisation: Lowdin 1950.

    Example:
        >>> U = np.eye(4)[:, :2]
        >>> match = match_directions(U, np.stack([-U[:, 1], U[:, 0]], axis=1))
        >>> match.order.tolist(), match.signs.tolist(), float(match.subspace_overlap)
        ([1, 0], [1.0, -1.0], 1.0)
    """
    U, V = _matrix("U", U), _matrix("V", V)
    _check_within(U, V, "U", "V", "Exchange the two, or take fewer directions of `U`.")
    U, V = _orthonormal("U", U), _orthonormal("V", V)
    cosines, xp = matmul(U.T, V), namespace(U, V)
    order = _best_order(cosines) if order is None else _checked_order(order, cosines.shape[1])
    matched = len(cosines)
    own = cosines[xp.arange(matched), order[:matched]]
    signs = xp.concatenate([xp.copysign(1.0, own), xp.ones(len(order) - matched)]).astype(cosines.dtype)
    # Small angles by their sines, those near a right angle by their cosines.
    sines = xp.linalg.svd(U - matmul(V, cosines.T), compute_uv=False)[::-1]
    angles = xp.arctan2(sines, xp.linalg.svd(cosines, compute_uv=False))
    return Match(order, signs, cosines[:, order] * signs[None], angles)


def _best_order(cosines: Float[AnyArray, "k m"]) -> Int[Host, " m"]:
    if not is_known(cosines):
        remedy = "Find it outside of `jit`, `vmap` or `grad`: `match_directions(U, V).order`."
        raise argument_error("order", "given where directions are traced", None, remedy)
    _, matched = linear_sum_assignment(np.asarray(cosines) ** 2, maximize=True)
    return np.concatenate([matched, np.setdiff1d(np.arange(cosines.shape[1]), matched)])


def _checked_order(order: Any, columns: int) -> AnyArray:
    if np.shape(order) != (columns,) or (
        is_known(order) and sorted(np.asarray(order).tolist()) != list(range(columns))
    ):
        raise argument_error("order", f"a permutation of the {columns} columns of `V`", order)
    return np.asarray(order) if is_known(order) else order


@checked
def align(vectors: ArrayLike, reference: ArrayLike) -> Float[AnyArray, "V d"]:
    """Return word vectors rotated to be as near as possible to those of another model or seed.

        vectors R,   R = argmin ||vectors R - reference||_F over orthonormal rows

    Tied models are alike up to such a rotation, and two seeds show their differences only after it.
    Vectors of fewer dimensions are turned into a subspace of the reference's. Lengths and inner products
    stay.

    Args:
        vectors: `(V, c)`.
        reference: `(V, d)` of the same words in the same rows, `d >= c`.

    Raises:
        ValueError: they are no finite matrices, have other numbers of rows, or `d < c`.

    References:
        Schonemann 1966, "A generalized solution of the orthogonal Procrustes problem".
    """
    vectors, reference = _matrix("vectors", vectors), _matrix("reference", reference)
    _check_within(vectors, reference, "vectors", "reference", "Align the reference with the vectors instead.")
    return matmul(vectors, polar_factor(matmul(vectors.T, reference)))


def _matrix(argument: str, given: Any) -> AnyArray:
    matrix = _matrices(argument, given)
    if matrix.ndim != 2:
        raise argument_error(argument, "a matrix with a row for each word", f"shape {matrix.shape}")
    return matrix


def _matrices(argument: str, given: Any) -> AnyArray:
    """Return one matrix with a row for each word, or several."""
    (matrices,) = floats_at_hand(given)
    if matrices.ndim < 2 or 0 in matrices.shape:
        raise argument_error(argument, "a matrix with a row for each word", f"shape {matrices.shape}")
    if is_known(matrices) and not np.isfinite(matrices).all():
        raise argument_error(argument, "finite", "NaN or infinite entries")
    return matrices


def _check_within(inner: AnyArray, outer: AnyArray, argument: str, other_argument: str, remedy: str) -> None:
    """Raise unless both have the same rows, and the second at least the columns of the first."""
    (rows, columns), (other_rows, other_columns) = inner.shape, outer.shape
    if rows != other_rows:
        expected, hint = f"of as many rows as `{argument}`, {rows}", "`common_rows` finds the words of both."
        raise argument_error(other_argument, expected, f"{other_rows} rows", hint)
    if other_columns < columns:
        expected = f"of at least the {columns} columns of `{argument}`"
        raise argument_error(other_argument, expected, f"{other_columns} columns", remedy)


def _orthonormal(argument: str, columns: AnyArray) -> AnyArray:
    """Return the orthonormal columns nearest to the given ones at unit length."""
    (rows, number), xp = columns.shape, namespace(columns)
    if number <= rows:
        lengths = xp.linalg.norm(columns, axis=0, keepdims=True)
        unit = columns / xp.where(lengths > 0, lengths, 1.0)
        values = xp.linalg.svd(unit, compute_uv=False)
        independent = values[-1] > xp.finfo(values.dtype).eps ** 0.5 * values[0]
        if not is_known(independent):
            return xp.where(independent, polar_factor(unit), xp.nan)
        if independent:
            return polar_factor(unit)
    got = f"{number} dependent columns of {rows} rows"
    remedy = "Take fewer directions, or more words."
    raise argument_error(argument, "linearly independent columns", got, remedy)
