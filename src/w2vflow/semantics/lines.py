"""Lines of files of questions and of word pairs, with their numbers for complaints."""

from collections.abc import Iterator
from pathlib import Path

from w2vflow.support.checks import argument_error

__all__ = ["broken_line", "read_lines"]


def read_lines(path: Path, argument: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, stripped, each with its number from 1.

    A byte order mark is passed over, lines end as on any system.

    Raises:
        ValueError: a line that is not UTF-8, with its number, said of `argument`.
    """
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            text = line.decode().strip()
        except UnicodeDecodeError as error:
            raise broken_line(argument, path, number, "UTF-8", line) from error
        if text:
            yield number, text


def broken_line(argument: str, path: Path, number: int, expected: str, line: str | bytes) -> ValueError:
    """Return the error for a line that is not what it must be."""
    return argument_error(
        argument, f"a file of which line {number} is {expected}", f"{line!r}", f"Mend {path}."
    )
