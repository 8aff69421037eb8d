"""Content of the page from which it computes: the exact start, and error bars in words."""

import base64
import math
from typing import Any

import numpy as np

from w2vflow.results import Cloud
from w2vflow.support.checks import argument_error
from w2vflow.theory import ExactStart, SamplingUncertainty

__all__ = ["add_reality", "start_content"]

# Tangents of the angle between a concept and that of an infinite corpus: steady, tilted, mixed.
_STEADY, _TILTED = 0.2, 0.5


def start_content(start: ExactStart, cloud: Cloud) -> dict[str, Any]:
    """Return a start as the page's scripts read it: what is trained in float64, words in float32.

    Raises:
        ValueError: the words are not those of the cloud, or the numbers are not finite.
    """
    if not np.array_equal(start.ranks, cloud.ranks):
        expected = f"of the {len(cloud.ranks)} words of the cloud: `exact_start(problem, W0, cloud.ranks)`"
        raise argument_error("start", expected, f"one of {len(start.ranks)} others")
    arrays = (start.eigenvalues, start.overlaps, start.nodes, start.log_weights, start.vectors, start.frame)
    if not all(np.isfinite(array).all() for array in arrays):
        raise argument_error("start", "of finite numbers", "NaN or infinite ones")
    seeds, _, dim = start.overlaps.shape
    return {
        "seeds": seeds,
        "dim": dim,
        "eigenvalues": _list(start.eigenvalues),
        "overlaps": _base64(start.overlaps, "<f8"),
        "nodes": _list(start.nodes),
        "logWeights": _list(start.log_weights),
        "normSquared": float(start.norm_squared),
        "vectors": _base64(start.vectors, "<f4"),
        "frame": _base64(start.frame, "<f4"),
        "diagonal": _list(np.asarray(start.diagonal, np.float32)),
        "rowSquares": _list(np.asarray(start.row_norms_squared, np.float32)),
    }


def add_reality(concepts: list[dict[str, Any]], uncertainty: SamplingUncertainty) -> None:
    """Add to every concept what its error bars mean for another text of the kind."""
    own = uncertainty.eigenvalues
    columns = (own.values, own.bias, own.corrected, own.errors, uncertainty.directions)
    for concept, (value, bias, corrected, error, tangent) in zip(
        concepts, zip(*columns, strict=True), strict=False
    ):
        strength = f"From one text of this size to another its strength is {value:.3g} ± {error:.2g}."
        if abs(bias) > error:
            strength += f" A much larger text would show {corrected:.3g}."
        concept["real"] = f"{strength} {_direction(float(tangent))}"


def _direction(tangent: float) -> str:
    if not tangent < _TILTED:
        return "Another text would mix it with its neighbours: only what they span together is sure."
    angle = math.degrees(math.atan(tangent))
    if tangent < _STEADY:
        return (
            f"Yes: another text would show nearly the same words at its ends (turned by some {angle:.0f}°)."
        )
    return f"In the main: another text would show it turned by some {angle:.0f}°."


def _list(values: Any) -> list[float]:
    return [float(value) for value in np.asarray(values)]


def _base64(values: Any, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()
