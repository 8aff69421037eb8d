"""Tables of findings, as Markdown."""

from collections.abc import Sequence
from typing import Any


def print_row(cells: Sequence[Any], header: bool = False) -> None:
    """Print a row of a table, and the line below it if it is the first."""
    print("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |", flush=True)
    if header:
        print("|" + "---|" * len(cells), flush=True)
