"""A row of the table of predictions, how rows are kept, and the options that all scripts here have.

    python validation/PART.py [--small]

`--small` runs the same code on few words, in seconds: its figures mean nothing, and it leaves what it makes
in `runs/validation/small`, away from what is kept and from docs.
"""

import argparse
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "KEPT",
    "PICTURES",
    "SMALL_KEPT",
    "Points",
    "Row",
    "compute",
    "kept_rows",
    "load_rows",
    "plain",
    "read_options",
    "run_part",
]

KEPT = Path("runs/validation")
SMALL_KEPT = KEPT / "small"
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


# Of one row; more would lie on top of each other.
MOST_POINTS = 60
# Of the largest number: what is smaller is rounding, and is not shown.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Points:
    """Numbers of a row as they are drawn: each prediction beside what was measured.

    Attributes:
        unit: what the numbers are, `step time`; ends in `%` where they are shares of 100. Points of one unit
            share a panel.
        predicted, measured: equally many.
        bars: half the length of the bar about each measured number, a standard deviation; no bars if empty.
    """

    unit: str
    predicted: tuple[float, ...]
    measured: tuple[float, ...]
    bars: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, unit: str, predicted: ArrayLike, measured: ArrayLike, bars: ArrayLike | None = None
    ) -> "Points":
        """Return the points of arrays of one shape: those not measured left out, many thinned."""
        sides = [predicted, measured] if bars is None else [predicted, measured, bars]
        numbers = np.stack([np.asarray(side, dtype=float).ravel() for side in sides])
        numbers = numbers[:, np.isfinite(numbers).all(axis=0)]
        if numbers.shape[1] > MOST_POINTS:
            numbers = numbers[:, np.linspace(0, numbers.shape[1] - 1, MOST_POINTS).astype(int)]
        return cls(unit, *(tuple(side.tolist()) for side in numbers))

    @property
    def shown(self) -> "Points":
        """The points without those of which both numbers are rounding beside the largest."""
        sizes = np.abs([self.predicted, self.measured]).max(axis=0)
        kept = sizes >= ROUNDING * sizes.max()
        return Points.of(
            self.unit, *(np.array(side)[kept] for side in (self.predicted, self.measured, self.bars) if side)
        )


@dataclass(frozen=True)
class Row:
    """One prediction beside what was measured: in full, and as the page shows it.

    Attributes:
        quantity: what is predicted, with the public function that does it.
        conditions: of the run: V, d, scale, tied or untied, sampler, how many seeds.
        predicted: the figure or figures, with units.
        measured: the same, by flow, SGD, descent or recount; says by which.
        error: one figure, and how it is formed.
        breaks: where the prediction stops being true, and how large the error then is.
        subject: the quantity in a few words.
        short: the conditions in a few words, which tell rows of one subject apart.
        off: the error in a few words.
        points: what is drawn; the table shows the first of them as numbers.

    Raises:
        ValueError: there is nothing to draw.
    """

    quantity: str
    conditions: str
    predicted: str
    measured: str
    error: str
    breaks: str
    subject: str
    short: str
    off: str
    points: tuple[Points, ...]

    def __post_init__(self) -> None:
        if not self.points or not all(points.predicted for points in self.points):
            raise ValueError(f"the row {self.subject!r}, {self.short!r} has no points")


def read_options(
    parser: argparse.ArgumentParser, out: Path | None = None, given: Sequence[str] | None = None
) -> argparse.Namespace:
    """Return what the command line asks for: the script's own arguments, `small` and, if it draws, `out`.

    Args:
        parser: has the script's own arguments.
        out: the folder of what it draws or writes into docs at full size; None: it does neither.
        given: in place of the command line.
    """
    parser.add_argument(
        "--small", action="store_true", help="few words, to see that all works: its figures mean nothing"
    )
    if out is not None:
        parser.add_argument("--out", type=Path, help="folder of what else goes into docs")
    asked = parser.parse_args(given)
    if out is not None and asked.out is None:
        asked.out = SMALL_KEPT if asked.small else out
    return asked


def run_part(part: str, text: str, rows: Callable[[Any], Iterator[Row]], full: Any, small: Any) -> None:
    """Be the command of a part that has no arguments of its own: `text` says what it does."""
    asked = read_options(argparse.ArgumentParser(description=text.split("\n", 1)[0]))
    compute(part, partial(rows, small if asked.small else full), small=asked.small)


def compute(part: str, rows: Callable[[], Iterator[Row]], *, small: bool = False) -> None:
    """Compute the rows of a part in float64, print each as it comes, and keep them all as JSON."""
    jax.config.update("jax_enable_x64", True)
    found = []
    for row in rows():
        print(f"{row.quantity}\n  {row.conditions}\n  {row.error}", flush=True)
        found.append(asdict(row))
    file = kept_rows(part, small=small)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def kept_rows(part: str, *, small: bool = False) -> Path:
    """Return the file in which the rows of a part are kept."""
    return (SMALL_KEPT if small else KEPT) / f"{part}.json"


def load_rows(part: str, *, small: bool = False) -> list[Row]:
    """Read what `compute` kept of a part."""
    found = json.loads(kept_rows(part, small=small).read_text(encoding="utf-8"))
    return [Row(**{**row, "points": tuple(map(_points, row["points"]))}) for row in found]


def plain(text: str) -> str:
    """Return the text with `1e-08` as `1e-8`."""
    return re.sub(r"(\de[-+])0(?=\d)", r"\1", text)


def _points(kept: dict[str, Any]) -> Points:
    return Points(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    )
