"""What float32 costs: step times, closed form and flow in it, beside the same in float64.

python validation/precision.py [--small]
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from table import Points, Row, run_part

import w2vflow as wf

SCALES = (1e-2, 1e-6, 1e-10)
WHAT = {
    "Step times": ("step time", "step times, `predict_step_times(problem, W0)`"),
    "Closed form": ("singular value", "singular values over time, `predict(problem, W0, ts)`"),
    "Flow": ("singular value", "singular values over time, `solve_flow(problem, W0, ts)`"),
}
BREAKS = (
    "eigenvalues far below the largest in size have few digits in float32, and the concepts of eigenvalues "
    "that are that near are not told apart; a start below 1e-38 is none"
)


@dataclass(frozen=True)
class Size:
    """How large the model is, and how many times are observed."""

    words: int = 2000
    dim: int = 16
    times: int = 200


def rows(size: Size) -> Iterator[Row]:
    """Yield a row for each function: all scales in it."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(size.words)
    each = []
    for scale in SCALES:
        # From the same numbers: starts are drawn in float32.
        W0 = np.asarray(wf.gaussian_init(jax.random.key(0), size.words, size.dim, scale), np.float32)
        last = np.nanmax(wf.predict_step_times(wf.Problem.from_statistics(stats), W0.astype(np.float64)))
        ts = np.linspace(0, 1.2 * last, size.times)
        double = results(stats, W0.astype(np.float64), ts)
        with jax.enable_x64(False):
            single = results(stats, W0, ts)
        assert {array.dtype.name for array in single} == {"float32"}
        assert {array.dtype.name for array in double} == {"float64"}
        each.append((single, double))
    for place, (subject, (unit, quantity)) in enumerate(WHAT.items()):
        pairs = [(np.float64(single[place]), double[place]) for single, double in each]
        off = [error(subject, *pair) for pair in pairs]
        ends = [[array[-1:].ravel() if array.ndim > 1 else array for array in pair] for pair in pairs]
        singles, doubles = (np.concatenate(side) for side in zip(*ends, strict=True))
        yield Row(
            quantity,
            f"tied, V = {size.words:,}, d = {size.dim}, scales {listed(SCALES)}, one seed each",
            f"{listed(singles)} (float32)",
            f"{listed(doubles)} (float64)",
            f"{listed(off)}, at most, {'of each' if subject == 'Step times' else 'of the largest'}",
            BREAKS,
            subject=f"{subject}, float32",
            short=f"scales {listed(SCALES)}",
            off=f"≤{listed(off)}",
            points=(Points.of(unit, singles, doubles),),
        )


def results(stats: wf.CooccurrenceStatistics, W0: np.ndarray, ts: np.ndarray) -> tuple[Any, ...]:
    """Return step times, and singular values by closed form and by flow, in the precision JAX is set to."""
    problem = wf.Problem.from_statistics(stats)
    times = wf.predict_step_times(problem, W0)
    runs = wf.predict(problem, W0, ts), wf.solve_flow(problem, W0, ts)
    return tuple(np.asarray(array) for array in (times, *(run.singular_values for run in runs)))


def error(subject: str, single: np.ndarray, double: np.ndarray) -> float:
    """Return the largest error: of step times relative to each, of singular values to the largest."""
    assert (np.isnan(single) == np.isnan(double)).all()
    scale = double if subject == "Step times" else np.nanmax(double)
    return float(np.nanmax(np.abs(single - double) / scale))


def listed(values: Any) -> str:
    """Return numbers as text, of few digits."""
    return ", ".join(format(value, ".2g") for value in values)


if __name__ == "__main__":
    run_part("precision", __doc__, rows, Size(), Size(30, 3, 20))
