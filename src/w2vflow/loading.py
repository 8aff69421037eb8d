"""`load`: anything that was saved, recognised by its content."""

import os
import re
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from w2vflow.corpus import Phrases
from w2vflow.counts import CooccurrenceStatistics
from w2vflow.embeddings import WordVectors, import_vectors
from w2vflow.experiments import SavedRun, load_run
from w2vflow.results import Cloud, Comparison, Trajectory
from w2vflow.spectrum import Spectrum
from w2vflow.support.addresses import is_address
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.dataset_files import any_dataset, built, check_not_zarr
from w2vflow.support.display import shown_words
from w2vflow.support.packed_files import packed_as
from w2vflow.support.sources import Source, missing
from w2vflow.theory import ExactStart

__all__ = ["load"]

Saved = (
    Trajectory
    | Comparison
    | Spectrum
    | Cloud
    | ExactStart
    | CooccurrenceStatistics
    | WordVectors
    | SavedRun
    | Phrases
)

_DATASETS: dict[str, Callable[[Any], Saved]] = {
    "trajectory": Trajectory.from_xarray,
    "comparison": Comparison.from_xarray,
    "spectrum": Spectrum.from_xarray,
    "cloud": Cloud.from_xarray,
    "start": ExactStart.from_xarray,
}
_HDF5, _HEAD = b"\x89HDF\r\n\x1a\n", 256
# Files in the archive that counts are saved as.
_OF_COUNTS = re.compile(r"manifest\.json|block-\d+/.*")
# What a run leaves in its folder, of which any shows that it is one.
_OF_A_RUN = ("config.json", "summary.json", "comparison.nc", "features.csv", "cloud.nc", "start.nc")
_LOADABLE = (
    "a trajectory, comparison, spectrum, cloud or start (netCDF), co-occurrence statistics, word vectors, "
    "phrases, or the folder of a run"
)


@checked
def load(path: str | os.PathLike[str]) -> Saved:
    """Return anything that was saved at `path`.

    | content | result |
    |---|---|
    | netCDF of this package | `Trajectory`, `Comparison`, `Spectrum`, `Cloud` or `ExactStart` |
    | counts of `count` or `CooccurrenceStatistics.save` | `CooccurrenceStatistics` |
    | the folder of a run | `SavedRun` |
    | phrases of `find_phrases` (`.json`) | `Phrases` |
    | word vectors of this or another program, at an address too, see `import_vectors` | `WordVectors` |

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: it is none of these, damaged, or written by a later version.
    """
    source = Source(path, "path")
    if is_address(source.name):
        return _of_another_machine(source)
    path = Path(path)
    if not path.exists():
        raise missing("file or folder", source.name)
    check_not_zarr(path)
    if path.is_file() and _head(path).startswith(_HDF5):
        kind, data = any_dataset(path)
        if kind not in _DATASETS:
            raise _unknown(source, "a dataset that this package did not write")
        return built(path, data, _DATASETS[kind])
    if path.is_dir():
        if (path / "tensors.tsv").is_file():
            return import_vectors(path)
        if any((path / name).exists() for name in _OF_A_RUN):
            return load_run(path)
        raise _unknown(source, f"a folder without {' or '.join(_OF_A_RUN[:2])}")
    if not _head(path):
        raise _unknown(source, "an empty file")
    members = _members(path)
    if any(_OF_COUNTS.fullmatch(name) for name in members):
        return CooccurrenceStatistics.load(path)
    if members and all(name.endswith(".npy") for name in members):
        raise _unknown(source, f"arrays of NumPy ({_few(members)}), which `numpy.load` reads")
    try:
        return Phrases.load(path) if source.suffix == ".json" else import_vectors(path)
    except ValueError as error:
        within = f", which holds {_few(members)}" if members else ""
        raise _unknown(source, f"a file of another kind{within} ({error})") from error


def _of_another_machine(source: Source) -> Saved:
    """Return vectors at an address; all else that is loaded must be at hand."""
    fetch = "Fetch it first: all but word vectors is read from this machine."
    with nullcontext() if source.is_folder else source.open_raw() as raw:
        head = b"" if raw is None else raw.peek(_HEAD)
    if head.startswith(_HDF5) or any(_OF_COUNTS.fullmatch(name) for name in _first_member(head)):
        kind = "a dataset" if head.startswith(_HDF5) else "co-occurrence statistics"
        raise argument_error("path", "of this machine", f"{source.name}, {kind}", fetch)
    try:
        return import_vectors(os.fspath(source))
    except ValueError as error:
        raise _unknown(source, f"a file of another kind ({error})") from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _members(path: Path) -> list[str]:
    """Return the names in a zip archive, of a damaged one the first; none if it is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, EOFError):
        return _first_member(_head(path))


def _first_member(head: bytes) -> list[str]:
    size = int.from_bytes(head[26:28], "little")
    return [head[30 : 30 + size].decode(errors="replace")] if packed_as(head) == ".zip" else []


def _few(names: list[str]) -> str:
    return shown_words(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")


def _unknown(source: Source, held: str) -> ValueError:
    remedy = "Count a text with `w2vflow count`, or run on it with `w2vflow run`."
    return argument_error("path", _LOADABLE, f"{source.name}, {held}", remedy)
