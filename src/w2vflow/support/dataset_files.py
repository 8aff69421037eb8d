"""Results as netCDF or Zarr: kind, version, files of earlier versions."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from w2vflow.support.atomic_files import atomic_folder, atomic_path
from w2vflow.support.checks import argument_error

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["dataset_kind", "is_zarr", "read_dataset", "write_dataset"]

# 1, which files did not name: trajectories and comparisons, without the spectrum of the latter.
# 2: the format is named, and all that was saved comes back.
_FORMAT = 2


def write_dataset(data: "xr.Dataset", path: str | os.PathLike[str], kind: str) -> None:
    """Write a dataset as netCDF-4, or as Zarr where `path` ends in `.zarr`; whole or not at all.

    The same dataset gives the same bytes. An existing file, or Zarr folder, is replaced. The file names the
    kind of what it holds, e.g. `"trajectory"`, its format and the version of this package.

    Raises:
        ImportError: Zarr is wanted and not installed.
        ValueError: in the place of a Zarr folder there is something else.
        OSError: the file cannot be written.
    """
    data = data.assign_attrs(w2vflow_format=f"{kind} {_FORMAT}", w2vflow_version=version("w2vflow"))
    if Path(path).suffix != ".zarr":
        with atomic_path(path) as temporary:
            data.to_netcdf(temporary, engine="h5netcdf")
        return
    zarr = _zarr()
    if Path(path).exists() and not is_zarr(path):
        got = f"{path}, which is something else"
        raise argument_error("path", "a new path, or a Zarr folder to replace", got)
    # Chunks of NaN alone are written too: one that is missing is then a loss, and can be told.
    with atomic_folder(path) as temporary, zarr.config.set({"array.write_empty_chunks": True}):
        # Zarr's format 3 has no settled way yet to hold text.
        data.to_zarr(temporary, mode="w", zarr_format=2, consolidated=False)


def read_dataset(path: str | os.PathLike[str], kind: str) -> "xr.Dataset":
    """Read a dataset of one kind, of this format or an earlier one, whole into memory.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: it is Zarr, which is not installed.
        ValueError: it is cut short or damaged, of another kind, of a later format, or not netCDF.
    """
    with _opened(path) as data:
        found = _kind_of(data, path)
        if found == kind:
            with _damage_told(path):
                _check_chunks(path)
                return data.load()
    held = f"a {found}" if found else "a dataset that this package did not write"
    remedy = f"Use `{found.capitalize()}.load`." if found else ""
    raise argument_error("path", f"a {kind} saved by this package", f"{path}, which holds {held}", remedy)


def dataset_kind(path: str | os.PathLike[str]) -> str:
    """Return the kind of what a file holds, as `write_dataset` was told; `""` for files of other programs."""
    with _opened(path) as data:
        return _kind_of(data, path)


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder holds Zarr."""
    return any((Path(path) / name).is_file() for name in (".zgroup", "zarr.json"))


def _kind_of(data: "xr.Dataset", path: str | os.PathLike[str]) -> str:
    if "w2vflow_format" not in data.attrs:
        if "singular_values" not in data:
            return ""
        kinds = {"metadata": "trajectory", "trajectories": "comparison"}
        return next((kind for attribute, kind in kinds.items() if attribute in data.attrs), "")
    kind, _, number = str(data.attrs["w2vflow_format"]).rpartition(" ")
    if number.isdecimal() and int(number) > _FORMAT:
        writer = data.attrs.get("w2vflow_version", "a later version")
        expected = f"of format {_FORMAT} or earlier, which w2vflow {version('w2vflow')} reads"
        got = f"{path} of format {number}, written by w2vflow {writer}"
        remedy = f"`pip install -U 'w2vflow>={writer}'` installs a version that reads it."
        raise argument_error("path", expected, got, remedy)
    return kind


def _opened(path: str | os.PathLike[str]) -> "xr.Dataset":
    import xarray as xr  # here, because it takes longer to import than the rest of the package

    zarr = is_zarr(path)
    if zarr:
        _zarr()
    elif not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    engine, settings = ("zarr", {"consolidated": False}) if zarr else ("h5netcdf", None)
    with _damage_told(path):
        # Times are numbers here, and never dates.
        return xr.open_dataset(path, engine=engine, decode_times=False, backend_kwargs=settings)


@contextmanager
def _damage_told(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        whole = "a whole Zarr folder" if is_zarr(path) else "a whole netCDF file"
        got = f"{path}, which is truncated or of another kind ({error})"
        raise argument_error("path", whole, got, "Copy it again.") from error


def _check_chunks(path: str | os.PathLike[str]) -> None:
    """Raise unless all of a Zarr folder is there: missing chunks would be read as NaN."""
    if not is_zarr(path):
        return
    for name, array in _zarr().open_group(path, mode="r").arrays():
        if array.nchunks_initialized < array.nchunks:
            raise OSError(f"{array.nchunks - array.nchunks_initialized} chunks of {name} are missing")


def _zarr() -> ModuleType:
    try:
        import zarr
    except ImportError as error:
        raise ImportError("Zarr folders need zarr: pip install 'w2vflow[zarr]'") from error
    return zarr
