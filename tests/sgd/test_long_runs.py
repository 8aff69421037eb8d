"""Runs that are cut into chunks, killed, resumed, short of disk or diverging."""

import errno
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import fields
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from kills import Killed, killed_at, lines_of, same
from systems import random_statistics

import w2vflow as wf
from w2vflow.sgd import journal as record
from w2vflow.sgd.full_batch import run_gd
from w2vflow.support import checkpoint as checkpoints

STEPS, RATE = 300, 0.002
RUN = {"dim": 3, "scale": 0.3, "learning_rate": RATE, "batch_size": 256, "sampler": "balanced"}
TS = RATE * np.array([0, 100, 130, STEPS])
KEPT = {field.name for field in fields(wf.Recording)}


def ensemble(problem, **changes):
    """Two seeds; what is of `Recording` among the changes goes there."""
    keys = jax.random.split(jax.random.key(0), 2)
    kept = {name: changes.pop(name) for name in KEPT & set(changes)}
    recording = wf.Recording(**{"save_embeddings": True, **kept})
    return wf.run_sgd_ensemble(problem, keys, TS, recording=recording, **(RUN | changes))


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of at most seven steps, and a look after each."""
    monkeypatch.setattr(record, "_CHUNK", 0.0)
    monkeypatch.setattr(record, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(record, "_LOOK_SHARE", 1e9)
    whole = record.Journal.chunk
    monkeypatch.setattr(record.Journal, "chunk", lambda self, ahead: min(7, ahead, 7 * whole(self, ahead)))


@pytest.mark.parametrize("optimizer", [None, optax.adam])
def test_how_a_run_is_cut_changes_nothing(problem, request, optimizer):
    whole = ensemble(problem, optimizer=optimizer)
    request.getfixturevalue("small_chunks")
    same(ensemble(problem, optimizer=optimizer), whole)


def test_all_chunks_are_one_compiled_function(problem):
    """A schedule is traced once for each compilation, however many lengths of chunks there are."""
    traced = []

    def schedule(step):
        # Laid out beforehand with known steps and with a batch of them; in a compiled step with a single one.
        batch = type(step).__name__ == "BatchTracer"
        traced.extend([step] if isinstance(step, jax.core.Tracer) and not batch else [])
        return RATE + 0.0 * step

    run = RUN | {"learning_rate": schedule}
    wf.run_sgd_ensemble(problem, jax.random.split(jax.random.key(0), 2), RATE * np.array([60]), **run)
    once = len(traced)
    assert once > 0
    wf.run_sgd_ensemble(
        problem, jax.random.split(jax.random.key(0), 2), RATE * np.array([3, 10, 31, 42, 60]), **run
    )
    assert len(traced) == once


def test_metrics_are_lines_of_json(problem, tmp_path, small_chunks):
    run = ensemble(problem, metrics=tmp_path / "m.jsonl")
    lines = lines_of(tmp_path / "m.jsonl")
    assert list(lines[0]) == ["step", "time", "loss", "pairs_per_second", "seconds", "left"]
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps))
    assert len(steps) > 40
    at = [steps.index(step) for step in (0, 100, 130, STEPS)]
    np.testing.assert_allclose([lines[i]["loss"] for i in at], run.loss.T, rtol=1e-7)
    np.testing.assert_allclose([line["time"] for line in lines], RATE * np.array(steps))
    assert lines[-1]["left"] == 0
    assert (np.diff([line["seconds"] for line in lines]) >= 0).all()
    pairs = sum(
        line["pairs_per_second"] * (line["seconds"] - before["seconds"])
        for before, line in itertools.pairwise(lines)
    )
    # Seconds are rounded to milliseconds, of which a line may have only a few.
    assert pairs == pytest.approx(2 * 256 * STEPS, rel=0.3)
    wf.run_sgd(
        problem, np.full((30, 2), 0.1), [RATE], key=jax.random.key(0), learning_rate=RATE, batch_size=8,
        recording=wf.Recording(metrics=tmp_path / "m.jsonl"),
    )  # fmt: skip
    assert [type(line["loss"]) for line in lines_of(tmp_path / "m.jsonl")] == [float, float]


def test_metrics_without_a_place_are_refused(problem, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="`metrics` must be a file that can be written"):
        ensemble(problem, metrics=tmp_path / "file" / "m.jsonl")


@pytest.mark.parametrize("optimizer", [None, optax.adam])
@pytest.mark.parametrize("step", [1, 55, 120, 290])
def test_resumed_after_a_kill(problem, tmp_path, monkeypatch, small_chunks, optimizer, step):
    whole = ensemble(problem, optimizer=optimizer)
    recording = {"metrics": tmp_path / "m.jsonl", "checkpoint": tmp_path / "c", "checkpoint_every": 0.0}
    with monkeypatch.context() as patch:
        killed_at(patch, step)
        with pytest.raises(Killed):
            ensemble(problem, optimizer=optimizer, **recording)
    done = json.loads((tmp_path / "c" / "manifest.json").read_text())["manifest"]["state"]["step"]
    assert 0 <= done <= step + 7
    # What a kill between a line and its checkpoint, and one in the middle of a line, leave behind.
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write(json.dumps({"step": done + 1, "time": 0}) + '\n{"step": 1')
    same(ensemble(problem, optimizer=optimizer, **recording), whole)
    steps = [line["step"] for line in lines_of(tmp_path / "m.jsonl")]
    assert steps == sorted(set(steps))
    assert {0, 100, 130, STEPS, done} <= set(steps)
    assert done + 1 not in steps or done + 1 in (100, 130, STEPS)
    assert not (tmp_path / "c").exists()


def test_full_batch_descent_is_resumed_too(tmp_path, monkeypatch, small_chunks):
    problem = wf.Problem.from_statistics(random_statistics(8), tied=False, loss="logistic")
    W0 = wf.untied_init(jax.random.key(0), 8, 2, 0.3)
    run = {"learning_rate": 0.01, "recording": wf.Recording(save_embeddings=True)}
    whole = run_gd(problem, W0, [0.1, 1.0], **run)
    run["recording"] = wf.Recording(save_embeddings=True, checkpoint=tmp_path, checkpoint_every=0.0)
    with monkeypatch.context() as patch:
        killed_at(patch, 40)
        with pytest.raises(Killed):
            run_gd(problem, W0, [0.1, 1.0], **run)
    resumed = run_gd(problem, W0, [0.1, 1.0], **run)
    same(resumed, whole)
    np.testing.assert_array_equal(resumed.contexts, whole.contexts)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import jax, numpy as np
from systems import random_statistics
import w2vflow as wf
from w2vflow.sgd import journal as record

# Some seconds become some milliseconds.
record._CHUNK, record._LOOK_EVERY = 0.02, 0.05
problem = wf.Problem.from_statistics(random_statistics(30))
run = wf.run_sgd_ensemble(
    problem, jax.random.split(jax.random.key(0), 2), 0.0001 * np.arange(0, 15001, 1500), dim=3, scale=0.3,
    learning_rate=0.0001, batch_size=512, sampler="balanced", recording=wf.Recording(
        save_embeddings=True, metrics=sys.argv[1] + ".jsonl", checkpoint=sys.argv[1] + "-state",
        checkpoint_every=0.1,
    ),
)
run.save(sys.argv[1] + ".nc")
"""


def test_sigkill_and_resume_give_the_bytes_of_an_undisturbed_run(tmp_path):
    script = SCRIPT.format(tests=str(Path(__file__).parents[1]))

    errors = tmp_path / "errors"

    def start(name):
        environment = os.environ | {"JAX_ENABLE_X64": "1"}
        command = [sys.executable, "-c", script, str(tmp_path / name)]
        with errors.open("w") as file:
            return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=file)

    assert start("whole").wait() == 0, errors.read_text()
    moments, kills = random.Random(0), 0
    manifest = tmp_path / "killed-state" / "manifest.json"
    while kills < 3:
        process = start("killed")
        before, deadline = _stamp(manifest), time.monotonic() + 120
        # It is killed at some moment after it has saved a state of its own.
        while process.poll() is None and _stamp(manifest) == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        # A run that was faster than its kill proves nothing, and removes its state.
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL, errors.read_text()
        kills += 1
    assert kills > 0
    assert start("killed").wait() == 0, errors.read_text()
    assert (tmp_path / "killed.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()
    steps = [line["step"] for line in lines_of(tmp_path / "killed.jsonl")]
    assert steps == sorted(set(steps))
    assert set(range(0, 15_001, 1500)) <= set(steps)
    by_step = {line["step"]: line["loss"] for line in lines_of(tmp_path / "whole.jsonl")}
    for line in lines_of(tmp_path / "killed.jsonl"):
        assert line["loss"] == by_step.get(line["step"], line["loss"])


def _stamp(path):
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"batch_size": 128}, r"batch_size = 256 \(now 128\)"),
        ({"learning_rate": RATE / 2}, r"learning_rate = 0.002 \(now 0.001\)"),
        ({"learning_rate": lambda n: RATE + 0 * n}, r"learning_rate = 0.002 \(now 'schedule"),
        ({"sampler": "blocks"}, r"sampler = 'balanced' \(now 'blocks'\)"),
        ({"optimizer": optax.adam}, r"optimizer = 'none' \(now 'adam'\)"),
        ({"dim": 2}, r"dim = 3 \(now 2\)"),
        ({"scale": 0.2}, "starts = "),
        ({"save_embeddings": False}, r"save_embeddings = True \(now False\)"),
        ({"weighting": wf.Plain()}, r"weighting = .*Uniform\(\).* \(now .*Plain\(\)"),
        ({"loss": "logistic"}, r"loss = .*Quartic\(\).* \(now .*Logistic\(\)"),
        ({"tied": False}, r"tied = True \(now False\)"),
        ({"counts": 1}, "statistics = "),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(tmp_path, monkeypatch, change, match):
    def run(counts=0, weighting=None, loss="quartic", tied=True, **changes):
        problem = wf.Problem.from_statistics(
            random_statistics(10, seed=counts), weighting=weighting, loss=loss, tied=tied
        )
        ensemble(problem, checkpoint=tmp_path, checkpoint_every=0.0, **changes)

    with monkeypatch.context() as patch:
        killed_at(patch, 1)
        with pytest.raises(Killed):
            run()
    with pytest.raises(ValueError, match=f"`checkpoint` must be a folder without a state.*{match}"):
        run(**change)


def test_settings_within_an_optimizer_are_told_apart(problem, tmp_path, monkeypatch):
    def run(momentum):
        optimizer = lambda rate: optax.sgd(rate, momentum=momentum)  # noqa: E731
        ensemble(problem, optimizer=optimizer, checkpoint=tmp_path, checkpoint_every=0.0)

    with monkeypatch.context() as patch:
        killed_at(patch, 1)
        with pytest.raises(Killed):
            run(0.9)
    with pytest.raises(ValueError, match=r"optimizer_updates = \[.*\] \(now "):
        run(0.5)


def test_a_full_disk_keeps_the_last_state_and_the_run_goes_on(problem, tmp_path, monkeypatch, small_chunks):
    whole = ensemble(problem)
    recording = {"checkpoint": tmp_path / "c", "checkpoint_every": 0.0}
    save, saves = checkpoints.np.save, []

    def full(file, array, **options):
        saves.append(1)
        # The fourth state, in its second array.
        if len(saves) > 3 * 4 + 1:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(file, array, **options)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.np, "save", full)
        killed_at(patch, 200)
        with (
            pytest.warns(RuntimeWarning, match=r"could not be saved in .*No space left on device") as caught,
            pytest.raises(Killed),
        ):
            ensemble(problem, **recording)
    assert len(caught) == 1
    assert len(saves) > 20
    manifest = json.loads((tmp_path / "c" / "manifest.json").read_text())
    assert 0 < manifest["manifest"]["state"]["step"] < 100
    assert np.isfinite(np.load(tmp_path / "c" / manifest["arrays"]["weights"][0])).all()
    same(ensemble(problem, **recording), whole)
    # And a run that is not killed ends well, with one warning.
    saves.clear()
    monkeypatch.setattr(checkpoints.np, "save", full)
    with pytest.warns(RuntimeWarning, match="could not be saved"):
        same(ensemble(problem, **recording), whole)


def test_metrics_on_a_full_disk_end_with_a_warning(problem, monkeypatch):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    monkeypatch.setattr(record, "_reopened", lambda path, until: open("/dev/full", "w"))  # noqa: SIM115
    with pytest.warns(RuntimeWarning, match="/dev/full cannot be written .* the run goes on"):
        run = ensemble(problem, metrics="/dev/full")
    assert np.isfinite(run.loss).all()


def test_nothing_is_left_where_nothing_is_asked_for(problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(action="error"):
        ensemble(problem)
    assert not list(tmp_path.iterdir())
