"""netCDF-4 from bytes at hand: no other file is opened, no filter runs, no array is larger than its bytes."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["netcdf_bytes", "netcdf_dataset"]

# Of HDF5's own and of netCDF's: how variables go together.
_LINKING = frozenset(["CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_FillValue"])
# How HDF5 holds a text of any length: how long it is, and where.
_TEXT = np.dtype([("length", "<u4"), ("place", "<u8"), ("number", "<u4")])


def netcdf_bytes(data: "xr.Dataset") -> memoryview:
    """Return a dataset as a netCDF-4 file; in memory, as HDF5 crashes on a disk that is full.

    Arrays start at multiples of 64 bytes, so that they can be used where they are.
    """
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    written = io.BytesIO()
    with h5netcdf.File(written, "w", alignment_threshold=512, alignment_interval=64) as file:
        data.dump_to_store(H5NetCDFStore(file))
    return written.getbuffer()


def netcdf_dataset(content: np.ndarray) -> "xr.Dataset":
    """Return the dataset of a netCDF-4 file with arrays that are read-only views of its bytes.

    What follows the file is passed over.

    Raises:
        OSError, RuntimeError, KeyError: HDF5 cannot read it.
        ValueError: it holds what this package never writes: groups, links to elsewhere, filters, numbers in
            other files, arrays or texts larger than the file.
    """
    import h5py
    import xarray as xr  # here, because it takes longer to import than the rest of the package

    variables: dict[str, Any] = {}
    with h5py.File(_InMemory(content.data), "r") as file:
        attributes = dict(_attributes(file))
        coordinates = set(str(attributes.pop("coordinates", "")).split())
        for name in file:
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link to elsewhere")
            variable = file[name]
            if not isinstance(variable, h5py.Dataset):
                raise ValueError(f"{name} is a group")
            own = dict(_attributes(variable))
            coordinates.update(str(own.pop("coordinates", "")).split())
            if variable.is_scale:
                coordinates.add(name)
                if _is_bare_dimension(variable):
                    continue
            array = _array(variable, content)
            variables[name] = (_dimensions(variable), array, own)
    coordinates &= set(variables)
    kept = {name: variables.pop(name) for name in coordinates}
    return xr.Dataset(variables, kept, attributes)


class _InMemory(io.RawIOBase):
    """Bytes as a file; unlike `BytesIO` it makes no copy of them."""

    def __init__(self, content: memoryview) -> None:
        self._content, self._place = content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + (0, self._place, len(self._content))[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        given = self._content[self._place : self._place + len(buffer)]
        buffer[: len(given)] = given
        self._place += len(given)
        return len(given)


def _attributes(item: Any) -> Iterator[tuple[str, Any]]:
    """Give the attributes of one value each; arrays of texts could be larger than the file."""
    import h5py

    for name in item.attrs:
        if name in _LINKING or name.startswith(("_NC", "_Netcdf4")):
            continue
        if h5py.h5a.open(item.id, name.encode()).get_space().get_simple_extent_npoints() != 1:
            continue
        value = item.attrs[name]
        yield name, value.decode() if isinstance(value, bytes) else value


def _is_bare_dimension(variable: "h5py.Dataset") -> bool:
    name = variable.attrs.get("NAME", b"")
    name = name.decode() if isinstance(name, bytes) else str(name)
    return name.startswith("This is a netCDF dimension but not a netCDF variable")


def _dimensions(variable: "h5py.Dataset") -> tuple[str, ...]:
    if variable.is_scale:
        return (variable.name.removeprefix("/"),) if variable.ndim else ()
    names = []
    for number in range(variable.ndim):
        scales = variable.dims[number]
        # One that was taken out of the file is still referred to, and has no name.
        if len(scales) != 1 or not scales[0].name:
            raise ValueError(f"{variable.name} has axes without a name")
        names.append(scales[0].name.removeprefix("/"))
    return tuple(names)


def _array(variable: "h5py.Dataset", content: np.ndarray) -> np.ndarray:
    import h5py

    if variable.external or variable.is_virtual or variable.id.get_create_plist().get_nfilters():
        raise ValueError(f"{variable.name} has its numbers in another file, or packed")
    text = h5py.check_string_dtype(variable.dtype)
    stored = _TEXT if text is not None and text.length is None else variable.dtype
    if stored.kind not in "iuf" and text is None:
        raise ValueError(f"{variable.name} holds neither numbers nor text")
    if variable.size * stored.itemsize > variable.id.get_storage_size():
        raise ValueError(f"{variable.name} of {variable.size:,} entries is larger than what is there of it")
    start = variable.id.get_offset()
    if stored is _TEXT:
        if start is None:
            raise ValueError(f"{variable.name} holds text that is not in one piece")
        told = np.frombuffer(content, _TEXT, variable.size, start)["length"]
        if told.sum(dtype=np.uint64) > len(content):
            raise ValueError(f"{variable.name} holds text larger than the file")
    if text is not None:
        return np.asarray(variable.asstr()[()], object)
    if start is None:
        return np.asarray(variable[()])
    found = np.frombuffer(content, stored, variable.size, start).reshape(variable.shape)
    usable = found.flags.aligned and stored.isnative
    return found if usable else found.astype(stored.newbyteorder("="))
