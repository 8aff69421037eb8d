"""Emergence of relations: at which dimension, and at which time of training."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import norm, t

from w2vflow.embeddings import first_rows, unit_rows
from w2vflow.results import Trajectory
from w2vflow.semantics.analogies import Rows, answered, first_spellings, known_rows
from w2vflow.semantics.questions import Question, Questions, pairwise_questions, read_questions
from w2vflow.semantics.relations.outliers import signal_to_noise
from w2vflow.semantics.relations.relations import relation_moments
from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error, check_times, check_weights
from w2vflow.support.devices import require_float64
from w2vflow.support.display import harmless
from w2vflow.support.kinds import ArrayLike
from w2vflow.theory import aligned_strengths, effective_initial_strengths

__all__ = [
    "Emergence",
    "RelationCourse",
    "emergence_along",
    "emergence_over_dimension",
    "emergence_over_time",
]

Host = np.ndarray
Asked = str | os.PathLike[str] | Questions | Mapping[str, Sequence[tuple[str, str]]]

# Fewer pairs have no spread to speak of: neither an outlier nor an interval means anything.
_LEAST_PAIRS = 5
# Pairs drawn anew so many times: ends of a 95% interval are then the 25th from either side.
_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class RelationCourse:
    """How one relation fares along an axis of T times or dimensions. Part of an `Emergence`.

    Attributes:
        pairs, questions: how many word pairs, N, and questions have all words known.
        unknown: questions of which some word is not.
        accuracy: share of questions answered rightly by 3CosAdd, `(T,)`.
        error: its standard error over pairs, by leaving out one after the other, `(T,)`.
        snr: `signal_to_noise` of the task vectors `b - a`, `(T,)`.
        overlap: squared cosine that `Moments.outlier` predicts between the leading left singular vector
            of the task vectors and the vector of ones, 0 if no common direction leaves the noise; `(T,)`.
        detectable_at: first value of the axis from which on a common direction is outside the noise
            for good; NaN if it is not at the end.
        solved_at: value of the axis at which half of the final accuracy is first reached, linear
            between the values given; NaN if the final accuracy is within 2 errors of 0. If a
            curve is flat about that height, little noise moves it far: see the interval.
        solved_between: a 95% interval of it over draws of the pairs, widened where they are few; infinite if
            as many draws as lie beyond it end with no right answer. Too narrow if pairs share words, as
            cities of one state do.
        detectable_at_concept, solved_at_concept: how many concepts are learned then.
        carried_by: number of the concept up to which half of the squared mean task vector has been
            summed at the end, from 1; NaN if there is no more of it than noise gives.
        word_rank: geometric mean of the frequency ranks of the words of the pairs, from 1.
    """

    pairs: int
    questions: int
    unknown: int
    accuracy: Float[Host, " T"]
    error: Float[Host, " T"]
    snr: Float[Host, " T"]
    overlap: Float[Host, " T"]
    detectable_at: float
    solved_at: float
    solved_between: tuple[float, float]
    detectable_at_concept: float
    solved_at_concept: float
    carried_by: float
    word_rank: float


@checked
@dataclass(frozen=True, eq=False)
class Emergence:
    """How relations emerge over time or dimension. `print` shows a table.

    A relation is *detectable* when its pairs have a common direction that leaves the noise, *solvable* when
    the right word is nearer than all others. Neither implies the other. Of few pairs and concepts noise alone
    passes for a direction one time in ten, more often if pairs share words (see docs/predictions.md, "When
    relations emerge"). Cosines are float32: concepts smaller than 1e-3 of the first in `s_k` tell no words
    apart.

    Attributes:
        axis: `"time"` or `"dimension"`.
        values: times or dimensions, `(T,)`.
        concepts: how many concepts are learned (`s_k^2` above `|lambda_k| / 2`), `(T,)`.
        relations: by name, in the order of the questions.
        too_few: known pairs in the questions of the relations left out, with fewer than 5.
    """

    axis: str
    values: Float[Host, " T"]
    concepts: Int[Host, " T"]
    relations: Mapping[str, RelationCourse]
    too_few: Mapping[str, int]

    def precedes(self, one: str, other: str) -> bool:
        """Return whether one relation is solved before another: their 95% intervals do not overlap."""
        return self.relations[one].solved_between[1] < self.relations[other].solved_between[0]

    def column(self, name: str) -> dict[str, float]:
        """Return one attribute of every relation, by relation: `column("solved_at")`."""
        return {relation: getattr(course, name) for relation, course in self.relations.items()}

    def __str__(self) -> str:
        width = max(map(len, [*self.relations, *self.too_few]))
        head = f"{'':<{width}} pairs questions  final accuracy  detectable (concept)   solved (concept)"
        lines = [f"{head}   95% interval of {self.axis}"]
        # Those never solved come last.
        order = sorted(
            self.relations, key=lambda name: np.nan_to_num(self.relations[name].solved_at, nan=np.inf)
        )
        for name in order:
            course = self.relations[name]
            final = f"{course.accuracy[-1]:.1%} +- {course.error[-1]:.1%}"
            seen = _at(course.detectable_at, course.detectable_at_concept)
            solved = _at(course.solved_at, course.solved_at_concept)
            low, high = course.solved_between
            between = "" if np.isnan(low) else f"   {low:.4g} to {high:.4g}"
            counts = f"{name:<{width}} {course.pairs:>5} {course.questions:>9}"
            lines.append(f"{counts} {final:>15}  {seen:>20} {solved:>18}{between}")
        lines += [f"{name:<{width}} {pairs:>5} known pairs: too few" for name, pairs in self.too_few.items()]
        return harmless("\n".join(lines))


def _at(value: float, concept: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4g} ({concept:.0f})"


@checked
def emergence_over_dimension(
    spectrum: Spectrum, words: Sequence[str], questions: Asked, dims: ArrayLike
) -> Emergence:
    """Return how relations emerge as more concepts are taken, fully learned: `X = V_k Lambda_k^(1/2)`.

    That is the end of training for tied weights of dimension k. Larger k are not always better.

    Args:
        spectrum: leading eigenpairs, as many as the largest dimension.
        words: the vocabulary in row order, most frequent first for `word_rank` to have meaning.
        questions: a file or folder as `read_questions` takes it, or its result; or pairs by relation, of
            which all questions are made (`pairwise_questions`).
        dims: dimensions k, increasing.

    Raises:
        ValueError: a dimension outside 1 to the number of positive eigenvalues, or out of order; words
            of another number; a row of zeros; no relation with 5 known pairs.
    """
    spectrum = on_host(spectrum)
    ks = np.asarray(dims)
    positive = int(np.count_nonzero(spectrum.eigenvalues > 0))
    if ks.ndim != 1 or not len(ks) or ks.dtype.kind not in "iu":
        raise argument_error("dims", "a list of whole numbers", repr(dims))
    if (np.diff(ks) <= 0).any() or ks[0] < 1 or ks[-1] > positive:
        expected = f"increasing, from 1 to at most the {positive} positive eigenvalues at hand"
        raise argument_error("dims", expected, ks.tolist())
    embeddings = (spectrum.eigenvectors[:, :k] * np.sqrt(spectrum.eigenvalues[:k]) for k in ks)
    return _followed("dimension", ks.astype(np.float64), ks, embeddings, words, questions)


@checked
def emergence_over_time(
    spectrum: Spectrum, words: Sequence[str], questions: Asked, W0: ArrayLike, ts: ArrayLike
) -> Emergence:
    """Return how relations emerge in training from `W0`, each concept growing on its own.

        X(t) = V_d diag(s_k(t)) + (W0 - V_d V_d^T W0) O,   s_k^2(0) = R_kk^2,   (V_d^T W0)^T = O R

    with `s_k(t)` of `aligned_strengths` from `effective_initial_strengths`: right up to a rotation, which
    changes no cosine, if steps are apart and the start is small. The part of the start outside the leading
    concepts stays as it is. The exact trajectory is `emergence_along(predict(problem, W0, ts,
    save_embeddings=True), ...)`; for the difference see docs/predictions.md, "When relations emerge". A
    concept's overlap along those learned before it is left out, so that relations solved before the first is
    learned come too late.

    Args:
        spectrum: at least `dim` leading eigenpairs.
        words, questions: as in `emergence_over_dimension`.
        W0: initial weights of one seed, `(V, dim)`, tied.
        ts: times, increasing; the first may be 0.

    Raises:
        ValueError: an argument does not fit another; no relation with 5 known pairs; float64 is off.
    """
    spectrum = on_host(spectrum)
    require_float64("emergence_over_time")
    times, weights = np.asarray(check_times(ts)), check_weights(W0, len(spectrum.eigenvectors))
    if weights.ndim != 2:
        raise argument_error("W0", "of one seed, (V, dim)", f"shape {weights.shape}", "Choose a seed.")
    dim = weights.shape[1]
    strengths = effective_initial_strengths(spectrum, weights)
    values, vectors = spectrum.eigenvalues[:dim], spectrum.eigenvectors[:, :dim]
    overlaps = vectors.T @ weights
    rest = (weights - vectors @ overlaps) @ np.linalg.qr(overlaps.T)[0]
    squares = np.asarray(aligned_strengths(*map(jnp.asarray, (values, strengths, times))))
    embeddings = (vectors * np.sqrt(now) + rest for now in squares)
    return _followed("time", times, _learned(squares, values), embeddings, words, questions)


@checked
def emergence_along(
    traj: Trajectory, spectrum: Spectrum, words: Sequence[str], questions: Asked
) -> Emergence:
    """Return how relations emerge along a trajectory: of `predict`, of the flow or of SGD.

    Args:
        traj: of one seed, with embeddings.
        spectrum: at least `dim` eigenpairs: concept k is learned above `|lambda_k| / 2`.
        words, questions: as in `emergence_over_dimension`.

    Raises:
        ValueError: an ensemble, or no embeddings; an argument does not fit another; no relation with 5
            known pairs.
    """
    traj, spectrum = on_host((traj, spectrum))
    if traj.seeds is not None:
        raise argument_error("traj", "of one seed", f"{traj.seeds} seeds", "Take `traj.sel(seed=0)`.")
    embeddings = traj.require_embeddings()
    if len(spectrum.eigenvalues) < traj.dim:
        got = f"{len(spectrum.eigenvalues)} pairs"
        raise argument_error("spectrum", f"at least {traj.dim} eigenpairs", got)
    concepts = _learned(traj.singular_values**2, spectrum.eigenvalues[: traj.dim])
    return _followed("time", traj.ts, concepts, embeddings, words, questions)


def _learned(squares: Float[Host, "T d"], values: Float[Host, " d"]) -> Int[Host, " T"]:
    return np.count_nonzero(squares > np.abs(values) / 2, axis=1)


@dataclass(frozen=True)
class _Known:
    """The `n` questions of one relation whose words are all known, by their rows, and its `N` pairs.

    `unknown` is how many other questions there are, `sides` which pair each question starts from and which it
    asks for, `(n, 2)`, and `ends` the rows of the words of each pair, `(N, 2)`.
    """

    questions: list[Rows]
    unknown: int
    sides: Int[Host, "n 2"]
    ends: Int[Host, "N 2"]


def _known_of(asked: Sequence[Question], first: Mapping[str, int]) -> _Known:
    rows, numbers = known_rows(asked, first), dict[tuple[int, int], int]()
    sides = [
        [numbers.setdefault(pair, len(numbers)) for pair in ((a, b), (c, answers[0]))]
        for a, b, c, answers in rows
    ]
    ends = np.array(list(numbers), int).reshape(-1, 2)
    return _Known(rows, len(asked) - len(rows), np.array(sides, int).reshape(-1, 2), ends)


def _known_relations(questions: Asked, first: Mapping[str, int]) -> dict[str, _Known]:
    """Return what is known of each relation, given the rows of the words (`first_rows`)."""
    if isinstance(questions, Mapping):
        questions = pairwise_questions(questions)
    elif not isinstance(questions, Questions):
        questions = read_questions(questions)
    known = {name: _known_of(asked, first) for name, asked in questions.categories.items()}
    if all(len(relation.ends) < _LEAST_PAIRS for relation in known.values()):
        expected = f"of a relation with {_LEAST_PAIRS} pairs of known words"
        got = f"{ {name: len(relation.ends) for name, relation in known.items()} } of them"
        raise argument_error("questions", expected, got, "Give more words, or questions in their language.")
    return known


def _followed(
    axis: str, values: Host, concepts: Host, embeddings: Iterable[Any], words: Sequence[str], questions: Asked
) -> Emergence:
    """Return the emergence over embeddings, one for each value of the axis."""
    first = first_rows(words)
    known = _known_relations(questions, first)
    followed = {name: relation for name, relation in known.items() if len(relation.ends) >= _LEAST_PAIRS}
    asked = [rows for relation in followed.values() for rows in relation.questions]
    same = first_spellings(words, first)
    right, seen = [], []
    for X in embeddings:
        right.append(answered(unit_rows(X, words), same, asked))
        # Task vectors along principal axes: what is noise there is taken as uncorrelated.
        axes = np.linalg.svd(np.linalg.qr(X.astype(np.float64), mode="r"))[2].T
        seen.append([_seen((X[r.ends[:, 1]] - X[r.ends[:, 0]]) @ axes) for r in followed.values()])
    edges = np.cumsum([len(relation.questions) for relation in followed.values()])[:-1]
    parts = zip(followed.items(), np.split(np.array(right), edges, axis=1), np.stack(seen, 1), strict=True)
    courses = {name: _course(one, right, seen, values, concepts) for (name, one), right, seen in parts}
    too_few = {name: len(relation.ends) for name, relation in known.items() if name not in followed}
    return Emergence(axis, values, concepts, courses, too_few)


def _seen(differences: Float[Host, "N d"]) -> tuple[float, float, float]:
    """Return signal to noise, predicted overlap, and which concept half of the mean lies up to."""
    moments = relation_moments(differences)
    total = moments.mean_squared.sum()
    half = np.argmax(np.cumsum(moments.mean_squared) >= total / 2) + 1 if total > 0 else np.nan
    return signal_to_noise(differences), moments.outlier().overlap, float(half)


def _course(
    relation: _Known, right: Bool[Host, "T n"], seen: Float[Host, "T 3"], values: Host, concepts: Host
) -> RelationCourse:
    pairs = len(relation.ends)
    accuracy, error = right.mean(axis=1), _jackknife(right, relation.sides, pairs)
    # Of pairs drawn with replacement, a question counts as often as its two pairs come together.
    times = np.random.default_rng(0).multinomial(pairs, np.full(pairs, 1 / pairs), _DRAWS)
    weights = (times[:, relation.sides[:, 0]] * times[:, relation.sides[:, 1]]).astype(np.float64)
    weights = weights[weights.any(axis=1)]
    draws = _half_rise(values, weights @ right.T / weights.sum(axis=1, keepdims=True))
    solved, between = np.nan, (np.nan, np.nan)
    if accuracy[-1] > 2 * error[-1]:
        solved = float(_half_rise(values, accuracy[None])[0])
        between = _interval(draws, solved, pairs, values)
    hidden = np.flatnonzero(~(seen[:, 1] > 0))
    start = hidden[-1] + 1 if len(hidden) else 0
    detectable = float(values[start]) if start < len(values) else np.nan
    return RelationCourse(
        pairs=pairs,
        questions=right.shape[1],
        unknown=relation.unknown,
        accuracy=accuracy,
        error=error,
        snr=seen[:, 0],
        overlap=seen[:, 1],
        detectable_at=detectable,
        solved_at=solved,
        solved_between=between,
        detectable_at_concept=float(np.interp(detectable, values, concepts)),
        solved_at_concept=float(np.interp(solved, values, concepts)),
        carried_by=float(seen[-1, 2]),
        word_rank=float(np.exp(np.log(relation.ends + 1).mean())),
    )


def _jackknife(right: Bool[Host, "T n"], sides: Int[Host, "n 2"], pairs: int) -> Float[Host, " T"]:
    """Return the standard error of the share of right answers, leaving out one pair after the other."""
    kept = ~(sides[None] == np.arange(pairs)[:, None, None]).any(axis=2)
    # Where no question is without a pair, nothing is known without it.
    kept = kept[kept.any(axis=1)].astype(np.float64)
    without = kept @ right.T / kept.sum(axis=1, keepdims=True)
    spread = ((without - without.mean(axis=0)) ** 2).sum(axis=0) if len(kept) else np.full(len(right), np.inf)
    return np.sqrt((pairs - 1) / pairs * spread)


def _interval(
    draws: Float[Host, " B"], solved: float, pairs: int, values: Float[Host, " T"]
) -> tuple[float, float]:
    """Return a 95% interval from draws of the pairs with replacement.

    Draws of n pairs spread less than n pairs do, their variance by `(n - 1) / n`, and their quantiles are a
    normal's, not Student's: plain quantiles of 5 to 14 pairs hold the truth 81 to 92 times of 100. Taken is
    what two cures span, quantiles further out (Hesterberg 2015, The American Statistician 69, "expanded
    percentile") and Student's interval about the value found: 94 to 98 times.
    """
    student = t.ppf(0.975, pairs - 1) * np.sqrt(pairs / (pairs - 1))
    tail = norm.cdf(-student)
    low, high = np.quantile(draws, [tail, 1 - tail], method="inverted_cdf")
    finite = draws[np.isfinite(draws)]
    spread = student * finite.std() if len(finite) else np.inf
    least, most = max(solved - spread, values[0]), min(solved + spread, values[-1])
    return float(min(low, least)), float(max(high, most))


def _half_rise(values: Float[Host, " T"], curves: Float[Host, "B T"]) -> Float[Host, " B"]:
    """Return where each curve first reaches half of its end, infinite where that is 0."""
    level = curves[:, -1] / 2
    after = np.argmax(curves >= level[:, None], axis=1)
    before, rows = np.maximum(after - 1, 0), np.arange(len(curves))
    low, high = curves[rows, before], curves[rows, after]
    # At the first value there is none before: the half-rise is there, or was before.
    share = np.where(high > low, (level - low) / np.where(high > low, high - low, 1), 1)
    crossing = values[before] + np.where(after > before, share, 0) * (values[after] - values[before])
    return np.where(level > 0, crossing, np.inf)
