"""Folders that one process uses at a time."""

import errno
import os
import subprocess
import sys

import pytest

from w2vflow.support.locks import sole_use

HOLD = """
import sys
from pathlib import Path
from w2vflow.support.locks import sole_use
with sole_use(Path(sys.argv[1]), "out"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_a_folder_is_held_until_its_process_ends(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        busy = "`work_dir` must be a folder that no other run is at work on"
        with pytest.raises(ValueError, match=busy), sole_use(tmp_path, "work_dir"):
            pass
        other.kill()
        other.wait()
        with sole_use(tmp_path, "work_dir"):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_an_error_within_lets_go(tmp_path):
    with pytest.raises(OSError, match="own"), sole_use(tmp_path, "out"):
        raise OSError("own")
    with sole_use(tmp_path, "out"):
        pass


def test_a_full_disk_holds_a_folder_too(tmp_path, monkeypatch):
    """Only the name of the process is missing; what is to be written next has the better message."""

    def full(*_given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with sole_use(tmp_path, "out"):
        assert (tmp_path / ".lock").read_text() == ""
