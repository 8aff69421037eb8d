"""Results in netCDF: what is damaged is refused, and nothing outside of a file is read."""

import h5py
import numpy as np
import pytest
import xarray as xr

import w2vflow as wf
from w2vflow.support.dataset_files import any_dataset, write_dataset
from w2vflow.support.netcdf import netcdf_bytes
from w2vflow.support.seals import checked_content, seal_of


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.nc"
    traj = wf.Trajectory(
        "flow", np.arange(3.0), np.ones((3, 2)), np.ones(3), np.ones((3, 4, 2)), words=tuple("abcd")
    )
    traj.save(path)
    return path


def test_every_flipped_bit_is_told(path):
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in (*rng.integers(len(whole), size=300), *range(len(whole) - 85, len(whole))):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="`path` must be"):
            wf.Trajectory.load(path)


def test_cuts_additions_and_exchanges_are_told(path):
    whole = path.read_bytes()
    half = len(whole) // 2
    swapped = whole[:128] + whole[half : half + 64] + whole[192:half] + whole[128:192] + whole[half + 64 :]
    for damaged in (b"", whole[:-1], whole[:half], whole + b"\0", whole[1:], whole + whole, swapped):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="`path` must be"):
            wf.Trajectory.load(path)


def test_large_arrays_are_views_of_what_was_read(tmp_path):
    """A second copy would be half of the time of loading."""
    wf.Trajectory("flow", np.arange(1e4), np.ones((10_000, 2)), np.ones(10_000)).save(tmp_path / "t.nc")
    data = any_dataset(tmp_path / "t.nc")[1]
    assert not data["singular_values"].values.flags.owndata


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i8", "u1"])
def test_numbers_of_any_kind_and_place(tmp_path, dtype):
    """Odd lengths before them move arrays to places that are no multiples of their size."""
    given = xr.Dataset(
        {f"v{n}": ((f"x{n}", "y"), np.arange(3.0 * n).reshape(n, 3).astype(dtype)) for n in range(1, 6)}
        | {"text": ("x3", ["", "ö", "three"]), "odd": ("x5", np.arange(5, dtype="u1"))}
    ).assign_coords(x3=["a", "b", "c"], y=[1, 2, 3], one=2.5)
    write_dataset(given, tmp_path / "a.nc", "cloud")
    found = any_dataset(tmp_path / "a.nc")[1]
    xr.testing.assert_equal(found, given)
    assert set(found.coords) == {"x3", "y", "one"}


def hostile(path, change):
    """The file with what its author slipped in, and a valid seal."""
    content = checked_content(path)[0]
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        change(file)
    content = path.read_bytes()
    path.write_bytes(content + seal_of(content))


def external(file):
    del file["loss"]
    file.create_dataset("loss", (3,), "u1", external=[("/etc/passwd", 0, 3)])


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("/tmp/other.nc", "loss", (3,))
    del file["loss"]
    file.create_virtual_dataset("loss", layout)


def linked(file):
    del file["loss"]
    file["loss"] = h5py.ExternalLink("/tmp/other.nc", "loss")


def soft(file):
    file["other"] = h5py.SoftLink("/loss")


def grouped(file):
    file.create_group("loss_of_others")


def packed(file):
    del file["loss"]
    file.create_dataset("loss", data=np.zeros(10_000_000), compression="gzip")


def promised(file):
    del file["loss"]
    file.create_dataset("loss", (10**12,), "f8")


def strange(file):
    del file["loss"]
    file.create_dataset("loss", data=np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]))


def unnamed(file):
    del file["loss"]
    file.create_dataset("loss", data=np.ones(3))


def renamed(file):
    """The variable that names an axis is gone; others still refer to it."""
    del file["time"]


def deep(file):
    file.attrs["configuration"] = "[" * 30_000


def incomplete(file):
    del file["singular_values"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (renamed, "axes without a name"),
        (deep, r"as this package writes it, but got .*t.nc, which holds something else \(maximum recursion"),
        (incomplete, r"as this package writes it, but got .*t.nc, which holds something else \("),
        (external, "numbers in another file"),
        (virtual, "numbers in another file"),
        (linked, "loss is a link to elsewhere"),
        (soft, "other is a link to elsewhere"),
        (grouped, "is a group"),
        (packed, "or packed"),
        (promised, "larger than what is there"),
        (strange, "neither numbers nor text"),
        (unnamed, "axes without a name"),
    ],
)
def test_strange_files_are_refused(path, change, match):
    hostile(path, change)
    with pytest.raises(ValueError, match=match):
        wf.load(path)


def test_many_texts_of_one_piece_are_refused(path):
    """Ten thousand references to one text of 60 kB would be 600 MB of words."""
    content = checked_content(path)[0]
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        del file["word"]
        words = file.create_dataset("word", data=["a" * 60_000, *["b"] * 9_999], dtype=h5py.string_dtype())
        start, count = words.id.get_offset(), len(words)
    damaged = bytearray(path.read_bytes())
    damaged[start : start + 16 * count] = damaged[start : start + 16] * count
    path.write_bytes(bytes(damaged) + seal_of(damaged))
    with pytest.raises(ValueError, match="text larger than the file"):
        wf.load(path)


def test_the_same_dataset_gives_the_same_bytes(path):
    data = any_dataset(path)[1]
    assert bytes(netcdf_bytes(data)) == bytes(netcdf_bytes(data))


def test_a_word_with_a_zero_byte_is_refused_before_anything_is_written(tmp_path):
    data = xr.Dataset(coords={"word": ("word", np.array(["one", "t\0o"], object))})
    with pytest.raises(ValueError, match="`word` must be free of zero bytes"):
        write_dataset(data, tmp_path / "words.nc", "cloud")
    assert not list(tmp_path.iterdir())
