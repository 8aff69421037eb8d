"""Writes docs/reference/command-line.md, or another file, from what the commands say of themselves.

python docs/tools/command_line.py [FILE]
"""

import contextlib
import io
import os
import re
import sys
from pathlib import Path

from w2vflow.cli import main
from w2vflow.support.atomic_files import write_text

__all__ = ["page"]

PAGE = Path(__file__).parents[1] / "reference" / "command-line.md"
WIDTH = 84
START = """\
# Command line

*For looking things up: every command with every option, as `w2vflow COMMAND --help` prints them. How commands
go together, settings in files, `--dry-run`, `--json` and exit codes: [the command line](../commands.md).*
"""


def page() -> str:
    """Return the page: a section for each command, in the order of `w2vflow --help`."""
    sections = (_section(command, said) for command, said in _commands((), _help(())))
    return "\n".join([START, *sections])


def _help(command: tuple[str, ...]) -> str:
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # by the encoding, tyro chooses its frames
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    said.seek(0)
    return said.read()


def _commands(command: tuple[str, ...], said: str) -> list[tuple[tuple[str, ...], str]]:
    """Return a command and those below it, each with its help."""
    found = [(command, said)]
    if command == ("run",):  # which is short for one of its two
        found.append((("run", "ablation"), _help(("run", "ablation"))))
    below = re.search(r"\{([\w,-]+)\}", said.split("\n\n", 1)[0])
    for name in below[1].split(",") if below else ():
        deeper = _help((*command, name))
        # A choice of values looks the same in the first line, and gives the same help again.
        if deeper.startswith(f"usage: w2vflow {' '.join((*command, name))} "):
            found += _commands((*command, name), deeper)
    return found


def _section(command: tuple[str, ...], said: str) -> str:
    usage, _, rest = said.partition("\n\n")
    description, boxes = re.split(r"(?=^╭─)", rest, maxsplit=1, flags=re.MULTILINE)
    if not command:
        return f"{description.strip()}\n\n```text\n{usage.strip()}\n```\n"
    name = " ".join(("w2vflow", *command))
    return (
        f"## {name}\n\n{description.strip()}\n\n```text\n{usage.strip()}\n\n{_without_frames(boxes)}\n```\n"
    )


def _without_frames(boxes: str) -> str:
    """Return the options without the frames that a terminal shows around them."""
    lines = []
    for line in boxes.strip().splitlines():
        if line.startswith("╭"):
            lines += ["", line.strip("╭╮─ ")]
        elif line.startswith("│") and set(line) - set("│ ─"):
            lines.append("  " + line.strip("│").strip("\n").rstrip()[1:])
    return "\n".join(lines).strip()


if __name__ == "__main__":
    os.environ["COLUMNS"] = str(WIDTH)
    written = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    write_text(written, page())
    print(f"Written: {written}")
