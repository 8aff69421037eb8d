"""State of long computations: damage is told, and one run at a time holds a folder."""

import json
import subprocess
import sys

import numpy as np
import pytest

from w2vflow.support.checkpoint import Checkpoint

RUN = {"dim": 3}
OTHER = """
import sys
from w2vflow.support.checkpoint import Checkpoint
try:
    Checkpoint(sys.argv[1], {"dim": 3}).load()
except ValueError as error:
    print(error)
"""


@pytest.fixture
def folder(tmp_path):
    Checkpoint(tmp_path / "state", RUN).save({"W": np.arange(40.0), "key": np.arange(2)}, {"step": 5})
    return tmp_path / "state"


def test_every_flipped_bit_of_a_state_is_told_or_changes_nothing(folder):
    rng = np.random.default_rng(0)
    for path in sorted(folder.glob("[!.]*")):
        whole = path.read_bytes()
        for place in rng.integers(len(whole), size=100):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << rng.integers(8)
            path.write_bytes(damaged)
            try:
                arrays, state = Checkpoint(folder, RUN).load()
            except ValueError:
                continue
            # Of a manifest, a space may become another.
            assert (arrays["W"].tolist(), state) == (list(range(40)), {"step": 5})
        path.write_bytes(whole)


def test_cut_and_missing_files_are_told(folder):
    array = folder / "array-1-W.npy"
    whole = array.read_bytes()
    for damaged in (whole[:-8], whole + b"\0", b""):
        array.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"an array that cannot be read \(.*Delete it to start anew"):
            Checkpoint(folder, RUN).load()
    array.unlink()
    with pytest.raises(ValueError, match="an array that cannot be read"):
        Checkpoint(folder, RUN).load()


def test_a_second_process_is_refused(folder):
    first = Checkpoint(folder, RUN)
    first.load()
    said = subprocess.run([sys.executable, "-c", OTHER, folder], capture_output=True, text=True, check=True)
    assert "`checkpoint` must be a folder that no other run is at work on" in said.stdout
    assert "process" in said.stdout
    first.remove()
    assert not folder.exists()


def test_a_run_that_was_overtaken_does_not_go_on(folder):
    """Two runs of one process: the second took over after an error of the first, say."""
    first, second = Checkpoint(folder, RUN), Checkpoint(folder, RUN)
    first.load()
    second.load()
    second.save({"W": np.zeros(40), "key": np.zeros(2)}, {"step": 6})
    with pytest.raises(ValueError, match="to which another run has written since"):
        first.save({"W": np.ones(40)}, {"step": 6}, unchanged=["key"])
    assert Checkpoint(folder, RUN).load()[0]["W"].tolist() == [0.0] * 40


def test_states_of_the_first_format_are_read(folder):
    state = json.loads((folder / "manifest.json").read_text())
    del state["blake3"], state["writer"]
    old = {**state, "format": 1, "arrays": {name: entry[0] for name, entry in state["arrays"].items()}}
    (folder / "manifest.json").write_text(json.dumps(old))
    again = Checkpoint(folder, RUN)
    assert again.load()[0]["W"].tolist() == list(range(40))
    again.save({"key": np.arange(3)}, {"step": 6}, unchanged=["W"])
    arrays, state = Checkpoint(folder, RUN).load()
    assert (arrays["W"].tolist(), len(arrays["key"]), state) == (list(range(40)), 3, {"step": 6})
