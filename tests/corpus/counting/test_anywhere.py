"""Counting by several workers wherever Python runs: any script, standard input, pools of others."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from texts import random_text

import w2vflow as wf
from w2vflow.support.atomic_files import write_text

SCRIPT = """
import w2vflow as wf
print(wf.count("text.txt", vocab_size=50, workers=2, tokens=lambda text: text.split()).sha256)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("text")
    random_text(path / "text.txt", 300, seed=3)
    return path


@pytest.fixture(scope="module")
def expected(folder):
    return wf.count(folder / "text.txt", vocab_size=50, workers=1, tokens=str.split).sha256


@pytest.mark.parametrize("how", ["a file without a guard", "standard input", "an argument"])
def test_in_any_script(folder, expected, how):
    arguments, given = {
        "a file without a guard": (["script.py"], None),
        "standard input": (["-"], SCRIPT),
        "an argument": (["-c", SCRIPT], None),
    }[how]
    (folder / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, input=given, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


def counted(path):
    return wf.count(path, vocab_size=50, workers=2, tokens=str.split).sha256


def test_in_a_daemonic_worker(folder, expected):
    # A function of this module would not be found by a worker of a pytest that was not started as a module.
    settings = {"vocab_size": 50, "workers": 2, "tokens": str.split}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(wf.count, (folder / "text.txt",), settings).sha256 == expected


def test_by_several_threads_at_once(folder, expected):
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(counted, [folder / "text.txt"] * 6)) == {expected}


def test_the_mask_of_new_files_stays(tmp_path):
    """It can be asked for only by setting it."""
    before = os.umask(0o027)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: write_text(tmp_path / f"{i}", "text"), range(200)))
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
