"""A row of the table of predictions, how rows are kept, and the options that all scripts here have.

    python validation/PART.py [--small]

`--small` runs the same code on few words, in seconds: its figures mean nothing, and it leaves what it makes
in `runs/validation/small`, away from what is kept and from docs.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax

__all__ = [
    "KEPT",
    "PICTURES",
    "SMALL_KEPT",
    "Row",
    "compute",
    "kept_rows",
    "load_rows",
    "read_options",
    "run_part",
]

KEPT = Path("runs/validation")
SMALL_KEPT = KEPT / "small"
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


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
        print(row, flush=True)
        found.append(asdict(row))
    file = kept_rows(part, small=small)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def kept_rows(part: str, *, small: bool = False) -> Path:
    """Return the file in which the rows of a part are kept."""
    return (SMALL_KEPT if small else KEPT) / f"{part}.json"


def load_rows(part: str, *, small: bool = False) -> list[Row]:
    """Read what `compute` kept of a part."""
    return [Row(**row) for row in json.loads(kept_rows(part, small=small).read_text())]
