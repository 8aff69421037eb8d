"""Results, vectors and states that their author made to take memory, time, other files or this process.

Sealed ones have valid digests: to seal a file takes no secret.
"""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tests.trust.hostile_archives import DEEP, Runs

from w2vflow.support.seals import SEAL_BYTES, file_digest, seal_of, with_digest


def changed_netcdf(change: Callable[[h5py.File, Path], None]) -> Callable[[Path], Path]:
    """Return what changes a netCDF file by HDF5 and seals it anew."""

    def make(path: Path) -> Path:
        path.write_bytes(path.read_bytes()[:-SEAL_BYTES])
        with h5py.File(path, "r+") as file:
            change(file, path)
        content = path.read_bytes()
        path.write_bytes(content + seal_of(content))
        return path

    return make


def replaced(name: str, **how: Any) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, path: Path) -> None:
        del file[name]
        file.create_dataset(name, **how)

    return change


def linked(link: Any) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, path: Path) -> None:
        del file["loss"]
        file["loss"] = link

    return change


def virtual(file: h5py.File, path: Path) -> None:
    layout = h5py.VirtualLayout((9,), "f8")
    layout[:] = h5py.VirtualSource("/tmp/other.nc", "loss", (9,))
    del file["loss"]
    file.create_virtual_dataset("loss", layout)


def filtered(file: h5py.File, path: Path) -> None:
    """Zeros, of which each chunk is packed to a thousandth."""
    del file["loss"]
    file.create_dataset("loss", (10**9,), "f8", chunks=(10**6,), compression="gzip", fillvalue=0)
    file["loss"][: 2 * 10**6] = 0


def repeated_text(path: Path) -> Path:
    """One long text to which every word refers."""
    path.write_bytes(path.read_bytes()[:-SEAL_BYTES])
    with h5py.File(path, "r+") as file:
        del file["word"]
        words = file.create_dataset("word", data=["a" * 60_000, *["b"] * 99_999], dtype=h5py.string_dtype())
        words.make_scale("word")
        del file["embeddings"].attrs["DIMENSION_LIST"]
        for axis, name in enumerate(("time", "word", "mode")):
            file["embeddings"].dims[axis].attach_scale(file[name])
        start, number = words.id.get_offset(), len(words)
    content = bytearray(path.read_bytes())
    content[start : start + 16 * number] = content[start : start + 16] * number
    path.write_bytes(bytes(content) + seal_of(bytes(content)))
    return path


def attribute(name: str, value: Any) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, path: Path) -> None:
        file.attrs[name] = value

    return change


def without(*names: str) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, path: Path) -> None:
        for name in names:
            if name in file:
                del file[name]
            else:
                del file.attrs[name]

    return change


def zarr(version: int) -> Callable[[Path], Path]:
    """Return what makes a Zarr folder with the codec that unpickles."""

    def make(path: Path) -> Path:
        path = path.with_suffix(".zarr")
        (path / "loss").mkdir(parents=True)
        codec = {"id": "pickle", "protocol": 5}
        if version == 2:
            (path / ".zgroup").write_text('{"zarr_format": 2}')
            array = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": None}
            array |= {"order": "C", "compressor": None, "filters": [codec]}
            (path / "loss" / ".zarray").write_text(json.dumps(array))
        else:
            group = {"zarr_format": 3, "node_type": "group", "attributes": {"w2vflow_format": "trajectory 2"}}
            (path / "zarr.json").write_text(json.dumps(group))
            array = {"zarr_format": 3, "node_type": "array", "shape": [1], "data_type": "float64"}
            array |= {"codecs": [{"name": "numcodecs.pickle", "configuration": codec}]}
            (path / "loss" / "zarr.json").write_text(json.dumps(array))
        (path / "loss" / "0").write_bytes(pickle.dumps(Runs(path.parent)))
        return path

    return make


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path = path.with_name(name)
        path.write_bytes(content)
        return path

    return make


def tensors(head: Any, data: bytes = b"") -> bytes:
    """Return a safetensors file with this head."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(*shape: int, size: int = 0) -> dict[str, Any]:
    """Return what a head tells of a matrix."""
    return {
        "dtype": "F32",
        "shape": shape,
        "data_offsets": [0, size or 4 * int(np.prod(shape, dtype=object))],
    }


def pickled(path: Path) -> Path:
    path = path.with_name("vectors.bin")
    path.write_bytes(pickle.dumps(Runs(path.parent)))
    return path


def told(file: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], Path]:
    """Return what changes a manifest and gives it a valid digest."""

    def make(path: Path) -> Path:
        manifest = json.loads((path / file).read_text())
        manifest.pop("blake3", None)
        change(manifest)
        (path / file).write_text(json.dumps(with_digest(manifest)))
        return path

    return make


def nested(file: str = "") -> Callable[[Path], Path]:
    """Return what replaces a file by lists in lists."""

    def make(path: Path) -> Path:
        (path / file if file else path).write_text("[" * DEEP + "]" * DEEP)
        return path

    return make


def array_of_state(content: Callable[[Path], bytes]) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        def change(manifest: dict[str, Any]) -> None:
            name = manifest["arrays"]["W"][0]
            (path / name).write_bytes(content(path))
            manifest["arrays"]["W"] = [name, file_digest(path / name)]

        return told("manifest.json", change)(path)

    return make


def tokens(content: Callable[[Path], bytes], number: int) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        (path / "tokens.npy").write_bytes(content(path))
        digest = file_digest(path / "tokens.npy")
        return told("manifest.json", lambda m: m.update(tokens_blake3=digest, tokens=number))(path)

    return make
