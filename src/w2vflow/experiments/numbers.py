"""Numbers of a run, as JSON has them: every one that the terminal shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from w2vflow.results import Comparison
from w2vflow.semantics import Feature
from w2vflow.spectrum import direction_overlaps, left_directions, subspace_overlap

__all__ = ["numbers_of"]


def numbers_of(
    comparison: Comparison,
    persistence: dict[float, dict[str, np.ndarray]],
    features: Sequence[Feature],
    law: tuple[Any, Any] | None,
) -> dict[str, Any]:
    """Return the numbers of the sources that there are, per concept and overall.

    Args:
        comparison: with a spectrum.
        persistence: by fraction of `lambda_k`, and source: `direction_persistence`.
        features: of every concept.
        law: mean and standard deviation of the step times of the law.
    """
    spectrum, steps = comparison.spectrum, comparison.step_times
    assert spectrum is not None
    modes = len(spectrum.eigenvalues)
    first = min(8, modes)
    concepts = [
        {
            "concept": k + 1,
            "eigenvalue": spectrum.eigenvalues[k],
            **{f"step_time_{name}": _over_seeds(times[:, k]) for name, times in steps.items()},
            "positive_words": features[k].positive,
            "negative_words": features[k].negative,
        }
        for k in range(modes)
    ]
    numbers: dict[str, Any] = {"concepts_learned": _learned(steps), "first_modes": first}
    if law is not None:
        for concept, mean, deviation in zip(concepts, *law, strict=True):
            concept["step_time_law"] = {"mean": mean, "standard_deviation": deviation}
    if "flow" in steps:
        error = comparison.singular_value_error("flow", "theory")
        numbers["flow_against_exact"] = {"every seed, eigenbasis flow": error}
        for concept, off in zip(concepts, comparison.step_time_errors("flow", "theory"), strict=True):
            concept["flow_step_time_error"] = off
    if "sgd" in steps:
        numbers |= _of_sgd(comparison, concepts, first)
    for k, concept in enumerate(concepts):
        concept["persistence"] = {name: _mean(p[:, -1, k]) for name, p in persistence[0.99].items()}
    numbers["persistence_of_first_modes"] = {
        f"from {fraction:.0%} of lambda_k": {n: _mean(p[:, -1, :first]) for n, p in by.items()}
        for fraction, by in persistence.items()
    }
    final = {name: np.mean(t.loss[..., -1]) for name, t in comparison.trajectories.items()}
    return {**numbers, "final_loss": final, "concepts": concepts}


def _learned(steps: Any) -> int:
    """Return how many concepts every seed of every measured source has learned; predicted, if none is."""
    measured = [times for name, times in steps.items() if not name.startswith("theory")]
    reached = [np.isfinite(times).all(axis=0) for times in measured or steps.values()]
    return int(np.logical_and.reduce(reached).sum())


def _of_sgd(comparison: Comparison, concepts: list[dict[str, Any]], first: int) -> dict[str, Any]:
    """Return the numbers of SGD overall, and put those of each concept to it."""
    assert comparison.spectrum is not None
    vectors = comparison.spectrum.eigenvectors
    final = comparison.trajectories["sgd"].require_embeddings()[:, -1]
    directions = left_directions(final, len(concepts))
    own = direction_overlaps(directions, vectors).diagonal(axis1=-2, axis2=-1).mean(axis=0)
    errors = comparison.step_time_errors("sgd", "theory-discrete")
    uncorrected = comparison.step_time_errors("sgd", "theory")
    for k, concept in enumerate(concepts):
        concept["sgd_step_time_error"] = errors[k]
        concept["sgd_step_time_error_uncorrected"] = uncorrected[k]
        concept["overlap_with_eigenvector"] = own[k]
    overlaps = [subspace_overlap(U[:, :first], vectors[:, :first]) for U in directions]
    return {
        "largest_sgd_step_time_error_of_first_modes": _largest(errors[:first]),
        "subspace_overlap_of_first_modes": np.mean(overlaps),
    }


def _mean(values: np.ndarray) -> float:
    """Return the mean of the values that are finite; NaN if none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _largest(values: np.ndarray) -> float:
    """Return the largest of the values that are finite; NaN if none is."""
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else float("nan")


def _over_seeds(times: np.ndarray) -> dict[str, float]:
    """Return mean and standard deviation over the seeds that got there, and how many did."""
    known = times[np.isfinite(times)]
    deviation = float(known.std(ddof=1)) if known.size > 1 else 0.0
    return {"mean": _mean(times), "standard_deviation": deviation, "seeds": known.size}
