"""What a count would take, before it starts."""

from collections.abc import Iterable
from pathlib import Path

from w2vflow.corpus.counting.workers import worker_count
from w2vflow.corpus.reading.files import PathLike, expand_paths
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.machine import Plan, Speed, measure_speed, readable_bytes

__all__ = ["memory_bytes", "plan_count", "text_bytes"]

_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".parquet")
# Numbers fetched a second by the machine on which speeds of counting were measured.
_NUMBERS = 1.24e9
# Bytes of a process, and of text on its way; seconds until the compiled code is there.
_PROCESS, _BUFFERS, _START = 200e6, 100e6, 3.0


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


@checked
def plan_count(
    paths: Iterable[PathLike],
    reader: str,
    vocab_size: int | None,
    window: int,
    workers: int | None = None,
    *,
    memory: str | int = "4GB",
    speed: Speed | None = None,
) -> Plan:
    """Return what a count of these files takes, without reading them.

    Sizes of packed files are taken times four, words as 6.3 bytes of text.

    Args:
        paths, reader, window, workers, memory: as `count` takes them.
        vocab_size: 10,000 words by default: how many occur often enough is not known beforehand.
        speed: of the machine; measured by default.

    Raises:
        ValueError: no such files, or a memory that is not a size.
    """
    given = list(paths)
    files = expand_paths(given) if reader != "dataset" else []
    text = sum(Path(f).stat().st_size * (4 if f.endswith(_PACKED) else 1) for f in files if f != "-")
    tokens = text / 6.3
    size = vocab_size or 10_000
    met = tokens * window
    places = size * (size + 1) / 2
    # Different ones among those met: Wikipedia, 10 to 40 million words, 2,000 to 371,247 of them, to 15%.
    pairs = met * places / (met + 10 * places)
    cores = worker_count(workers, text_bytes(given, reader))
    speed = measure_speed() if speed is None else speed
    # On a core that fetches 1.24e9 numbers a second: 45 MB of text and 150 million pairs a second; and 15
    # million pairs a second are put in order and written.
    seconds = ((text / 45e6 + met / 150e6) / cores + pairs / 15e6) * _NUMBERS / speed.rows
    work, file = tokens * 4.5 + pairs * 12, pairs * 1.2
    notes = [
        f"{len(files)} {'file' if len(files) == 1 else 'files'}, about {readable_bytes(text)} of text, "
        f"{_readable(tokens)} tokens",
        f"about {_readable(pairs)} different pairs of {size:,} words",
        f"disk: {readable_bytes(work)} for the work folder, which is removed at the end, "
        f"{readable_bytes(file)} for the statistics",
        f"operations: additions of integers; time: on {cores} cores",
    ]
    if "-" in files or reader == "dataset":
        notes.append("how much text will come is not known: nothing of it is in these figures")
    need = min(memory_bytes(memory), 12 * pairs + _BUFFERS) + cores * _PROCESS
    return Plan(round(need), round(work + file), met + text, _START + seconds, tuple(notes))


@checked
def text_bytes(paths: list[PathLike], reader: str) -> int | None:
    """Return the size of the text where it is known beforehand: plain files."""
    if reader in ("dataset", "parquet", "mediawiki"):
        return None
    files = expand_paths(paths)
    if any(file == "-" or file.endswith(_PACKED) for file in files):
        return None
    return sum(Path(file).stat().st_size for file in files)


def _readable(number: float) -> str:
    return f"{number / 1e6:,.1f} million" if number >= 1e5 else f"{number:,.0f}"
