"""The attacks of this folder at a small size, as their commands run them: each says what failed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Here, limits of time only tell what has no end: other processes are at work beside the tests.
PATIENT = ("--seconds", "25")


def attacked(name, *options):
    """Run one of the commands; return its table. It ends with an error where anything failed."""
    command = [sys.executable, "-m", f"tests.trust.{name}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_flipped_cut_and_exchanged_bytes():
    formats = (
        *("trajectory", "comparison", "spectrum", "cloud", "statistics", "phrases", "safetensors"),
        *("checkpoint", "token file", "count's work folder", "word2vec-text", "word2vec-binary"),
    )
    few = ("--flips", "12", "--truncations", "4", "--exchanges", "3")
    table = attacked("flip", *formats, *few)
    assert "| trajectory | 19 | 0 | 0 | 0 | 0 | 0 |  |" in table


def test_killed_writers_and_runs():
    table = attacked("kill", "statistics", "tensorboard", "page", "count", "tokenize", "--times", "2")
    assert "| count | 2 |" in table


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs, or a signal for files that grow too long")
def test_full_disks():
    names = ("trajectory", "tensorboard", "page", "checkpoint", "statistics of a text", "token file")
    assert "| trajectory | 8 |" in attacked("full", *names)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_hostile_files():
    kinds = (
        "dump: e",
        "dump: an",
        "netCDF",
        "Zarr",
        "safetensors",
        "state",
        "tokens",
        "phrases",
        "run folder",
    )
    assert "0 not refused as asked" in attacked("bombs", *PATIENT, "--only", *kinds)


OTHERS = ("text:", "statistics:", "vectors:")


@pytest.mark.slow
def test_hostile_texts_counts_and_vectors():
    assert "0 not refused as asked" in attacked("bombs", *PATIENT, "--only", *OTHERS)
