"""Counts that are killed, and workers that are lost: the bytes are those of an undisturbed count."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

import pytest
from systems import dies_once
from texts import random_text

from w2vflow.corpus.counting import count as cooccurrence
from w2vflow.corpus.counting.count import count_to_file
from w2vflow.corpus.counting.workers import Resources, Workers


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    random_text(path, 60_000, seed=0, words=3000)
    return path


def test_killed_five_times_and_resumed(text, tmp_path):
    command = [
        sys.executable, "-m", "w2vflow", "count", str(text),
        "--vocab-size", "1500", "--memory", "400MB", "--workers", "8", "--out",
    ]  # fmt: skip
    # The first may have to compile the kernels.
    for _ in range(2):
        start = time.monotonic()
        subprocess.run([*command, str(tmp_path / "whole.npz")], check=True, capture_output=True)
    taken = time.monotonic() - start
    moments = random.Random(1)
    kills = attempts = 0
    out = tmp_path / "killed.npz"
    while kills < 5:
        attempts += 1
        assert attempts < 50
        process = subprocess.Popen([*command, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.15, 0.95) * taken)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, str(out)], check=True, capture_output=True)
    assert out.read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_killed_while_the_work_folder_is_removed(text, tmp_path, monkeypatch):
    """Half a folder of results must not pass for results."""
    real, own = cooccurrence.shutil.rmtree, Resources(workers=1, work_dir=tmp_path / "work")

    def killed(folder, **options):
        half = sorted(folder.glob("run-*/c*"))
        if not half or folder.name.startswith(".run"):
            return real(folder, **options)
        half[0].unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cooccurrence.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            count_to_file(text, tmp_path / "out.npz", vocab_size=100, resources=own)
    first = (tmp_path / "out.npz").read_bytes()
    (tmp_path / "work" / "mine").write_text("kept")
    count_to_file(text, tmp_path / "out.npz", vocab_size=100, resources=own)
    assert (tmp_path / "out.npz").read_bytes() == first
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["mine"]


def test_what_was_damaged_since_the_kill_is_counted_anew(text, tmp_path, monkeypatch):
    own = Resources(workers=1, work_dir=tmp_path / "work")
    count_to_file(text, tmp_path / "whole.npz", vocab_size=300, resources=own)

    def killed(*_args, **_settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cooccurrence, "write_counts", killed)
        with pytest.raises(KeyboardInterrupt):
            count_to_file(text, tmp_path / "out.npz", vocab_size=300, resources=own)
    kept = tmp_path / "kept"
    shutil.copytree(tmp_path / "work", kept)
    moments, files = random.Random(0), [path for path in kept.rglob("[!.]*") if path.is_file()]
    assert {path.name.partition("-")[0] for path in files} == {
        "tokens",
        "ranks",
        "columns",
        "counts",
        "lengths.npy",
    }
    for path in [*files, *moments.choices(files, k=20)]:
        shutil.rmtree(tmp_path / "work")
        shutil.copytree(kept, tmp_path / "work")
        content = bytearray(path.read_bytes())
        content[moments.randrange(len(content))] ^= 1 << moments.randrange(8)
        (tmp_path / "work" / path.relative_to(kept)).write_bytes(content)
        count_to_file(text, tmp_path / "out.npz", vocab_size=300, resources=own)
        assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_a_pool_of_processes_that_loses_one_is_named(tmp_path):
    """Such a pool is broken for good; the message says what may be done."""
    with (
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes,
        closing(Workers(2, processes)) as pool,
        pytest.raises(RuntimeError, match=r"lost its worker 1 times .* kept in the work folder"),
    ):
        list(pool.run(dies_once, [(tmp_path / f"{i}",) for i in range(3)]))


# Dask warns of its own dependencies, and of the worker that is killed here.
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_loses_a_worker(text, tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setattr(cooccurrence, "BLOCK_BYTES", 10**6)
    count_to_file(text, tmp_path / "whole.npz", vocab_size=500, resources=Resources(workers=1))
    work = tmp_path / "work"
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        victims = list(client.run(os.getpid).values())
        killed = threading.Event()

        def kill_one():
            deadline = time.monotonic() + 60
            while len(list(work.glob("*/tokens-*"))) < 3 and time.monotonic() < deadline:
                time.sleep(0.005)
            if not (tmp_path / "dask.npz").exists():
                os.kill(victims[0], signal.SIGKILL)
                killed.set()

        thread = threading.Thread(target=kill_one)
        thread.start()
        count_to_file(
            text,
            tmp_path / "dask.npz",
            vocab_size=500,
            resources=Resources(workers=2, executor=client.get_executor(), work_dir=work),
        )
        thread.join()
        assert killed.is_set()
    assert (tmp_path / "dask.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
