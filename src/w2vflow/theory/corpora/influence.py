"""Influence of pairs, words and documents on eigenvalues and step times."""

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from w2vflow.corpus import TokenFile, document_sums
from w2vflow.counts import CooccurrenceStatistics
from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, check_pairs, equal_eigenvalues, group_means, peak_signs, polar_factor
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.machine import check_fits
from w2vflow.theory.corpora.sensitivity import count_slopes

__all__ = [
    "StrongestInfluences",
    "changed_pairs",
    "changed_spectrum",
    "count_influence",
    "document_changes",
    "document_influence",
    "pmi_influence",
    "strongest_influences",
    "window_of",
    "word_influence",
]

Host = np.ndarray

# Share of an eigenvalue that a new M* may take an eigenvector out of the span of the old ones.
_LARGE_CHANGE = 0.25


class StrongestInfluences(NamedTuple):
    """Numbers of items by influence, the strongest first; of pairs, the numbers of both words, `(n, 2)`.

    Attributes:
        hastening: those that most raise the eigenvalue.
        delaying: those that most lower it.
    """

    hastening: Host
    delaying: Host


@checked
def pmi_influence(problem: Problem, spectrum: Spectrum, k: int) -> Float[Host, "V V"]:
    """Return `d lambda_k / d PMI_ij`: what it means to a concept that a pair associates more.

        d lambda_k / d PMI_ij = 2 v_ik v_jk (1 - M*_ij^2 / 4),   once and not twice for i = j

    Both entries of the pair move together, all other PMI are fixed. A pair never seen has
    `M* = -2` and no slope: it can only come into being. First order: if the PMI changes by x, the change
    of `lambda_k` is off by a share `M*_ij x / 4` of itself, the curvature of the hyperbolic tangent.
    Positive entries hasten the concept: times `step_time_slopes` they are derivatives of its step time.

    Args:
        problem: quartic, at constant `G`.
        spectrum: eigenpairs of it.
        k: which concept, from 0. One of several equal eigenvalues gets the derivative of their mean.

    Raises:
        ValueError: another problem, a spectrum of another one, or no such concept.

    Warns:
        RuntimeWarning: equal eigenvalues, none of which has a derivative of its own.
    """
    slopes = count_slopes(problem, spectrum.eigenvectors, "pmi_influence")
    check_pairs(problem, spectrum)
    vectors = _members(spectrum, k)
    rows, columns = slopes.places()
    products = (vectors[rows] * vectors[columns]).mean(axis=1)
    return slopes.both_orders(slopes.counts.data * slopes.slopes.data * products)


@checked
def count_influence(problem: Problem, spectrum: Spectrum, k: int) -> Float[Host, "V V"]:
    """Return `d lambda_k / d ln n_ij`: what it means to a concept that a pair is met more often.

        d lambda_k / d ln n_ij = 2 n_ij D_ij,   once and not twice for i = j
        D_ij = E_ij v_i v_j - v_i q_i - v_j q_j + c        (see `CountSlopes.margins`)

    Unlike `pmi_influence` it holds what the pair takes from all others: its words become more
    frequent, and their other PMI fall. Arguments, errors and reach are those of `pmi_influence`.
    Twice all counts change nothing: the upper triangle adds up to zero.
    """
    slopes = count_slopes(problem, spectrum.eigenvectors, "count_influence")
    check_pairs(problem, spectrum)
    vectors = _members(spectrum, k)
    margins, constants = slopes.margins(vectors)
    found = slopes.mean_slopes(vectors, margins, np.diag(constants))
    return slopes.both_orders(slopes.counts.data * found)


@checked
def word_influence(problem: Problem, spectrum: Spectrum) -> Float[Host, "V k"]:
    """Return `d lambda_k / d ln f_i`: what it means to each concept that a word occurs more often.

        n_ij -> n_ij (1 + eps) for all j, n_ii -> n_ii (1 + eps)^2:
        d lambda_k / d eps = 2 (c_k n_i - sum_j n_ij v_jk q_jk)

    as if the word came more often by a small share, in each of its contexts alike. Scaling all words
    alike changes nothing: a column adds up to zero.

    Arguments and errors are those of `pmi_influence`; equal eigenvalues share the mean of theirs.
    """
    vectors = np.asarray(spectrum.eigenvectors)
    slopes = count_slopes(problem, vectors, "word_influence")
    check_pairs(problem, spectrum)
    margins, constants = slopes.margins(vectors)
    found = 2 * (slopes.totals[:, None] * np.diag(constants) - slopes.counts @ (vectors * margins))
    return group_means(found, equal_eigenvalues(spectrum))


@checked
def document_influence(
    problem: Problem, spectrum: Spectrum, tokens: TokenFile, *, workers: int | None = None
) -> Float[Host, "documents k"]:
    """Return how much each eigenvalue would rise if a document occurred once more; removal is minus that.

        I_dk = sum_ij n^d_ij D^k_ij        with the counts n^d of the document, D of `count_influence`

    One pass over the text. Over all documents they add up to zero. First order: influences of a set of
    documents add up, less well where an eigenvalue comes near another (see docs/predictions.md, "A finite
    corpus"). `changed_spectrum` predicts changes of some per cent.

    Args:
        problem: quartic, at constant `G`, made from counts of `tokens` by `count_documents`, or by
            `count` with the same words and documents.
        spectrum: eigenpairs of it. Equal eigenvalues share the mean of theirs.
        tokens: the text.
        workers: threads; the number of cores by default.

    Raises:
        ValueError: another problem, a spectrum of another one, or a text that was not counted.

    Warns:
        RuntimeWarning: as `pmi_influence`.

    References:
        Koh, Liang (2017), Understanding black-box predictions via influence functions;
        Brunet et al. (2019), arXiv 1810.03611, for documents and word embeddings.
    """
    problem.require_solvable("document_influence")
    vectors = np.asarray(check_pairs(problem, spectrum).eigenvectors)
    changes = document_changes(problem, vectors, tokens, workers)
    return group_means(np.einsum("dkk->dk", changes).copy(), equal_eigenvalues(spectrum))


def document_changes(
    problem: Problem, vectors: Float[Host, "V K"], tokens: TokenFile, workers: int | None
) -> Float[Host, "documents K K"]:
    """Return `V^T dM*_d V`, the change of `M*` by one more of each document as given vectors see it."""
    slopes = count_slopes(problem, vectors, "document_influence")
    stats = problem.require_statistics("documents are looked up")
    window, weighting = window_of(stats, tokens)
    size = problem.vocab_size
    check_fits("problem", f"a table of {size} x {size} pairs", 16 * size**2, "Use fewer words.")
    margins, constants = slopes.margins(vectors)
    return document_sums(
        tokens,
        slopes.slopes.toarray(),
        vectors,
        margins,
        constants,
        window=window,
        weighting=weighting,
        workers=workers,
    )


@checked
def changed_spectrum(problem: Problem, spectrum: Spectrum) -> Spectrum:
    """Return the eigenpairs after a finite change of the counts, predicted from the old eigenvectors.

        T = V^T M*' V,   T u = theta u,   rho = M*' V u - theta V u
        lambda'_k = theta_k + sum_j [(g_j^2 + 4 h_j^2)^(1/2) - |g_j|] sgn(g_j) / 2
        v'_k = V u + rho sum_j w_j / g_j / sum w,      made orthonormal
        g_j = theta_k - nu_j,   h_j^2 = |rho|^2 w_j / sum w

    with the new target `M*'` and the old `V`: exact in how `M*'` hangs on the counts and within the span
    of the eigenvectors held; of second order for what they take up from outside it, whose eigenvalues
    `nu_j` are known by their density alone. No eigenproblem but one of k x k is solved. It is for
    finite changes what `document_influence` is for small ones, and near eigenvalues do no harm.

    An exact eigenvalue lies within `|rho|` of `theta_k` (`residuals` of the result). The error grows
    towards the last pairs, whose neighbours are not held: hold twice as many as are asked for (see
    docs/predictions.md, "A finite corpus"). Eigenvectors of pairs that nearly meet turn in their common
    plane by more than is predicted, which step times of one seed see.

    Args:
        problem: the problem after the change, with the same words.
        spectrum: eigenpairs of the problem before it.

    Returns:
        As many pairs, by size in the order of those given. `predict_step_times` and `step_time_law`
        take them in the place of computed ones.

    Raises:
        ValueError: another vocabulary, or weights that are not quartic at constant `G`.

    Warns:
        RuntimeWarning: the change is too large: `|rho|` is above a quarter of an eigenvalue in the first half
            of the pairs. Below, eigenvalues are right to 4%; above, some were off by more than half.

    References:
        Parlett (1998), The symmetric eigenvalue problem, chapter 11.
    """
    found = changed_pairs(problem, spectrum)
    _warn_of_large_change(np.asarray(found.residuals), np.asarray(found.eigenvalues))
    return found


def changed_pairs(problem: Problem, spectrum: Spectrum) -> Spectrum:
    """Return the pairs of `changed_spectrum`, however large the change.

    Raises:
        ValueError: as `changed_spectrum`.
    """
    spectrum = on_host(spectrum)
    problem.require_solvable("changed_spectrum")
    basis = spectrum.eigenvectors
    if len(basis) != problem.vocab_size:
        got = f"one of {problem.vocab_size} words"
        raise argument_error("problem", f"one of the same {len(basis)} words", got)
    image = problem.target_operator().product(basis)
    inside = basis.T @ image
    values, mixing = np.linalg.eigh((inside + inside.T) / 2)
    vectors = basis @ mixing
    outside = image @ mixing - vectors * values
    residuals = np.linalg.norm(outside, axis=0)
    nodes, weights = spectrum.bath_nodes, np.maximum(spectrum.bath_weights, 0)
    if len(nodes):
        weights = weights / weights.sum()
        gaps = values[:, None] - nodes
        couplings = residuals[:, None] ** 2 * weights
        pushes = np.sign(gaps) * (np.sqrt(gaps**2 + 4 * couplings) - np.abs(gaps)) / 2
        # The share of each level in the vector, bounded as its push is.
        vectors = vectors + outside * (pushes.sum(axis=1) / np.maximum(residuals, np.finfo(float).tiny) ** 2)
        values = values + pushes.sum(axis=1)
        vectors = polar_factor(vectors)
    places = np.empty(len(values), np.int64)
    places[np.argsort(spectrum.eigenvalues, kind="stable")] = np.argsort(values, kind="stable")
    vectors, rest = vectors[:, places], (spectrum.bath_nodes, spectrum.bath_weights)
    return Spectrum(values[places], vectors * peak_signs(vectors), residuals[places], *rest)


def _warn_of_large_change(residuals: Float[Host, " k"], values: Float[Host, " k"]) -> None:
    asked = max(1, len(values) // 2)
    shares = residuals[:asked] / np.maximum(np.abs(values[:asked]), np.finfo(float).tiny)
    far = np.flatnonzero(shares > _LARGE_CHANGE) + 1
    if len(far):
        warnings.warn(
            f"`changed_spectrum` is for changes that the old eigenvectors nearly hold. Here the new M* takes "
            f"them out of their span by {shares.max():.0%} of an eigenvalue (bound: {_LARGE_CHANGE:.0%}); "
            f"concepts {', '.join(map(str, far[:8]))}{', ...' if len(far) > 8 else ''} may be far off. Use "
            "`leading_eigenpairs` of the changed problem.",
            RuntimeWarning,
            stacklevel=4,
        )


@checked
def strongest_influences(influence: ArrayLike, n: int = 10) -> StrongestInfluences:
    """Return the words, documents or pairs that most raise an eigenvalue, and those that most lower it.

    Args:
        influence: of one concept, `(items,)`, or symmetric `(V, V)` of pairs.
        n: how many of each.

    Raises:
        ValueError: another shape, or `n` not in 1 to the number of items.

    Example:
        >>> strongest_influences([0.5, -2.0, 3.0], 1)
        StrongestInfluences(hastening=array([2]), delaying=array([1]))
    """
    values = np.asarray(influence, np.float64)
    if values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[0] != values.shape[1]):
        raise argument_error("influence", "of shape (items,) or (V, V)", f"shape {values.shape}")
    places = None if values.ndim == 1 else np.triu_indices(len(values))
    items = values if places is None else values[places]
    if not 1 <= n <= len(items):
        raise argument_error("n", f"between 1 and the {len(items)} items", n)
    ends = np.argsort(-items, kind="stable")[:n], np.argsort(items, kind="stable")[:n]
    if places is not None:
        return StrongestInfluences(*(np.stack([axis[end] for axis in places], axis=1) for end in ends))
    return StrongestInfluences(*ends)


def _members(spectrum: Spectrum, k: int) -> Float[Host, "V m"]:
    """Return the eigenvectors of the eigenvalues equal to number k."""
    if not 0 <= k < len(spectrum.eigenvalues):
        raise argument_error("k", f"between 0 and {len(spectrum.eigenvalues) - 1}", k)
    groups = equal_eigenvalues(spectrum)
    return np.asarray(spectrum.eigenvectors)[:, groups == groups[k]]


def window_of(stats: CooccurrenceStatistics, tokens: TokenFile) -> tuple[int, str]:
    """Return window and weighting of statistics of these documents; `ValueError` if they are of others."""
    remedy = "Count them with `count_documents(tokens)`."
    if stats.words != tokens.words or not np.array_equal(stats.unigram, tokens.unigram):
        got = "other words or other frequencies"
        raise argument_error("tokens", "the text that was counted", got, remedy)
    if (
        stats.metadata.keys() & {"restricted_to_most_frequent", "restricted_to"}
        or "window" not in stats.metadata
    ):
        got = "counts restricted later or of unknown windows"
        raise argument_error("problem", "made from counts of `tokens`", got, remedy)
    return int(stats.metadata["window"]), str(stats.metadata["weighting"])
