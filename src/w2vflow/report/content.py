"""Numbers and words of the page as JSON values, no finer than a screen shows them."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from w2vflow.results import Cloud, Comparison, Trajectory
from w2vflow.semantics import Feature
from w2vflow.support.checks import argument_error

__all__ = ["page_content"]

# A panel is some 600 pixels wide, and more curves than these are a band.
_POINTS = 300
_CURVES = 8
# Concepts beyond would be lines on top of each other.
_CONCEPTS = 64


def page_content(
    comparison: Comparison,
    cloud: Cloud,
    features: Sequence[Feature],
    *,
    title: str,
    configuration: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of the page as its scripts read it; NaN as None.

    Raises:
        ValueError: fewer features than concepts, or none in common with the cloud.
    """
    spectrum = comparison.spectrum
    assert spectrum is not None
    first = next(iter(comparison.trajectories.values()))
    modes = min(first.dim, len(spectrum.eigenvalues), _CONCEPTS)
    if len(features) < modes:
        raise argument_error("features", f"those of {modes} concepts", f"{len(features)} features")
    concepts = [
        {
            "eigenvalue": _number(spectrum.eigenvalues[k]),
            "name": features[k].short,
            "positive": list(features[k].positive),
            "negative": list(features[k].negative),
        }
        for k in range(modes)
    ]
    times = len(first.ts)
    some = np.unique(np.linspace(0, times - 1, min(times, _POINTS)).round().astype(int))
    # In one order, so that a page made now is that made of the run's folder later, to the byte.
    metadata = {name: dict(traj.metadata) for name, traj in comparison.trajectories.items()}
    settings = {**configuration, "trajectories": json.loads(json.dumps(metadata, sort_keys=True))}
    return {
        "title": title,
        "version": version("w2vflow"),
        "vocabulary": len(spectrum.eigenvectors),
        "dim": first.dim,
        "concepts": concepts,
        "ts": _numbers(first.ts[some]),
        "curves": {name: _curves(traj, some, modes) for name, traj in comparison.trajectories.items()},
        "steps": {name: _steps(comparison, name, modes) for name in comparison.trajectories},
        "cloud": _cloud(cloud, modes),
        "configuration": [[name, value] for name, value in _flat(settings)],
    }


def _curves(traj: Trajectory, some: np.ndarray, modes: int) -> dict[str, Any]:
    """Return loss `(S, T)` and squared singular values `(S, k, T)` of the first seeds."""
    squares = np.swapaxes(traj.singular_values[..., some, :modes].astype(np.float64) ** 2, -1, -2)
    squares, loss = squares.reshape(-1, *squares.shape[-2:]), np.atleast_2d(traj.loss[..., some])
    # Of the loss more digits: small steps stand on a large sum.
    return {
        "seeds": traj.seeds or 1,
        "loss": _numbers(loss[:_CURVES], digits=8),
        "squares": _numbers(squares[:_CURVES]),
    }


def _steps(comparison: Comparison, source: str, modes: int) -> dict[str, Any]:
    """Return when each concept is learned, over all seeds, and how far that is from its prediction."""
    times = comparison.step_times[source][:, :modes]
    learned = np.isfinite(times)
    count = learned.sum(axis=0)
    mean = np.where(learned, times, 0).sum(axis=0) / np.where(count == 0, np.nan, count)
    squares = np.where(learned, (times - mean) ** 2, 0).sum(axis=0)
    reference = _reference(comparison, source)
    record = {
        "mean": _numbers(mean),
        "spread": _numbers(np.sqrt(squares / np.where(count < 2, np.nan, count - 1))),
        "learned": count.tolist(),
        "seeds": len(times),
        "reference": reference,
    }
    if reference is not None:
        predicted = comparison.step_times[reference][:, :modes]
        pairs = min(len(times), len(predicted))
        # One prediction serves all seeds; else each seed has its own.
        own, theirs = (times, predicted) if len(predicted) == 1 else (times[:pairs], predicted[:pairs])
        record["error"] = _numbers(100 * np.abs(own / theirs - 1).mean(axis=0))
    return record


def _reference(comparison: Comparison, source: str) -> str | None:
    """Return the prediction that a source is held against: of descent, the one that knows its step size."""
    if source.startswith("theory"):
        return None
    wanted = ["theory"] if source == "flow" else ["theory-discrete", "theory"]
    return next((name for name in wanted if name in comparison.trajectories), None)


def _cloud(cloud: Cloud, modes: int) -> dict[str, Any]:
    """Return positions as 16-bit integers in base64, in units that are shared by all sources."""
    modes = min(modes, len(cloud.eigenvalues))
    every = np.stack([places[..., :modes] for places in cloud.coordinates.values()])
    if not np.isfinite(every).all():
        raise argument_error("cloud", "of finite positions", "NaN or infinite ones")
    largest = np.abs(every).max(axis=(0, 1, 2)).astype(np.float64)
    unit = np.where(largest > 0, largest, 1.0) / 32767
    whole = np.round(every / unit).astype("<i2")
    return {
        "ts": _numbers(cloud.ts),
        "words": list(cloud.words),
        "ranks": [int(rank) + 1 for rank in cloud.ranks],
        "unit": _numbers(unit),
        "positions": {
            name: base64.b64encode(places.tobytes()).decode()
            for name, places in zip(cloud.coordinates, whole, strict=True)
        },
    }


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def _numbers(values: np.ndarray, digits: int = 5) -> Any:
    """Return numbers of so many digits as nested lists."""
    return [_numbers(row, digits) for row in values] if np.ndim(values) else _number(values, digits)


def _number(value: Any, digits: int = 5) -> float | None:
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None
