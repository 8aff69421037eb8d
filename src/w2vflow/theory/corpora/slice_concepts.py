"""Concepts of a whole corpus in each period or group of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Float

from w2vflow.counts import CooccurrenceStatistics, merge
from w2vflow.problem import Problem
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.display import harmless
from w2vflow.theory.corpora.concept_changes import (
    ConceptChanges,
    changes_between,
    check_comparable,
    learned_concepts,
)

__all__ = ["SliceConcepts", "compare_slices"]


@checked
@dataclass(frozen=True, eq=False)
class SliceConcepts:
    """The first `k` concepts of a whole corpus, and what each is in every slice. See `compare_slices`.

    Attributes:
        changes: from the whole to each slice, by its label.
    """

    changes: Mapping[str, ConceptChanges]

    @property
    def labels(self) -> tuple[str, ...]:
        """The slices, in their order."""
        return tuple(self.changes)

    @property
    def eigenvalues(self) -> Float[np.ndarray, "n k"]:
        """Eigenvalue of each concept in each slice; NaN where the slice does not have it."""
        return np.stack([change.eigenvalues_after for change in self.changes.values()])

    @property
    def step_times(self) -> Float[np.ndarray, "n k"]:
        """When each is learned from each slice; infinite where not at all, NaN where it is not there."""
        return np.stack([change.step_times_after for change in self.changes.values()])

    @property
    def overlaps(self) -> Float[np.ndarray, "n k"]:
        """Squared cosine between each concept of the whole and what it is in each slice."""
        return np.stack([change.overlaps for change in self.changes.values()])

    def __str__(self) -> str:
        whole = next(iter(self.changes.values()))
        width = max(15, *(len(label) + 2 for label in self.labels))
        lines = ["".join(f"{head:>{width}}" for head in ("concept", "whole", *self.labels))]
        for k, time in enumerate(whole.step_times):
            cells = [str(k + 1), f"{time:.4g}"]
            for times, overlaps in zip(self.step_times, self.overlaps, strict=True):
                cells.append("none" if np.isnan(times[k]) else f"{times[k]:.4g} ({overlaps[k]:.2f})")
            lines.append("".join(f"{cell:>{width}}" for cell in cells))
        return harmless("\n".join(["Step times (overlap with the concept of the whole)", *lines]))


@checked
def compare_slices(
    slices: Mapping[str, CooccurrenceStatistics], k: int, *, dim: int, scale: float
) -> SliceConcepts:
    """Return the first `k` concepts of a corpus in each of its slices: eigenvalues, step times, overlaps.

    The whole is the `merge` of all slices, and each slice is compared with it as by `concept_changes`. Words
    that a slice lacks are left out of it. A slice of little text has noisy counts: its step times differ
    from the whole by that alone, as `document_uncertainty` tells for counts of its size.

    Args:
        slices: counts of one vocabulary by label, as `count_slices` returns them.
        k: how many concepts, at most `dim`.
        dim: embedding dimension `d` of the training.
        scale: of its `gaussian_init`.

    Raises:
        ValueError: no slices, other vocabularies, counts of one direction, `k` outside 1..dim, float64 is
            off, or a slice with fewer than `dim` positive eigenvalues (a note names it).

    Example:
        >>> import jax, numpy as np
        >>> jax.config.update("jax_enable_x64", True)
        >>> rising = {"1990": np.array([[9, 1], [1, 2]]), "2020": np.array([[9, 1], [1, 6]])}
        >>> slices = {y: CooccurrenceStatistics(("a", "b"), n, n.sum(axis=1)) for y, n in rising.items()}
        >>> compare_slices(slices, 1, dim=1, scale=1e-6).eigenvalues.round(2).tolist()
        [[1.45], [1.79]]
    """
    if not slices:
        raise argument_error("slices", "of at least one label", "none", "Use `wf.corpus.count_slices`.")
    problem = _posed(reduce(merge, slices.values()))
    check_comparable(problem, k, dim)
    whole = learned_concepts(problem, k, dim, scale)
    changes = {}
    for label, stats in slices.items():
        try:
            changes[label] = changes_between(whole, learned_concepts(_posed(stats), k, dim, scale), k)
        except ValueError as error:
            error.add_note(f"That is so of the slice {label!r}.")
            raise
    return SliceConcepts(changes)


def _posed(stats: CooccurrenceStatistics) -> Problem:
    return Problem.from_statistics(stats.restrict())
