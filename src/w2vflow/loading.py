"""`load`: anything that was saved, recognised by its content."""

import os
from collections.abc import Callable
from pathlib import Path

from w2vflow.corpus import Phrases
from w2vflow.counts import CooccurrenceStatistics
from w2vflow.embeddings import WordVectors, import_vectors
from w2vflow.experiments import SavedRun, load_run
from w2vflow.results import Cloud, Comparison, Trajectory
from w2vflow.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.dataset_files import dataset_kind, is_zarr

__all__ = ["load"]

Saved = Trajectory | Comparison | Spectrum | Cloud | CooccurrenceStatistics | WordVectors | SavedRun | Phrases

_DATASETS: dict[str, Callable[[Path], Saved]] = {
    "trajectory": Trajectory.load,
    "comparison": Comparison.load,
    "spectrum": Spectrum.load,
    "cloud": Cloud.load,
}
_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK"
# What a run leaves in its folder, of which any shows that it is one.
_OF_A_RUN = ("config.json", "summary.json", "comparison.nc", "features.csv", "cloud.nc")
_LOADABLE = (
    "a trajectory, comparison, spectrum or cloud (netCDF or Zarr), co-occurrence statistics, word vectors, "
    "phrases, or the folder of a run"
)


@checked
def load(path: str | os.PathLike[str]) -> Saved:
    """Return anything that was saved at `path`.

    | content | result |
    |---|---|
    | netCDF or Zarr of this package | `Trajectory`, `Comparison`, `Spectrum` or `Cloud` |
    | counts of `count` or `CooccurrenceStatistics.save` | `CooccurrenceStatistics` |
    | the folder of a run | `SavedRun` |
    | phrases of `find_phrases` (`.json`) | `Phrases` |
    | word vectors of this or another program, see `import_vectors` | `WordVectors` |

    Raises:
        FileNotFoundError: there is nothing.
        ImportError: it is Zarr, which is not installed.
        ValueError: it is none of these, damaged, or written by a later version.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    if is_zarr(path) or (path.is_file() and _head(path).startswith(_HDF5)):
        kind = dataset_kind(path)
        if kind not in _DATASETS:
            raise _unknown(path, "a dataset that this package did not write")
        return _DATASETS[kind](path)
    if path.is_dir():
        if (path / "tensors.tsv").is_file():
            return import_vectors(path)
        if any((path / name).exists() for name in _OF_A_RUN):
            return load_run(path)
        raise _unknown(path, f"a folder without {' or '.join(_OF_A_RUN[:2])}")
    if not _head(path):
        raise _unknown(path, "an empty file")
    if _head(path).startswith(_ZIP):
        return CooccurrenceStatistics.load(path)
    try:
        return Phrases.load(path) if path.suffix == ".json" else import_vectors(path)
    except ValueError as error:
        raise _unknown(path, f"a file of another kind ({error})") from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_HDF5))


def _unknown(path: Path, held: str) -> ValueError:
    remedy = "Count a text with `w2vflow count`, or run on it with `w2vflow run`."
    return argument_error("path", _LOADABLE, f"{path}, {held}", remedy)
