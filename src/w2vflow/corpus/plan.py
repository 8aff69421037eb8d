"""What a count would take, before it starts."""

from collections.abc import Iterable
from pathlib import Path

from w2vflow.checks import argument_error
from w2vflow.corpus.readers import PathLike, expand_paths
from w2vflow.resources import available_cores

__all__ = ["estimate", "memory_bytes", "text_bytes"]

_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".parquet")


def memory_bytes(memory: str | int) -> int:
    """Return a size such as `"4GB"` or `"512MB"` in bytes.

    Raises:
        ValueError: not a size.

    Example:
        >>> memory_bytes("4GB"), memory_bytes(10**9)
        (4000000000, 1000000000)
    """
    if isinstance(memory, int):
        return memory
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    number, unit = memory.strip().upper()[:-2], memory.strip().upper()[-2:]
    try:
        return int(float(number) * units[unit])
    except (KeyError, ValueError) as error:
        raise argument_error("memory", "a size such as '4GB' or '512MB'", repr(memory)) from error


def estimate(
    paths: Iterable[PathLike], reader: str, vocab_size: int | None, window: int, workers: int | None
) -> list[str]:
    """Return what a count of these files would take, in lines to read, without reading them.

    Sizes of packed files are taken times four. Speeds are those of two cores of an AMD EPYC at
    2.6 GHz: 45 MB of text and 150 million pairs a second for each.
    """
    files = expand_paths(paths) if reader != "dataset" else []
    text = sum(Path(f).stat().st_size * (4 if f.endswith(_PACKED) else 1) for f in files if f != "-")
    tokens = text / 6.3
    size = vocab_size or 10_000
    # Of the pairs that could be, half at most are seen more than never; no more than there are places.
    pairs = min(size * (size + 1) / 2, tokens * window / 4)
    cores = workers or available_cores()
    seconds = (text / 45e6 + 2 * tokens * window / 300e6) / cores + pairs / 15e6
    return [
        f"{len(files)} files, about {text / 1e6:,.0f} MB of text, {tokens / 1e6:,.1f} million tokens",
        f"work folder: about {tokens * 4.5 / 1e6 + pairs * 12 / 1e6:,.0f} MB of disk",
        f"statistics: up to {pairs / 1e6:,.1f} million pairs, {pairs * 1.2 / 1e6:,.0f} MB of disk",
        f"operations: about {2 * tokens * window / 1e9:,.1f} billion additions of integers",
        f"time: about {seconds:,.0f} s on {cores} cores",
    ]


def text_bytes(paths: list[PathLike], reader: str) -> int | None:
    """Return the size of the text where it is known beforehand: plain files."""
    if reader in ("dataset", "parquet", "mediawiki"):
        return None
    files = expand_paths(paths)
    if any(file == "-" or file.endswith(_PACKED) for file in files):
        return None
    return sum(Path(file).stat().st_size for file in files)
