"""What a part of the predictions is on the page: a text, a picture, a table of short columns, a CSV file."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from picture import draw
from table import Row, plain

__all__ = ["Part", "as_csv", "as_markdown", "section", "write"]

COLUMNS = ("Quantity", "Conditions", "Predicted", "Measured", "Error")
LONGEST = 60
FULL = {
    "subject": "Quantity",
    "short": "Conditions",
    "quantity": "Quantity in full",
    "conditions": "Conditions in full",
    "predicted": "Predicted",
    "measured": "Measured",
    "error": "Error",
    "breaks": "Where it stops being true",
}


class Part(NamedTuple):
    """What the page says of a part beside its rows.

    Attributes:
        title: its heading.
        text: what is predicted, by which function, how well, and where it stops being true.
        also: what else was measured, once, by no row: a list.
    """

    title: str
    text: str
    also: str = ""


def number(value: float) -> str:
    """Return a number as the table shows it."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return format(value, ".2g" if abs(value) < 1e-3 else ".4g")


def cell(values: Sequence[float], unit: str) -> str:
    """Return up to three numbers, or the range of more."""
    percent = "%" if unit.endswith("%") else ""
    if len(values) <= 3:
        return ", ".join(number(value) + percent for value in values)
    low, high = min(values), max(values)
    between = " to " if low < 0 else "–"
    return f"{number(low)}{between}{number(high)}{percent}"


def cells(row: Row) -> tuple[str, ...]:
    """Return the five cells of a row.

    Raises:
        ValueError: one is too long, or would break the table.
    """
    shown = row.points[0].shown
    numbers = (cell(values, shown.unit) for values in (shown.predicted, shown.measured))
    found = tuple(map(plain, (row.subject, row.short, *numbers, row.off)))
    for text in found:
        if len(text) > LONGEST or "|" in text or "\n" in text:
            raise ValueError(f"not a cell of at most {LONGEST} characters: {text!r}")
    return found


def as_markdown(rows: Iterable[Row]) -> str:
    """Return the table."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *map(cells, rows)]
    return "".join(f"{' | '.join(line)}\n" for line in lines)


def as_csv(rows: Iterable[Row]) -> str:
    """Return the rows in full, as RFC 4180 has it."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(FULL.values())
    writer.writerows([plain(getattr(row, name)) for name in FULL] for row in rows)
    return file.getvalue()


def section(name: str, part: Part, rows: Iterable[Row]) -> str:
    """Return a part of the page."""
    picture = f"![{part.title}: measured over predicted](pictures/predictions_{name}.png)\n"
    parts = [f"## {part.title}\n", f"{part.text}\n", picture, as_markdown(rows)]
    parts.append(f"[Rows in full](predictions/{name}.csv)\n")
    if part.also:
        parts += ["Also measured, once:\n", f"{part.also}\n"]
    return "\n".join(parts)


def write(folder: Path, parts: dict[str, Part], rows: dict[str, list[Row]], introduction: str) -> Path:
    """Write `predictions.md` of the parts that have rows, their pictures and CSV files; return the page."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    (folder / "predictions").mkdir(exist_ok=True)
    for name in rows:
        draw(rows[name], folder / "pictures" / f"predictions_{name}.png")
        file = folder / "predictions" / f"{name}.csv"
        file.write_text(as_csv(rows[name]), encoding="utf-8", newline="")
    page = folder / "predictions.md"
    sections = [section(name, parts[name], rows[name]) for name in rows]
    page.write_text("\n".join([introduction, *sections]), encoding="utf-8")
    return page
