"""Results as netCDF: kind, version, seal, files of earlier versions."""

import os
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from w2vflow.support.atomic_files import write_bytes
from w2vflow.support.checks import argument_error
from w2vflow.support.netcdf import netcdf_bytes, netcdf_dataset
from w2vflow.support.seals import checked_content, seal_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["any_dataset", "built", "check_not_zarr", "read_dataset", "write_dataset"]

Result = TypeVar("Result")

# 1, which files did not name: trajectories and comparisons, without the spectrum of the latter.
# 2: the format is named, and all that was saved comes back.
# 3: sealed.
_FORMAT, _SEALED = 3, 3


def write_dataset(data: "xr.Dataset", path: str | os.PathLike[str], kind: str) -> None:
    """Write a dataset as netCDF-4, whole or not at all, with the digest of its bytes behind them.

    The same dataset gives the same bytes. An existing file is replaced. The file names the kind of what it
    holds, e.g. `"trajectory"`, its format and the version of this package.

    Raises:
        ValueError: `path` asks for Zarr, or a word has a zero byte.
        OSError: the file cannot be written.
    """
    check_not_zarr(path)
    for name, variable in data.variables.items():
        if variable.dtype.kind == "O" and any("\0" in str(text) for text in variable.values.ravel()):
            raise argument_error(f"{name}", "free of zero bytes, which netCDF cannot hold", "a text with one")
    data = data.assign_attrs(w2vflow_format=f"{kind} {_FORMAT}", w2vflow_version=version("w2vflow"))
    content = netcdf_bytes(data)
    write_bytes(path, content, seal_of(content))


def read_dataset(
    path: str | os.PathLike[str], kind: str, build: "Callable[[xr.Dataset], Result]"
) -> "Result":
    """Read a dataset of one kind, of this format or an earlier one, whole into memory; return what it builds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short or damaged, of another kind, of a later format, not netCDF, or without
            what such a result is built of.

    Warns:
        RuntimeWarning: it is of an earlier format, without a checksum.
    """
    found, data = any_dataset(path)
    if found == kind:
        return built(path, data, build)
    held = f"a {found}" if found else "a dataset that this package did not write"
    remedy = f"Use `{found.capitalize()}.load`." if found else ""
    raise argument_error("path", f"a {kind} saved by this package", f"{path}, which holds {held}", remedy)


def any_dataset(path: str | os.PathLike[str]) -> tuple[str, "xr.Dataset"]:
    """Read a dataset of any kind, which is `""` for files of other programs; as `read_dataset` does."""
    data = _opened(path)
    kind, number = _kind_of(data, path)
    if kind and number < _SEALED:
        warnings.warn(
            f"{path} is of an earlier format, without a checksum: damage to it cannot be told. Save what was "
            "loaded to have one.",
            RuntimeWarning,
            stacklevel=4,
        )
    return kind, data


def built(
    path: str | os.PathLike[str], data: "xr.Dataset", build: "Callable[[xr.Dataset], Result]"
) -> "Result":
    """Return what a dataset from a file builds; raise `ValueError` if it is not made for that.

    A digest tells damage, and not who wrote the file: anyone can seal anything.
    """
    try:
        return build(data)
    # Of lists in lists in lists, Python's reader of JSON has its own error.
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        got = f"{path}, which holds something else ({error})"
        raise argument_error("path", "a file as this package writes it", got) from error


def check_not_zarr(path: str | os.PathLike[str]) -> None:
    """Raise `ValueError` if a path is that of a Zarr folder, or would be."""
    if Path(path).suffix == ".zarr" or any(
        (Path(path) / name).is_file() for name in (".zgroup", "zarr.json")
    ):
        remedy = (
            "For Zarr use `to_xarray().to_zarr(path)`. A folder of an earlier version is read once it is a "
            "file: `xarray.open_zarr(path, consolidated=False).to_netcdf('file.nc', engine='h5netcdf')`."
        )
        raise argument_error("path", "a netCDF file", f"{path}, a Zarr folder", remedy)


def _kind_of(data: "xr.Dataset", path: str | os.PathLike[str]) -> tuple[str, int]:
    """Return kind and number of the format of a file."""
    if "w2vflow_format" not in data.attrs:
        if "singular_values" not in data:
            return "", 0
        kinds = {"metadata": "trajectory", "trajectories": "comparison"}
        return next((kind for attribute, kind in kinds.items() if attribute in data.attrs), ""), 1
    kind, _, number = str(data.attrs["w2vflow_format"]).rpartition(" ")
    if number.isdecimal() and int(number) > _FORMAT:
        writer = data.attrs.get("w2vflow_version", "a later version")
        expected = f"of format {_FORMAT} or earlier, which w2vflow {version('w2vflow')} reads"
        got = f"{path} of format {number}, written by w2vflow {writer}"
        remedy = f"`pip install -U 'w2vflow>={writer}'` installs a version that reads it."
        raise argument_error("path", expected, got, remedy)
    return kind, int(number) if number.isdecimal() else 0


def _opened(path: str | os.PathLike[str]) -> "xr.Dataset":
    check_not_zarr(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    content, sealed = checked_content(path)
    try:
        data = netcdf_dataset(content)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        got = f"{path}, which is truncated or of another kind ({error})"
        raise argument_error("path", "a whole netCDF file", got, "Copy it again.") from error
    if not sealed and _kind_of(data, path)[1] >= _SEALED:
        got = f"{path}, whose end is missing"
        raise argument_error("path", "a whole netCDF file", got, "Copy it again.")
    return data
