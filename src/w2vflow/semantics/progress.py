"""Progress of any embedding: the time on the theory's axis at which it fits best."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from w2vflow.embeddings import check_vectors
from w2vflow.spectrum import Spectrum, common_rows, degenerate_groups, in_learning_order
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error, check_initial_scale
from w2vflow.support.devices import require_float64
from w2vflow.support.kinds import ArrayLike
from w2vflow.theory import aligned_strengths, half_rise_times, log_strength_moments

__all__ = ["Progress", "fit_progress"]

Host = np.ndarray

# Times of the curve: half of them evenly spaced, half by equal factors, as early steps are the shortest.
_TIMES = 400
# Beyond any embedding.
_LARGEST_DIMENSION = 10**6
# What `Progress.interval` calls as good as the best.
_AS_GOOD = 0.99
# Below this similarity there is next to nothing to fit.
_LITTLE = 0.2
# Below this alignment an embedding is of another corpus; `python validation/alignment.py` prints both sides.
_ALIGNED = 0.45


@checked
@dataclass(frozen=True, eq=False)
class Progress:
    """How far an embedding has got. Made by `fit_progress`.

    Attributes:
        time: at which the theory fits best, in the units of the package.
        interval: the times around it at which similarity is at least 0.99 of the best. It ends at infinity
            if the theory fits as well when it has learned all.
        similarity: between the embedding and the theory at that time, 1 at most.
        ceiling: the largest similarity that any strengths of the same concepts could reach; the rest to 1 are
            directions outside of theirs or across them.
        concepts_learned: how many step times are before `time`.
        alignment: median of `alignments` over the concepts learned, over the first if there are none. Below
            0.45 the embedding is of another corpus.
        times, similarities: the curve of which `similarity` is the top, `(T,)`.
        step_times: when the theory learns each concept, `(k,)`.
        eigenvalues: `|lambda_k|`, towards which strengths rise, `(k,)`.
        strengths: of the embedding along each concept, times `scale`, `(k,)`.
        predicted: `s_k^2` of the theory at `time`, `(k,)`.
        alignments: `cos(K v_k, v_k)`, 1 where the concept is an eigenvector of the embedding's own Gram
            matrix, `(k,)`.
        scale: by which the Gram matrix of the embedding is multiplied to fit the theory best.
        common_words: how many words were compared.
        vocabulary_share: their share of the theory's words.
    """

    time: float
    interval: tuple[float, float]
    similarity: float
    ceiling: float
    concepts_learned: int
    alignment: float
    times: Float[Host, " T"]
    similarities: Float[Host, " T"]
    step_times: Float[Host, " k"]
    eigenvalues: Float[Host, " k"]
    strengths: Float[Host, " k"]
    predicted: Float[Host, " k"]
    alignments: Float[Host, " k"]
    scale: float
    common_words: int
    vocabulary_share: float

    @property
    def past_last_step(self) -> bool:
        """Whether the theory has learned all its concepts at `time`."""
        return self.concepts_learned == len(self.step_times)

    def __str__(self) -> str:
        low, high = self.interval
        learned = int(np.sum(~(self.step_times > low))), int(np.sum(~(self.step_times > high)))
        past = ", past the last step" if self.past_last_step else ""
        return "\n".join(
            [
                f"best time         {self.time:.4g} (as good to 1%: {low:.4g} to {high:.4g}){past}",
                f"concepts learned  {self.concepts_learned} of {len(self.step_times)} "
                f"({learned[0]} to {learned[1]})",
                f"similarity        {self.similarity:.3f} (at most {self.ceiling:.3f} with these concepts)",
                f"alignment         {self.alignment:.3f} (below {_ALIGNED} of another corpus)",
                f"words in common   {self.common_words:,} ({self.vocabulary_share:.1%} of the vocabulary)",
            ]
        )


@checked
def fit_progress(
    vectors: ArrayLike,
    words: Sequence[str],
    spectrum: Spectrum,
    spectrum_words: Sequence[str],
    *,
    dim: int | None = None,
    scale: float = 1e-2,
    tied: bool = True,
    step_times: ArrayLike | None = None,
) -> Progress:
    """Return at which time the theory fits an embedding best, whatever made it.

        G(t) = sum_k s_k^2(t) v_k v_k^T
        similarity(t) = sum_(i != j) K_ij G_ij(t) / sqrt(sum_(i != j) K_ij^2 sum_(i != j) G_ij(t)^2)
        alignment_k = v_k^T K v_k / (|K v_k| |v_k|), the diagonal of K left out

    with `K = X X^T`, both Gram matrices of the n words in common and centred by `1 - 1 1^T / n`, and `s_k^2`
    the sigmoids of `aligned_strengths`, from the typical start `s_k^2(0) = exp E ln R_kk^2` of
    `step_time_law`. Rotating, scaling or shifting all vectors changes nothing; noise of each word alone
    only lowers the similarity. Strengths are the `a_k` of `sum_k a_k v_k v_k^T` nearest to `X X^T` off its
    diagonal, not centred.

    Alignment tells whether the embedding is of this corpus at all: its directions are then those of the
    concepts, whatever their strengths. Of 2,000 words of Wikipedia it was 0.59 and more for vectors of the
    same text and of its other half, even with as much noise, and 0.26 and less for those of docstrings of
    Python (`python validation/alignment.py`).

    Before the second step and after the last, time is known to `interval` alone. For accuracy see
    docs/predictions.md, "When concepts are learned"; for gensim's vectors docs/meaning.md. Of word2vec's own
    vectors frequent words are ahead of the theory at constant `G`, and one vector common to all words is half
    of what they learn: the first concept of `extreme_eigenpairs`, with `tied=False`.

    Args:
        vectors: `(n, d)`, in any rotation and scale.
        words: their words, in row order.
        spectrum: leading eigenpairs of the problem; of `extreme_eigenpairs` for untied weights. If there are
            fewer than `dim`, later steps are not seen.
        spectrum_words: the words of the problem.
        dim: of the theory's embedding; that of the vectors by default.
        scale: of the theory's start, as in `gaussian_init` (`untied_init`); word2vec's is about
            `1 / sqrt(12 dim)`. Time depends on it, the number of concepts learned hardly.
        tied: whether the theory's words and contexts share their vectors.
        step_times: when each concept is learned, `(dim,)`, if known better than by the law for `scale`, as
            by `predict_step_times`.

    Raises:
        ValueError: vectors that are no finite matrix, or all alike; words of another number, repeated, or
            no more of them in common than there are concepts; a spectrum of the other kind of weights, or
            without an eigenvalue that is ever learned; a setting outside its range; float64 is off.

    Warns:
        RuntimeWarning: similarity is below 0.2 or alignment below 0.45, so that the embedding is of another
            corpus and the time says nothing; or the best is past the last step of a spectrum that has fewer
            pairs than `dim`.

    References:
        arXiv 2502.09863, Result 1. The similarity: Kornblith et al. (2019), arXiv 1905.00414 (linear CKA),
        without diagonals as in Song et al. (2012), JMLR 13, 1393.
    """
    spectrum = on_host(spectrum)
    require_float64("fit_progress")
    X, words = check_vectors(vectors, words)
    dim = X.shape[1] if dim is None else dim
    concepts = _concepts(spectrum, spectrum_words, dim, scale, tied, step_times)
    X, U = _common(X, words, concepts.vectors, spectrum_words)
    centred = X - X.mean(axis=0), U - U.mean(axis=0)
    gram = _gram(*centred)
    if not gram.norm > 1e-10 * np.linalg.norm(X) ** 2:
        raise argument_error("vectors", "different for different words", "the same vector for all")

    times = _axis(concepts)
    similarities = gram.similarity(concepts.strengths(times))
    time = _best(times, similarities, lambda t: gram.similarity(concepts.strengths(np.array([t])))[0])
    predicted = concepts.strengths(np.array([time]))[0]
    similarity = float(gram.similarity(predicted[None])[0])
    past = ~(concepts.step_times > time)
    learned = int(np.sum(past))
    alignments = _alignments(*centred)
    alignment = float(np.median(alignments[past] if learned else alignments[0]))
    _warn(similarity, alignment, learned == len(predicted) < dim)

    whole = _gram(X, U)
    factor = whole.factor(predicted)
    return Progress(
        time,
        _interval(times, similarities, time, similarity),
        similarity,
        gram.ceiling(),
        learned,
        alignment,
        times,
        similarities,
        concepts.step_times,
        concepts.sizes,
        whole.strengths() / factor,
        predicted,
        alignments,
        1 / factor,
        len(X),
        len(X) / len(spectrum_words),
    )


class _Concepts(NamedTuple):
    """The concepts learned from a typical start: arrays `(k,)`, `vectors` `(V, k)`, `speed` 1 or 1/2.

    `least` is the strength of the first concept from which on the theory describes an embedding.
    """

    sizes: Host
    initial: Host
    vectors: Host
    speed: float
    least: float

    @property
    def step_times(self) -> Host:
        return np.asarray(half_rise_times(*map(jnp.asarray, (self.sizes, self.initial)))) / self.speed

    def strengths(self, ts: Host) -> Host:
        """Return `s_k^2(t)`, `(T, k)`."""
        return np.asarray(aligned_strengths(*map(jnp.asarray, (self.sizes, self.initial, ts * self.speed))))


def _concepts(
    spectrum: Spectrum, spectrum_words: Sequence[str], dim: int, scale: float, tied: bool, step_times: Any
) -> _Concepts:
    size = len(spectrum.eigenvectors)
    if len(spectrum_words) != size or len(set(spectrum_words)) != size:
        different = len(set(spectrum_words))
        got = f"{len(spectrum_words)} words, {different} of them different"
        raise argument_error("spectrum_words", f"the {size} different words of the spectrum", got)
    if not 1 <= dim <= _LARGEST_DIMENSION:
        raise argument_error("dim", f"between 1 and {_LARGEST_DIMENSION:,}", dim)
    check_initial_scale(scale)
    pairs = in_learning_order(spectrum, tied)
    values = pairs.eigenvalues
    sizes = values if tied else np.abs(values)
    learned = min(dim, int(np.sum(sizes > 1e-12 * np.abs(values).max())))
    if not learned:
        raise argument_error("spectrum", "with a positive eigenvalue", "none", "Nothing is ever learned.")
    sizes, vectors, speed = sizes[:learned], pairs.eigenvectors[:, :learned], 1.0 if tied else 0.5
    if step_times is None:
        log_mean, _ = log_strength_moments(degenerate_groups(pairs, tied=tied), dim)
        initial = scale**2 / dim * speed * np.exp(log_mean[:learned])
    else:
        given = np.atleast_1d(np.asarray(step_times, np.float64))[:learned]
        if given.shape != sizes.shape or not np.isfinite(given).all() or not (given > 0).all():
            expected = f"positive, one for each of the {learned} concepts compared"
            raise argument_error("step_times", expected, f"{given}")
        initial = sizes / (1 + np.exp(2 * speed * sizes * given))
    # Earlier the start is larger than all concepts together, and no embedding of theirs.
    start = min(scale**2 * size, sizes[0] / 10) if step_times is None else sizes[0] / 10
    return _Concepts(sizes, initial, vectors, speed, start)


def _common(X: Host, words: Sequence[str], U: Host, spectrum_words: Sequence[str]) -> tuple[Host, Host]:
    """Return the rows of both for the words that both have."""
    ours, theirs = common_rows(words, spectrum_words)
    if len(ours) <= U.shape[1]:
        expected = f"more than {U.shape[1]} of the theory's words, one for each concept compared"
        remedy = "Choose a smaller `dim` where there are no more."
        raise argument_error("words", expected, f"{len(ours)}", remedy)
    return X[ours].astype(np.float64), U[theirs]


class _Gram(NamedTuple):
    """Inner products of `X X^T` and of matrices `U diag(a) U^T`, all without their diagonals.

    Of `X X^T` with `u_k u_k^T` `(k,)`, of `u_k u_k^T` with `u_l u_l^T` `(k, k)`, and the norm of `X X^T`.
    """

    along: Host
    between: Host
    norm: float

    def similarity(self, strengths: Host) -> Host:
        """Return the cosine of the angle between the two for each row of strengths."""
        norms = np.sqrt(np.einsum("tk,tk->t", strengths @ self.between, strengths))
        return strengths @ self.along / (self.norm * norms)

    def factor(self, strengths: Host) -> float:
        """Return the factor of `U diag(a) U^T` with which it is nearest to `X X^T`."""
        return float(strengths @ self.along / (strengths @ self.between @ strengths))

    def strengths(self) -> Host:
        """Return the `a` that bring `U diag(a) U^T` nearest to `X X^T`."""
        return np.linalg.lstsq(self.between, self.along)[0]

    def ceiling(self) -> float:
        """Return the largest cosine that any `a` have."""
        return float(np.sqrt(np.clip(self.strengths() @ self.along, 0.0, None)) / self.norm)


def _gram(X: Host, U: Host) -> _Gram:
    # Noise of each word alone adds to the diagonal, and on average to nothing else.
    squares, lengths = U**2, np.sum(X**2, axis=1)
    along = np.sum((X.T @ U) ** 2, axis=0) - lengths @ squares
    between = (U.T @ U) ** 2 - squares.T @ squares
    norm = np.sqrt(np.clip(np.sum((X.T @ X) ** 2) - np.sum(lengths**2), 0.0, None))
    return _Gram(along, between, float(norm))


def _alignments(X: Host, U: Host) -> Host:
    """Return the cosine of `K u_k` with `u_k` for each column, `K = X X^T` without its diagonal."""
    images = X @ (X.T @ U) - np.sum(X**2, axis=1)[:, None] * U
    norms = np.linalg.norm(images, axis=0) * np.linalg.norm(U, axis=0)
    return np.sum(images * U, axis=0) / np.maximum(norms, np.finfo(float).tiny)


def _axis(concepts: _Concepts) -> Host:
    """Return times from the first rise of a concept until the last has risen to 99.9%."""
    rates = 2 * concepts.speed * concepts.sizes
    end = (np.log(concepts.sizes / concepts.initial * 1e3) / rates).max()
    begin = np.log(np.maximum(concepts.least / concepts.initial[0], 1.01)) / rates[0]
    both = np.linspace(begin, end, _TIMES // 2), np.geomspace(begin, end, _TIMES // 2)
    return np.unique(np.concatenate(both))


def _best(times: Host, similarities: Host, similarity: Callable[[float], float]) -> float:
    at = int(similarities.argmax())
    if at in (0, len(times) - 1):
        return float(times[at])
    ends = (times[at - 1], times[at + 1])
    found = minimize_scalar(
        lambda t: -similarity(t), bounds=ends, method="bounded", options={"xatol": 1e-6 * times[at]}
    )
    return float(found.x)


def _interval(times: Host, similarities: Host, time: float, best: float) -> tuple[float, float]:
    """Return where the curve around its best passes the level that is as good."""
    level = _AS_GOOD * best
    worse = similarities < level
    before, after = np.flatnonzero(worse & (times < time)), np.flatnonzero(worse & (times > time))

    def passes(low: int) -> float:
        share = (level - similarities[low]) / (similarities[low + 1] - similarities[low])
        return float(times[low] + share * (times[low + 1] - times[low]))

    start = passes(before[-1]) if len(before) else 0.0
    return start, passes(after[0] - 1) if len(after) else np.inf


def _warn(similarity: float, alignment: float, too_few: bool) -> None:
    if similarity < _LITTLE or alignment < _ALIGNED:
        warnings.warn(
            f"The similarity is {similarity:.2g} and the alignment {alignment:.2g} (bounds: {_LITTLE}, "
            f"{_ALIGNED}): these vectors have little in common with the concepts at any time, and the best "
            "one says nothing. They are of another corpus, or not trained.",
            RuntimeWarning,
            stacklevel=3,
        )
    elif too_few:
        warnings.warn(
            "The embedding is past the last step of the eigenpairs at hand, which are fewer than its "
            "dimensions: its best time may be later. Take more in `leading_eigenpairs`.",
            RuntimeWarning,
            stacklevel=3,
        )
