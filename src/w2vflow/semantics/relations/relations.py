"""Relations as directions: what the pairs of a relation share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from w2vflow.embeddings import check_vectors, first_rows
from w2vflow.semantics.relations.outliers import (
    Outlier,
    check_rows,
    effective_dimension,
    effective_dimension_error,
    outlier_of_squares,
    signal_to_noise,
)
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_squares
from w2vflow.support.display import harmless
from w2vflow.support.kinds import ArrayLike

__all__ = [
    "Moments",
    "Relation",
    "RelationStudy",
    "relation_moments",
    "study_relations",
    "task_vectors",
    "uneven_lengths",
]

Host = np.ndarray

# A mean and a variance of two rows say nothing about each other.
_LEAST_PAIRS = 3
_LEGEND = """\
dimension: over which the noise is spread, and its standard error
edge, noise: largest eigenvalue of the noise, predicted and measured
predicted, largest: largest eigenvalue of R R^T, predicted (- where it does not leave the noise), measured
uneven: variance of the pairs' steps along their mean, over its square
overlap: squared cosine of that eigenvalue's vector with the vector of ones, predicted / measured
carried by: axes with the largest shares of the mean task vector, counted from 1"""


@checked
@dataclass(frozen=True)
class Moments:
    """Mean and variance of task vectors, a coordinate at a time. Made by `relation_moments`.

    Attributes:
        mean: mean over pairs, `(k,)`.
        mean_squared: estimates of the squares of the true means without bias, `mean^2 - variances / n`:
            below 0 if the mean is smaller than its error, `(k,)`.
        variances: over pairs, with n - 1, `(k,)`.
        n: pairs.
    """

    mean: Float[Host, " k"]
    mean_squared: Float[Host, " k"]
    variances: Float[Host, " k"]
    n: int

    def scaled(self, scale: Float[Host, " k"]) -> "Moments":
        """Return the moments of the same pairs with coordinate k times `scale[k]`.

        From rows of eigenvectors to vectors at time t it is `s_k(t)`.
        """
        scale = np.asarray(scale, np.float64)
        if scale.shape != self.mean.shape or not np.isfinite(scale).all():
            expected = f"finite, one number for each of {len(self.mean)} coordinates"
            raise argument_error("scale", expected, repr(scale))
        return Moments(self.mean * scale, self.mean_squared * scale**2, self.variances * scale**2, self.n)

    def outlier(self, unevenness: float = 0.0) -> Outlier:
        """Return `predict_outlier` of these moments, squares of means without bias.

        `unevenness` is that of the pairs' steps along the mean (`Relation.unevenness`). No sharp test for few
        pairs: words of a relation paired at random have an outlier in some per cent of the draws (see
        docs/predictions.md, "Relations as directions").
        """
        return outlier_of_squares(self.mean_squared, self.variances, self.n, unevenness=unevenness)


@checked
def task_vectors(
    vectors: ArrayLike, words: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> Float[Host, "n d"]:
    """Return `b - a` of every pair of known words, in order, float64; other pairs are left out.

    Case is ignored; of words that differ by case alone the first one is taken.

    Args:
        vectors: one vector a word, `(V, d)`.
        words: the vocabulary in row order.
        pairs: `(a, b)`, as `read_pairs` returns them.

    Raises:
        ValueError: vectors and words as in `check_vectors`; a pair that is not two words.

    Example:
        >>> task_vectors([[0.0, 1.0], [2.0, 1.0]], ["man", "woman"], [("man", "woman"), ("king", "queen")])
        array([[2., 0.]])
    """
    vectors, words = check_vectors(vectors, words)
    return _differences(vectors, first_rows(words), pairs)


@checked
def relation_moments(differences: Float[Host, "n k"]) -> Moments:
    """Return mean and variance of every coordinate of task vectors.

    Args:
        differences: one row a pair, `(N, k)`, N at least 2.

    Raises:
        ValueError: not a finite matrix with at least 2 rows.
    """
    rows = check_rows(differences, 2)
    mean, variances = rows.mean(axis=0), rows.var(axis=0, ddof=1)
    return Moments(mean, mean**2 - variances / len(rows), variances, len(rows))


def uneven_lengths(R: ArrayLike) -> float:
    """Return how unequal the steps of at least 4 pairs along their mean are: variance over squared mean.

        (m^T Sigma m - sum_k m_k^2 nu_k) / |m|^4

    with `Sigma` the covariance of the rows and `nu` its diagonal, which `predict_outlier` knows already. Each
    part of the numerator is averaged over different rows, so that noise does not count as a mean; so is
    `|m|^2`, whose square has a smaller error than an unbiased estimate of `|m|^4`. At least 0, and at most as
    the centred rows' direction of largest variance would give; 0 if the mean is lost in the noise.
    """
    R = check_rows(R, 4)
    n = len(R)
    products = R @ R.T
    np.fill_diagonal(products, 0)
    sums, square = products.sum(axis=0), (products**2).sum()
    # Over different i, j, k (and l): (r_i . r_j)(r_j . r_k) has the mean m^T Sigma m + |m|^4,
    # and (r_i . r_j)(r_k . r_l) has |m|^4.
    three = ((sums**2).sum() - square) / (n * (n - 1) * (n - 2))
    four = (sums.sum() ** 2 - 4 * (sums**2).sum() + 2 * square) / (n * (n - 1) * (n - 2) * (n - 3))
    length = sums.sum() / (n * (n - 1))
    if not (four > 0 and length > 0):
        return 0.0
    variances = R.var(axis=0, ddof=1)
    known = ((R.mean(axis=0) ** 2 - variances / n) * variances).sum()
    most = np.linalg.norm(R - R.mean(axis=0), 2) ** 2 / (n - 1) / length
    return float(np.clip((three - four - known) / length**2, 0.0, most))


@checked
@dataclass(frozen=True)
class Relation:
    """One relation, measured and predicted. Made by `study_relations`.

    Attributes:
        name: of the relation.
        n, unknown: pairs of which both words are known, and the others.
        moments: of the task vectors along the principal axes of the vectors.
        singular_values: of the matrix `R` of task vectors, falling.
        overlap: squared cosine of its first left singular vector with the vector of ones.
        noise: largest eigenvalue of `R R^T` after the mean is taken off: to compare with `predicted.edge`.
        snr: `signal_to_noise(R)`.
        effective_dimension: of the noise; NaN below 4 pairs.
        effective_dimension_error: its standard error, by leaving out one pair after the other: too small for
            pairs that share words; NaN below 5 pairs.
        unevenness: variance of the pairs' steps along their mean over its square, as far as variances along
            the axes do not tell it; 0 below 4 pairs.
    """

    name: str
    n: int
    unknown: int
    moments: Moments
    singular_values: Float[Host, " r"]
    overlap: float
    noise: float
    snr: float
    effective_dimension: float
    effective_dimension_error: float
    unevenness: float

    @property
    def predicted(self) -> Outlier:
        """Edge, outlier and overlap from `moments` and `unevenness`."""
        return self.moments.outlier(self.unevenness)

    @property
    def location(self) -> float:
        """Largest eigenvalue of `R R^T`: to compare with `predicted.location`."""
        return float(self.singular_values[0] ** 2)

    @property
    def shares(self) -> Float[Host, " k"]:
        """Share of the mean's squared length along every principal axis: which concepts carry it.

        `moments.mean_squared` is the same without noise, and not only positive.
        """
        squares = self.moments.mean**2
        return squares / (squares.sum() or 1.0)


@checked
@dataclass(frozen=True)
class RelationStudy:
    """All relations of a file. `print` shows a table. Made by `study_relations`.

    Attributes:
        relations: by name, in the order given.
        too_few: name and number of known pairs of those with fewer than 3, which were left out.
    """

    relations: Mapping[str, Relation]
    too_few: Mapping[str, int]

    def __str__(self) -> str:
        width = max(map(len, ["relation", *self.relations, *self.too_few]))
        lines = [
            f"{'relation':<{width}} {'pairs':>5} {'unknown':>7} {'SNR':>6} {'dimension':>13} {'edge':>9} "
            f"{'noise':>9} {'predicted':>9} {'largest':>9} {'uneven':>6} {'overlap':>13}  carried by"
        ]
        lines += [f"{name:<{width}} {_cells(relation)}" for name, relation in self.relations.items()]
        lines += [f"{name:<{width}} {n:>5} known pairs: too few" for name, n in self.too_few.items()]
        return harmless("\n".join([*lines, _LEGEND]))


@checked
def study_relations(
    vectors: ArrayLike, words: Sequence[str], pairs: Mapping[str, Sequence[tuple[str, str]]]
) -> RelationStudy:
    """Return how far the pairs of every relation share one direction, predicted and measured.

    The matrix `R` has a row `b - a` for every pair. The prediction knows mean and variance along every
    principal axis of all vectors, which for `V Lambda^(1/2)` are the eigenfeatures, and how uneven the pairs'
    steps are; else it takes noise along different axes as uncorrelated, and pairs as independent. For
    accuracy see docs/predictions.md, "Relations as directions". If noise has a direction nearly as large as
    the relation's, `noise` close to `location`, the two mix, and the overlap comes out too large.

    Args:
        vectors: one vector a word, `(V, d)`.
        words: the vocabulary in row order.
        pairs: the pairs of every relation, as `read_pairs` returns them.

    Raises:
        ValueError: vectors and words as in `check_vectors`; no relations, or none with 3 known pairs.

    References:
        arXiv 2502.09863, section on linear representations.
    """
    vectors, words = check_vectors(vectors, words)
    check_squares("vectors", vectors)
    rows, wide = first_rows(words), vectors.astype(np.float64)
    # Principal axes, of the largest singular value first.
    axes = np.linalg.eigh(wide.T @ wide)[1][:, ::-1]
    found = {name: _differences(vectors, rows, named) @ axes for name, named in pairs.items()}
    known = {name: R for name, R in found.items() if len(R) >= _LEAST_PAIRS}
    if not known:
        expected = f"relations of which one has {_LEAST_PAIRS} pairs of known words"
        got = f"{ {name: len(R) for name, R in found.items()} } known pairs"
        raise argument_error("pairs", expected, got, "Give more words, or pairs in their language.")
    return RelationStudy(
        {name: _relation(name, R, len(pairs[name]) - len(R)) for name, R in known.items()},
        {name: len(R) for name, R in found.items() if name not in known},
    )


def _relation(name: str, R: np.ndarray, unknown: int) -> Relation:
    left, singular_values, _ = np.linalg.svd(R, full_matrices=False)
    moments = relation_moments(R)
    n = len(R)
    return Relation(
        name,
        n,
        unknown,
        moments,
        singular_values,
        overlap=float(left[:, 0].sum() ** 2 / n),
        noise=float(np.linalg.norm(R - moments.mean, 2) ** 2),
        snr=signal_to_noise(R),
        effective_dimension=effective_dimension(R) if n >= 4 else float("nan"),
        effective_dimension_error=effective_dimension_error(R) if n >= 5 else float("nan"),
        unevenness=uneven_lengths(R) if n >= 4 else 0.0,
    )


def _is_pair(pair: Any) -> bool:
    listed = isinstance(pair, list | tuple | np.ndarray) and np.ndim(pair) == 1
    parts = tuple(pair) if listed else ()
    return len(parts) == 2 and all(isinstance(part, str) for part in parts)


def _differences(vectors: Host, rows: Mapping[str, int], pairs: Sequence[tuple[str, str]]) -> Host:
    """Return `b - a` of the known pairs, float64 `(N, d)`."""
    if odd := [pair for pair in pairs if not _is_pair(pair)]:
        raise argument_error("pairs", "pairs of words (a, b)", repr(odd[0]))
    folded = [(a.casefold(), b.casefold()) for a, b in pairs]
    ends = np.array([(rows[a], rows[b]) for a, b in folded if a in rows and b in rows], int).reshape(-1, 2)
    return vectors[ends[:, 1]].astype(np.float64) - vectors[ends[:, 0]]


def _cells(relation: Relation) -> str:
    """Return a line of the table, without the name."""
    predicted = relation.predicted
    dimension = f"{relation.effective_dimension:.1f}+-{relation.effective_dimension_error:.1f}"
    location, overlap = (
        (f"{predicted.location:.4g}", f"{predicted.overlap:.2f}") if predicted.exists else ("-", "-")
    )
    carried = np.argsort(-relation.shares)[:3]
    axes = ", ".join(f"{k + 1} ({relation.shares[k]:.0%})" for k in carried)
    return (
        f"{relation.n:>5} {relation.unknown:>7} {relation.snr:>6.2f} {dimension:>13} {predicted.edge:>9.4g} "
        f"{relation.noise:>9.4g} {location:>9} {relation.location:>9.4g} {relation.unevenness:>6.2f} "
        f"{overlap + ' / ' + format(relation.overlap, '.2f'):>13}  {axes}"
    )
