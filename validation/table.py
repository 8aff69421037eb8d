"""A row of the table of predictions, and how it is kept."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Row", "Rows", "load_rows", "save_rows"]


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


Rows = Callable[[], Iterator[Row]]


def save_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n")


def load_rows(path: Path) -> list[Row]:
    """Read what `save_rows` wrote."""
    return [Row(**row) for row in json.loads(path.read_text())]
