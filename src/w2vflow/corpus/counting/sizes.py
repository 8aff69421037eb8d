"""Sizes in bytes: of text that is still to be read, and as people write them."""

from collections.abc import Iterable
from pathlib import Path

from w2vflow.corpus.reading.sources import expand_paths
from w2vflow.corpus.reading.structured import TABLES, ending
from w2vflow.support import packed_files
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_at_least
from w2vflow.support.sources import PathLike

__all__ = ["PACKED", "memory_bytes", "text_bytes"]

# Endings of files whose text is larger than they are.
PACKED = (*packed_files.PACKED, ".parquet")


@checked
def memory_bytes(memory: str | int) -> int:
    """Return a size such as `"4GB"` or `"512MB"` in bytes.

    Raises:
        ValueError: not a size.

    Example:
        >>> memory_bytes("4GB"), memory_bytes(10**9)
        (4000000000, 1000000000)
    """
    if not isinstance(memory, str):
        check_at_least("memory", 1, memory)
        return int(memory)
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    number, unit = memory.strip().upper()[:-2], memory.strip().upper()[-2:]
    try:
        found = int(float(number) * units[unit])
    except (KeyError, ValueError, OverflowError) as error:
        raise argument_error("memory", "a size such as '4GB' or '512MB'", repr(memory)) from error
    check_at_least("memory", 1, found)
    return found


@checked
def text_bytes(paths: Iterable[PathLike], reader: str) -> int | None:
    """Return the size of the text if it is known beforehand, as of plain files."""
    if reader not in ("auto", "lines", "paragraphs", "wikiextractor"):
        return None
    files = expand_paths(paths)
    if any(
        ending(file) in TABLES or file.casefold().endswith(PACKED) or not Path(file).is_file()
        for file in files
    ):
        return None
    return sum(Path(file).stat().st_size for file in files)
