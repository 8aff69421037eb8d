"""Concepts of a corpus and of a changed one: sooner, later, new or gone."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, common_rows, degenerate_groups, group_numbers, leading_eigenpairs
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import on_host
from w2vflow.support.checks import argument_error
from w2vflow.support.devices import require_float64
from w2vflow.theory.step_times.over_seeds import step_time_law

__all__ = [
    "ConceptChanges",
    "LearnedConcepts",
    "changes_between",
    "check_comparable",
    "concept_changes",
    "learned_concepts",
]


@checked
@dataclass(frozen=True, eq=False)
class ConceptChanges:
    """The first `k` concepts of a problem, and what has become of them in another. See `concept_changes`.

    Attributes:
        eigenvalues: `lambda_k` before, `(k,)`.
        eigenvalues_after: of the concept that each has become; NaN for none.
        eigenvalues_first_order: what first-order perturbation expects, `lambda_k + v_k^T dM v_k`; where words
            go, `u^T M u / u^T u` with the new `M*` and what is left of `v_k` as `u`.
        places: which concept each has become, from 0 in the order of learning; -1 for none.
        overlaps: squared cosine between both, of degenerate concepts between their spaces.
        retained: share of `v_k` that lies within the `dim` directions learned afterwards, `(k,)`.
        step_times: mean over seeds of when each is learned, before.
        step_times_after: the same afterwards; infinite where it has left the `dim` directions that are
            learned, NaN where it has become none.
        step_times_first_order: from `eigenvalues_first_order`, at the old place.
        new: those of the first `k` concepts afterwards that none of the first `dim` before has become.
        degenerate: whether a concept shares its eigenvalue with another, before, `(k,)`.
    """

    eigenvalues: Float[np.ndarray, " k"]
    eigenvalues_after: Float[np.ndarray, " k"]
    eigenvalues_first_order: Float[np.ndarray, " k"]
    places: Int[np.ndarray, " k"]
    overlaps: Float[np.ndarray, " k"]
    retained: Float[np.ndarray, " k"]
    step_times: Float[np.ndarray, " k"]
    step_times_after: Float[np.ndarray, " k"]
    step_times_first_order: Float[np.ndarray, " k"]
    new: Int[np.ndarray, " n"]
    degenerate: Bool[np.ndarray, " k"]

    @property
    def hastened(self) -> Int[np.ndarray, " n"]:
        """Concepts that are learned sooner, those most so first."""
        return self._ordered(self.step_times_after / self.step_times)

    @property
    def delayed(self) -> Int[np.ndarray, " n"]:
        """Concepts that are learned later, those most so first."""
        return self._ordered(self.step_times / self.step_times_after)

    @property
    def lost(self) -> Int[np.ndarray, " n"]:
        """Concepts that are learned no more: gone, mixed with others, or behind the first `dim`."""
        return np.flatnonzero(~np.isfinite(self.step_times_after))

    def _ordered(self, ratio: Float[np.ndarray, " k"]) -> Int[np.ndarray, " n"]:
        below = np.flatnonzero(np.isfinite(self.step_times_after) & (ratio < 1))
        return below[np.argsort(ratio[below], kind="stable")]

    def __str__(self) -> str:
        lines = ["concept    lambda -> after       (1st order)  becomes  overlap  step time -> after"]
        for k, place in enumerate(self.places):
            becomes = "none" if place < 0 else str(place + 1)
            lines.append(
                f"{k + 1:>6}{'=' if self.degenerate[k] else ' '} {self.eigenvalues[k]:>10.5g} -> "
                f"{self.eigenvalues_after[k]:<10.5g} ({self.eigenvalues_first_order[k]:>9.5g}) {becomes:>8}"
                f"  {self.overlaps[k]:>7.3f} {self.step_times[k]:>10.5g} -> {self.step_times_after[k]:<10.5g}"
            )
        if len(self.new):
            lines.append("new afterwards: " + ", ".join(str(k + 1) for k in self.new))
        return "\n".join(lines)


@checked
def concept_changes(before: Problem, after: Problem, k: int, *, dim: int, scale: float) -> ConceptChanges:
    """Return what becomes of the first `k` concepts when the corpus changes.

    Concepts of both problems are matched one to one, so that the sum of their squared overlaps
    `(u_j . v_k)^2` is largest, over somewhat more than `k` of each. Concepts of one eigenvalue
    (`degenerate_groups`) have no directions of their own: their overlap is that of their spaces.
    A match below one half is none: the concept is gone, or mixed with others of nearly its eigenvalue
    (`retained` tells: near 1 where it has only been mixed).

    Words are matched by name where both problems know theirs; a word that only one of them has counts
    as a row of zeros in the other. Step times are the mean of `step_time_law`, which says how small
    `scale` must be. First-order changes are right to `|dM|^2 / gap`, with the distance to the nearest
    eigenvalue as gap. To take words out is no small change of their rows, as the concept turns away from
    them at once: hence the quotient over the words that stay.

    Args:
        before, after: quartic, constant `G`, tied.
        k: how many concepts, at most `dim`.
        dim: embedding dimension `d` of the training.
        scale: of its `gaussian_init`.

    Raises:
        ValueError: a problem is not quartic, tied and at constant `G`; float64 is off; `k` is outside
            1..dim; the problems have no word in common, or different sizes where words are not known; or
            fewer than `dim` positive eigenvalues.

    References:
        Kato (1966), Perturbation theory for linear operators, chapter II, for the first order.
    """
    for problem in (before, after):
        check_comparable(problem, k, dim)
    old, new = (learned_concepts(problem, k, dim, scale) for problem in (before, after))
    return changes_between(old, new, k)


class LearnedConcepts(NamedTuple):
    """Concepts of a problem, more than are asked for, and when each is learned.

    Attributes:
        problem, spectrum: whose they are.
        groups: number of the group of equal eigenvalues of each.
        step_times: mean of `step_time_law`, of the first `dim`.
    """

    problem: Problem
    spectrum: Spectrum
    groups: Int[np.ndarray, " m"]
    step_times: Float[np.ndarray, " d"]


def learned_concepts(problem: Problem, k: int, dim: int, scale: float) -> LearnedConcepts:
    """Return the concepts of one of the problems of `concept_changes`.

    Raises:
        ValueError: fewer than `dim` positive eigenvalues.
    """
    # More than k, to find those that have moved to a place further behind or come from there.
    spectrum = on_host(leading_eigenpairs(problem, min(problem.vocab_size, max(dim, 2 * k + 10))))
    times = np.asarray(step_time_law(problem, dim, scale, spectrum=spectrum).mean)
    return LearnedConcepts(problem, spectrum, group_numbers(degenerate_groups(spectrum, tied=True)), times)


def check_comparable(problem: Problem, k: int, dim: int) -> None:
    """Raise `ValueError` unless the first `k` concepts of a problem can be followed to another."""
    require_float64("concept_changes")
    problem.require_solvable("concept_changes")
    problem.require_tied("concept_changes")
    if not 1 <= k <= dim:
        raise argument_error("k", f"between 1 and the dimension {dim}", k)


def changes_between(before: LearnedConcepts, after: LearnedConcepts, k: int) -> ConceptChanges:
    """Return what has become of the first `k` concepts of `before`.

    Raises:
        ValueError: problems of other words, or of other sizes.
    """
    rows, rows_after = _common_rows(before.problem, after.problem)
    old, new, groups = before.spectrum, after.spectrum, before.groups
    carried = np.zeros((after.problem.vocab_size, len(old.eigenvalues)))
    carried[rows_after] = old.eigenvectors[rows]
    cosines = carried.T @ new.eigenvectors
    overlaps = _shared_overlaps(cosines**2, groups, after.groups)
    one, other = linear_sum_assignment(overlaps, maximize=True)
    found = overlaps[one, other] >= 0.5
    becomes = np.full(len(overlaps), -1)
    becomes[one[found]] = other[found]
    places = becomes[:k]
    best = np.zeros(len(overlaps))
    best[one] = overlaps[one, other]
    times, dim = before.step_times, len(after.step_times)
    # Beyond `dim` nothing is learned; the last entry is for concepts that have become none.
    every = np.full(len(new.eigenvalues) + 1, np.inf)
    every[:dim], every[-1] = after.step_times, np.nan
    values, first = old.eigenvalues[:k], _first_order(after.problem, carried, groups)[:k]
    with np.errstate(divide="ignore", invalid="ignore"):
        # The law's `2 lambda t = ln lambda + constant`, at another eigenvalue.
        moved = (2 * values * times[:k] + np.log(first / values)) / (2 * first)
    return ConceptChanges(
        values,
        np.append(new.eigenvalues, np.nan)[places],
        first,
        places,
        best[:k],
        np.sum(cosines[:k, :dim] ** 2, axis=1),
        times[:k],
        every[places],
        np.where(first > 0, moved, np.inf),
        np.setdiff1d(np.arange(k), becomes[:dim]),
        np.bincount(groups)[groups][:k] > 1,
    )


def _common_rows(before: Problem, after: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the words that both problems have, in either."""
    if before.statistics is None or after.statistics is None:
        if before.vocab_size != after.vocab_size:
            expected = f"of the {before.vocab_size} words of `before`, as one of them does not know its words"
            raise argument_error("after", expected, f"{after.vocab_size} words")
        every = np.arange(before.vocab_size)
        return every, every
    try:
        return common_rows(before.statistics.words, after.statistics.words)
    except ValueError as error:
        raise argument_error("after", "of a vocabulary that has words of `before`", "none of them") from error


def _shared_overlaps(
    overlaps: Float[np.ndarray, "m n"], groups: Int[np.ndarray, " m"], others: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "m n"]:
    """Return the mean squared cosine between the spaces of the groups of each pair."""
    rows, columns = (np.equal.outer(np.unique(g), g).astype(float) for g in (groups, others))
    least = np.minimum.outer(rows.sum(axis=1), columns.sum(axis=1))
    return (rows @ overlaps @ columns.T / least)[np.ix_(groups, others)]


def _first_order(
    after: Problem, vectors: Float[np.ndarray, "V m"], groups: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Return Rayleigh quotients of the old concepts with the new `M*`; of groups, Ritz values; 0 of none."""
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    bases = []
    for some in members:
        frame, sizes, _ = np.linalg.svd(vectors[:, some], full_matrices=False)
        # A concept all of whose words have gone has no direction left.
        bases.append(frame[:, sizes > 1e-8])
    every = np.hstack(bases)
    image = np.asarray(after.target_operator().product(every))
    found, ends = np.zeros(vectors.shape[1]), np.cumsum([basis.shape[1] for basis in bases])
    for some, basis, end in zip(members, bases, ends, strict=True):
        block = basis.T @ image[:, end - basis.shape[1] : end]
        found[some[: len(block)]] = np.linalg.eigvalsh((block + block.T) / 2)[::-1]
    return found
