"""What a process takes from its machine, and gives back."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from w2vflow.support.machine import release_memory


def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="memory is kept by glibc alone")
def test_freed_memory_goes_back():
    arrays = [np.ones(500) for _ in range(10_000)]
    # What stands last holds all freed before it.
    last = np.ones(500)
    del arrays
    kept = resident_pages()
    release_memory()
    assert resident_pages() < kept - 5_000
    assert last.sum() == 500


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    release_memory()
