"""Random-matrix theory of a common direction in noise: `R = 1 m^T + X` of few rows.

`R` has a row for each of N pairs of words, `1` is the vector of ones, `m` the part that pairs share, and the
rows of `X` are independent noise.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_squares
from w2vflow.support.kinds import ArrayLike

__all__ = [
    "Outlier",
    "check_rows",
    "effective_dimension",
    "effective_dimension_error",
    "outlier_of_squares",
    "predict_outlier",
    "signal_to_noise",
]

Host = np.ndarray


@checked
@dataclass(frozen=True)
class Outlier:
    """The largest eigenvalue of `R R^T`, and its eigenvector.

    Attributes:
        exists: whether an eigenvalue stands above those of the noise.
        edge: upper edge of the noise's eigenvalues.
        location: the largest eigenvalue: that of the outlier, or the edge if there is none.
        overlap: squared cosine of its eigenvector with the vector of ones; 0 if there is none.
    """

    exists: bool
    edge: float
    location: float
    overlap: float


@checked
def signal_to_noise(R: ArrayLike) -> float:
    """Return the largest eigenvalue of `R R^T` over the mean of those that are not 0.

        SNR = lambda_max(R R^T) / (tr R R^T / rank R)

    From 1, all eigenvalues the same, to the rank of `R`; NaN if `R` is zero. It says how much one direction
    stands out, not that all rows share it: noise that has a direction of its own counts as well.

    Args:
        R: one row a pair, `(N, d)`.

    Raises:
        ValueError: `R` is not a finite matrix.

    References:
        arXiv 2502.09863, section on linear representations.
    """
    R = check_rows(R, 1)
    values = np.linalg.svd(R, compute_uv=False)
    if values[0] == 0:
        return float("nan")
    # The rank as `numpy.linalg.matrix_rank` counts it.
    rank = np.count_nonzero(values > values[0] * max(R.shape) * np.finfo(np.float64).eps)
    return float(rank / ((values / values[0]) ** 2).sum())


@checked
def effective_dimension(R: ArrayLike) -> float:
    """Return over how many directions the noise of the rows is spread: `(tr Sigma)^2 / tr Sigma^2`.

    `Sigma` is the covariance of a row; it is k if k of its eigenvalues are equal and the others 0. Numerator
    and denominator are each estimated without bias by the averages over all quadruples of different rows of

        |r_i - r_j|^2 |r_k - r_l|^2 / 4   and   ((r_i - r_j) . (r_k - r_l))^2 / 4

    Their ratio is too large by about the relative variance of the denominator (see docs/predictions.md,
    "Relations as directions"); at N = 5 it is no more than a guess. It is infinite if all these differences
    are at right angles, more directions than N rows can tell, and NaN if all rows are the same.

    Args:
        R: one row a pair, `(N, d)`, N at least 4.

    Raises:
        ValueError: `R` is not a finite matrix with at least 4 rows.

    References:
        Chen, Zhang and Zhong 2010, JASA 105 (the U-statistic); Himeno and Yamada 2014,
        J. Multivariate Anal. 130 (both closed forms).
    """
    R = check_rows(R, 4)
    check_squares("R", R)
    return _effective_dimension(_gram(R))


def effective_dimension_error(R: ArrayLike) -> float:
    """Return the standard error of `effective_dimension`, by leaving out each of at least 5 rows.

        sqrt((N - 1) / N sum_i (D_i - mean(D))^2),   D_i the estimate without row i

    Infinite if one of these estimates is. Conservative for independent rows (Efron and Stein 1981, Ann.
    Statist. 9; see docs/predictions.md, "Relations as directions"); too small for pairs that share a word.
    """
    R = check_rows(R, 5)
    gram, n = _gram(R), len(R)
    others = (np.delete(np.arange(n), row) for row in range(n))
    without = np.array([_effective_dimension(_centred(gram[np.ix_(kept, kept)])) for kept in others])
    if not np.isfinite(without).all():
        return float("nan") if np.isnan(without).any() else float("inf")
    return float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))


@checked
def predict_outlier(
    mean: Float[Host, " k"], variances: Float[Host, " k"], n_pairs: int, *, unevenness: float = 0.0
) -> Outlier:
    """Return the outlier of a common direction in noise of any variances, with no factor set by hand.

    The rows are `(1 + e) m + x`, the coordinates of `x` independent with variances `nu_k`, and `e` of
    variance `unevenness`: 0 if all pairs have the same step along `m`. With `g` the resolvent's
    trace of `X X^T` over N, and `q` the unevenness,

        z(g) = 1 / g + sum_k nu_k / (1 - N g nu_k),   the edge where dz / dg = 0, at g_e,
        T(g) = N (1 + q) sum_k m_k^2 g / (1 - N g nu_k)

    an eigenvalue leaves the noise iff `T(g_e) > 1`. It is `z(g*)` with `T(g*) = 1`, and its eigenvector has
    with that of ones the squared cosine

        -g* z'(g*) / (N (1 + q)^2 sum_k m_k^2 / (1 - N g* nu_k)^2)

    Exact for N to infinity and every `nu_k` small against `sum_k nu_k`; for accuracy at N = 10 to 100 see
    docs/predictions.md, "Relations as directions". Few pairs have no sharp threshold.

    Args:
        mean: `m`, `(k,)`.
        variances: `nu`, `(k,)`, not negative; any of them may be 0.
        n_pairs: N, at least 1.
        unevenness: `q`, as `Relation.unevenness` estimates it.

    Raises:
        ValueError: `mean` and `variances` are not finite vectors of one length, a variance or the
            unevenness is negative, N below 1.

    References:
        Chapon, Couillet, Hachem and Mestre 2014, Markov Process. Relat. Fields 20, arXiv 1207.0471 (outliers
        of `X D^(1/2) + P`); Silverstein and Choi 1995, J. Multivariate Anal. 54 (edges).
    """
    return outlier_of_squares(np.asarray(mean, np.float64) ** 2, variances, n_pairs, unevenness=unevenness)


def outlier_of_squares(
    mean_squared: Float[Host, " k"], variances: Float[Host, " k"], n_pairs: int, *, unevenness: float = 0.0
) -> Outlier:
    """Return `predict_outlier` of squares of means, `m_k^2`, which may be estimates.

    Unbiased estimates of small squares may be negative: they are summed as they are.
    """
    squares, nu = np.asarray(mean_squared, np.float64), np.asarray(variances, np.float64)
    if nu.ndim != 1 or nu.shape != squares.shape or not len(nu):
        got = f"shapes {squares.shape} and {nu.shape}"
        raise argument_error("variances", "one for each coordinate of the mean, (k,)", got)
    if not (np.isfinite(nu).all() and np.isfinite(squares).all()):
        raise argument_error("variances", "finite, as the mean", "NaN or infinite entries")
    if (nu < 0).any():
        raise argument_error("variances", "not negative", nu.min())
    if not (np.isfinite(unevenness) and unevenness >= 0):
        raise argument_error("unevenness", "finite and not negative", unevenness)
    if n_pairs < 1:
        raise argument_error("n_pairs", "at least 1", n_pairs)
    largest, lengths = float(nu.max()), 1 + unevenness
    if largest == 0:
        location = max(n_pairs * lengths * float(squares.sum()), 0.0)
        return Outlier(location > 0, 0.0, location, (location > 0) / lengths)
    found = _outlier(lengths * squares / largest, nu / largest, n_pairs)
    # Lengths (1 + e) are the left vector of the signal; that of ones is at an angle to it.
    return Outlier(found.exists, largest * found.edge, largest * found.location, found.overlap / lengths)


def _outlier(squares: np.ndarray, nu: np.ndarray, n: int) -> Outlier:
    """Return the outlier if the largest variance is 1; all is solved in `w = 1 / (N g) > 1`.

    There `z(w) = N w + w sum nu / (w - nu)`, the edge is where `sum (nu / (w - nu))^2 = N`, and the outlier
    where `sum m^2 / (w - nu) = 1`. Brackets: the first sum lies between that of the largest `nu` alone and
    that of all being as large, and the second below `sum |m^2| / (w - 1)`.
    """

    def location(w: float) -> float:
        return float(w * (n + (nu / (w - nu)).sum()))

    def spread(w: float) -> float:
        return float(((nu / (w - nu)) ** 2).sum() / n)

    def excess(w: float) -> float:
        return float((squares / (w - nu)).sum() - 1)

    low, high = 1 + 1 / np.sqrt(n), 1 + np.sqrt(len(nu) / n)
    at_edge = low
    if spread(low) > 1:
        at_edge = brentq(lambda w: spread(w) - 1, low, high * (1 + 1e-12), xtol=1e-14)
    edge = location(at_edge)
    if not excess(at_edge) > 0:
        return Outlier(False, edge, edge, 0.0)
    w = brentq(excess, at_edge, 1 + np.abs(squares).sum() * (1 + 1e-12), xtol=1e-14)
    overlap = (1 - spread(w)) / (w * (squares / (w - nu) ** 2).sum())
    return Outlier(True, edge, location(w), float(np.clip(overlap, 0, 1)))


def check_rows(R: ArrayLike, least: int) -> Float[Host, "n d"]:
    """Return `R` as a float64 matrix after checking that it is finite and has `least` rows."""
    R = np.asarray(R, np.float64)
    if R.ndim != 2 or 0 in R.shape or len(R) < least:
        raise argument_error("R", f"of shape (N, d), one row a pair, N at least {least}", f"shape {R.shape}")
    if not np.isfinite(R).all():
        raise argument_error("R", "finite", "NaN or infinite entries")
    return R


def _gram(R: np.ndarray) -> np.ndarray:
    """Return the scalar products of the centred rows, `(N, N)`, up to a factor."""
    centred = R - R.mean(axis=0)
    largest = np.abs(centred).max()
    # Of equal rows rounding is left, which has no dimension.
    if largest <= 8 * np.finfo(np.float64).eps * np.abs(R).max():
        return np.zeros((len(R), len(R)))
    centred /= largest
    return centred @ centred.T


def _centred(gram: np.ndarray) -> np.ndarray:
    """Return scalar products about the mean of the rows, given any scalar products."""
    mean = gram.mean(axis=0)
    return gram - mean - mean[:, None] + mean.mean()


def _effective_dimension(gram: np.ndarray) -> float:
    """Return the ratio of the two U-statistics; their common factor is left out."""
    n = len(gram)
    total = np.trace(gram) / (n - 1)
    square = (gram**2).sum() / (n - 1) ** 2
    fourth = (np.diag(gram) ** 2).sum() * n / (n - 1)
    above = 2 * square + (n * n - 3 * n + 1) * total**2 - fourth
    below = (n - 1) * (n - 2) * square + total**2 - fourth
    if total == 0:
        return float("nan")
    # A mean of squares, which is 0 up to rounding or larger.
    return float(above / below) if below > 1e-13 * above else float("inf")
