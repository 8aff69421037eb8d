"""The tables of predictions, docs/predictions.md: every row computed anew, on Wikipedia, by one command.

    python validation/predictions.py              # everything; under an hour on two cores
    python validation/predictions.py ladder       # some parts anew, the others from the last time
    python validation/predictions.py --small [PART ...] [--out FOLDER]   # few words, to see that all works

Each part is a script of its own beside this one, runs in a process of its own and leaves its rows in
`runs/validation/`. `uncertainty` needs the text of the corpus, `relations` and `emergence` Google's
questions: `W2VFLOW_TEST_DATA` names the folder of both. At small size the page, predictions.md in
runs/validation/small or FOLDER, has the parts that there are.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from table import Row, kept_rows, load_rows, read_options

HERE = Path(__file__).parent
PARTS = {
    "steps": "When concepts are learned",
    "untied": "Two matrices",
    "discrete": "Finite steps and minibatches",
    "ladder": "Any weights, any loss: the ladder",
    "uncertainty": "A finite corpus",
    "interventions": "Interventions",
    "solvable": "Corpora solved by hand, Muon",
    "relations": "Relations as directions",
    "emergence": "When relations emerge",
}
DOCS = HERE.parent / "docs"

# Without the menu at its side, which would leave six columns no room.
INTRODUCTION = """---
hide:
  - navigation
---

# Predictions beside what was measured

Every prediction of `w2vflow.theory`, with the conditions it was made under, what was measured by
gradient flow, descent, SGD or a recount, and where it stops being true. Words: the 2,000 most frequent
of 15,044 articles of Wikipedia (`enwiki15k`), unless a row says otherwise. Errors are those of the run
that made the tables; random numbers are seeded.

The tables are written by

```sh
W2VFLOW_TEST_DATA=FOLDER_OF_THE_CORPUS python validation/predictions.py
```

"""

OF_SMALL = "Here with `--small`, of few words: the figures mean nothing.\n\n"


def as_markdown(rows: Iterable[Row]) -> str:
    """Return the table."""
    names = ("quantity", "conditions", "predicted", "measured", "error", "where it breaks down")
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for row in rows:
        cells = (row.quantity, row.conditions, row.predicted, row.measured, row.error, row.breaks)
        if any("|" in cell or "\n" in cell for cell in cells):
            raise ValueError(f"a cell of the row {row.quantity!r} would break the table")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the parts named, or all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    asked = read_options(parser, DOCS)
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        sys.exit(f"There is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.")
    for part in asked.parts or PARTS:
        print(f"== {part}", flush=True)
        options = ["--small"] if asked.small else []
        subprocess.run([sys.executable, str(HERE / f"{part}.py"), *options], check=True)
    there = [part for part in PARTS if not asked.small or kept_rows(part, small=True).exists()]
    rows = {part: load_rows(part, small=asked.small) for part in there}
    tables = [f"## {PARTS[part]}\n\n{as_markdown(rows[part])}" for part in there]
    page = asked.out / "predictions.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    introduction = INTRODUCTION + OF_SMALL if asked.small else INTRODUCTION
    page.write_text(introduction + "\n".join(tables), encoding="utf-8")
    print(f"{sum(map(len, rows.values()))} rows in {page}")


if __name__ == "__main__":
    main()
