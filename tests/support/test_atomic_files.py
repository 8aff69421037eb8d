"""Files and folders that appear whole or not at all: on full disks, after kills, in the place of others."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from w2vflow.support import atomic_files
from w2vflow.support.atomic_files import atomic_folder, atomic_path, write_bytes, write_text

DYING = """
import os, signal, sys
from pathlib import Path
from w2vflow.support.atomic_files import atomic_folder, atomic_path, scratch_folder
how, path = sys.argv[1:]
ways = {"file": atomic_path, "folder": atomic_folder, "scratch": scratch_folder}
with ways[how](Path(path)) as temporary:
    (temporary if how == "file" else temporary / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("how", ["file", "folder", "scratch"])
def test_what_a_killed_process_leaves_is_gone_with_the_next_write(tmp_path, how):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "part").write_text("old")
    target = tmp_path / ("a.txt" if how == "file" else "kept")
    died = subprocess.run([sys.executable, "-c", DYING, how, target], check=False)
    assert died.returncode == -9
    (left,) = set(names(tmp_path)) - {"kept"}
    assert ".writing-" in left
    # Of another machine that shares the folder, and of a process that runs, nobody knows.
    others = (
        left.replace(atomic_files._machine(), "0" * 8),
        f".b.writing-{atomic_files._machine()}-1-{'0' * 8}",
    )
    for other in others:
        (tmp_path / other).touch()
    write_text(tmp_path / "b.txt", "new")
    assert names(tmp_path) == sorted(["kept", "b.txt", *others])
    assert (tmp_path / "kept" / "part").read_text() == "old"


@pytest.mark.parametrize("at_once", [True, False])
def test_a_folder_is_exchanged(tmp_path, monkeypatch, at_once):
    if not at_once:
        monkeypatch.setattr(atomic_files, "_HERE", {})
    target = tmp_path / "results"
    for content in ("one", "two"):
        with atomic_folder(target) as folder:
            (folder / content).touch()
            assert not (target / content).exists()
        assert names(target) == [content]
    with pytest.raises(FileNotFoundError), atomic_folder(target) as folder:
        (folder / "no folder" / "part").touch()
    assert names(target) == ["two"]
    assert names(tmp_path) == ["results"]


def test_a_kill_between_two_renames_loses_nothing(tmp_path):
    """Where the system cannot exchange, the old folder is put back by the next write."""
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    around = tmp_path / f".results.writing-{atomic_files._machine()}-{int(gone.stdout)}-{'0' * 8}"
    (around / "results").mkdir(parents=True)
    (around / "replaced-results").mkdir()
    (around / "replaced-results" / "old").touch()
    write_text(tmp_path / "b.txt", "new")
    assert (names(tmp_path), names(tmp_path / "results")) == (["b.txt", "results"], ["old"])


def fails_as_full(error):
    def write(*_args, **_settings):
        raise error

    return write


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left"),
        OSError(errno.EDQUOT, "Quota"),
        OSError("10 requested and 3 written"),
    ],
)
def test_a_full_disk_is_told(tmp_path, monkeypatch, error):
    (tmp_path / "a.npy").write_text("old")
    monkeypatch.setattr(atomic_files, "available_disk", lambda folder: 5000)
    match = r"No space left on device: more needed, 5.0 kB free. What stood there before is whole: '.*a.npy'"
    with pytest.raises(OSError, match=match) as found, atomic_path(tmp_path / "a.npy"):
        fails_as_full(error)()
    assert found.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match=r"8.0 kB needed, 5.0 kB free"):
        write_bytes(tmp_path / "a.npy", bytes(8000))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.npy", "old")]
    monkeypatch.undo()
    # Other errors stay what they are.
    with pytest.raises(PermissionError), atomic_path(tmp_path / "a.npy"):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_file_is_as_readable_as_others(tmp_path):
    np.savetxt(tmp_path / "plain", np.eye(2))
    write_text(tmp_path / "ours", "new")
    assert os.stat(tmp_path / "ours").st_mode == os.stat(tmp_path / "plain").st_mode


def test_a_look_whether_a_folder_can_be_written_shows_nothing(tmp_path, monkeypatch):
    """A kill at that moment would leave what is there then."""
    opened, seen = tempfile.TemporaryFile, []

    def looking(**where):
        file = opened(**where)
        seen.append(names(tmp_path))
        return file

    monkeypatch.setattr(tempfile, "TemporaryFile", looking)
    assert atomic_files.check_writable_folder(tmp_path, "out") == tmp_path
    assert seen == [[]]
