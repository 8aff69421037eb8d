"""A row of the table of predictions, and how rows are kept."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import jax

__all__ = ["KEPT", "Row", "compute", "load_rows"]

KEPT = Path("runs/validation")


@dataclass(frozen=True)
class Row:
    """One prediction beside what was measured.

    Attributes:
        quantity: what is predicted, with the public function that does it.
        conditions: of the run: V, d, scale, tied or untied, sampler, how many seeds.
        predicted: the figure or figures, with units.
        measured: the same, by flow, SGD, descent or recount; says by which.
        error: one figure, and how it is formed.
        breaks: where the prediction stops being true, and how large the error then is.
    """

    quantity: str
    conditions: str
    predicted: str
    measured: str
    error: str
    breaks: str


def compute(part: str, rows: Callable[[], Iterator[Row]]) -> None:
    """Compute the rows of a part in float64, print each as it comes, and keep them all as JSON."""
    jax.config.update("jax_enable_x64", True)
    found = []
    for row in rows():
        print(row, flush=True)
        found.append(asdict(row))
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{part}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def load_rows(part: str) -> list[Row]:
    """Read what `compute` kept of a part."""
    return [Row(**row) for row in json.loads((KEPT / f"{part}.json").read_text())]
