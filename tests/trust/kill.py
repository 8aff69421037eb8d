"""Writers and runs ended by SIGKILL at moments drawn by chance, then done again.

    python -m tests.trust.kill [NAME ...] [--times 50] [--seed 0]

A writer has an older file or folder in its place. After a kill this must be the old one whole or the new
one whole, or of a run's folder one that is refused with a reason ("told"); after one more write, the new one,
with nothing else beside it. A run that keeps a state, and a text that is counted or tokenized, is started
again after a kill: its file must have the bytes of an undisturbed run, and nothing else may be left. Every
third kill of a writer waits for its temporary file, every other one of a run for a state to go on from. Kills
that came too late to hit anything are not counted. The exit status is 1 where anything failed.
"""

import argparse
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tests.texts import themed_text
from tests.trust import samples
from tests.trust.children import Worker
from tests.trust.flip import Content, content_of
from tests.trust.tables import print_row

import w2vflow as wf
from w2vflow.experiments import load_run

WORDS, DIM, SCALE = 60, 4, 1e-2
# Kills that miss, as a share of those asked for, before it is said that they cannot hit.
MISSES = 8
LONGEST = 600.0

WRITERS = [*samples.WRITERS, "checkpoint"]


def write(name: str, path: Path, folder: Path, number: int) -> None:
    sample = samples.kept(folder, number)
    if name == "checkpoint":
        samples.save_state(path, sample)
    else:
        samples.WRITERS[name][1](path, sample)


def prepare(name: str, path: Path, folder: Path) -> None:
    """Write elsewhere, so that a kill hits the writing and not the loading of what it needs."""
    write(name, path, folder, 1)


def problem() -> tuple[wf.Problem, Any, np.ndarray]:
    """Return a problem, initial weights of two seeds, and times."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(WORDS)
    keys = jax.random.split(jax.random.key(0), 2)
    return wf.Problem.from_statistics(stats), keys, np.linspace(0, 0.2, 12)


def recording(folder: Path) -> wf.Recording:
    kept = {"checkpoint": folder / "state", "checkpoint_every": 0.05}
    return wf.Recording(**kept, metrics=folder / "metrics.jsonl", save_embeddings=True)


def find_spectrum(folder: Path, given: Path) -> None:
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(800)
    kept = {"checkpoint": folder / "state", "checkpoint_every": 0.05}
    wf.leading_eigenpairs(wf.Problem.from_statistics(stats), 20, tol=1e-10, **kept).save(folder / "out.nc")


def find_flow(folder: Path, given: Path) -> None:
    posed, keys, ts = problem()
    W0 = wf.gaussian_init(keys, WORDS, DIM, SCALE)
    kept = wf.Recording(checkpoint=folder / "state", save_embeddings=True)
    wf.solve_flow(posed, W0, ts, recording=kept).save(folder / "out.nc")


def run_descent(folder: Path, given: Path) -> None:
    posed, keys, ts = problem()
    W0 = wf.gaussian_init(keys, WORDS, DIM, SCALE)
    wf.run_gd(posed, W0, ts, learning_rate=2e-4, recording=recording(folder)).save(folder / "out.nc")


def run_ensemble(folder: Path, given: Path) -> None:
    posed, keys, ts = problem()
    how = {"dim": DIM, "scale": SCALE, "learning_rate": 4e-4, "batch_size": 2048, "sampler": "balanced"}
    wf.run_sgd_ensemble(posed, keys, ts, **how, recording=recording(folder)).save(folder / "out.nc")


def run_on_text(folder: Path, given: Path) -> None:
    corpus = wf.TokenFile.load(given / "tokens")
    stats = wf.count_documents(corpus, window=4)
    weighting = wf.Symmetrized(wf.Mikolov(negatives=2))
    posed = wf.Problem.from_statistics(stats, weighting=weighting, loss=wf.Logistic())
    W0 = wf.gaussian_init(jax.random.key(0), stats.vocab_size, DIM, SCALE)
    how = {"corpus": corpus, "key": jax.random.key(1), "learning_rate": 1e-4, "batch_size": 256}
    ts = np.linspace(0, 0.05, 12)
    wf.run_sgd_on_text(posed, W0, ts, **how, recording=recording(folder)).save(folder / "out.nc")


def count(folder: Path, given: Path) -> None:
    samples.write_counts(folder / "out.npz", given / "long.txt")


def tokenize(folder: Path, given: Path) -> None:
    if not (folder / "out").exists():
        samples.write_tokens(folder / "out", given / "long.txt")


RUNS: dict[str, Callable[[Path, Path], None]] = {
    "count": count,
    "tokenize": tokenize,
    "leading eigenpairs": find_spectrum,
    "flow": find_flow,
    "descent": run_descent,
    "SGD of two seeds": run_ensemble,
    "SGD along a text": run_on_text,
}


def keep_texts(folder: Path) -> None:
    themed_text(folder / "long.txt", documents=8000)
    samples.write_tokens(folder / "tokens", folder / "text-0.txt")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def anew(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def attack_writer(name: str, folder: Path, times: int, rng: np.random.Generator) -> Counter[str]:
    """Kill a writer so many times while it is at work; return what there was afterwards."""
    found: Counter[str] = Counter()
    place = anew(folder / "place")
    path = place / f"it{samples.WRITERS.get(name, ('',))[0]}"
    with Worker() as good:
        contents, taken = [], []
        for number in (1, 0, 1, 0, 1, 0):
            taken.append(good.call(write, name, path, folder, number, seconds=LONGEST).require().seconds)
            contents.append(content_of(path))
        new, old = contents[:2]
        seconds = sorted(taken[2:])[1]
        while found["kills"] < times and found["tries"] < MISSES * times:
            found["tries"] += 1
            good.call(write, name, path, folder, 0).require()
            with Worker() as killed:
                killed.call(prepare, name, anew(folder / "elsewhere") / path.name, folder).require()
                killed.begin(write, name, path, folder, 1)
                if found["tries"] % 3:
                    time.sleep(rng.uniform(0, 1.5 * seconds))
                else:
                    within = path if name in ("run folder", "checkpoint") else place
                    _wait_for(partial(has_temporary, within), 2 * seconds)
                    time.sleep(rng.choice([0, rng.uniform(0, seconds / 4)]))
                if not killed.kill():
                    continue
            found["kills"] += 1
            found[_left(name, path, (old, new), good)] += 1
            found["temporary"] += names(place) != {path.name}
            good.call(write, name, path, folder, 1).require()
            same = name == "checkpoint" or content_of(path) == new
            found["not as asked"] += not same
            found["left behind"] += names(place) != {path.name} or len(content_of(path)) != len(new)
    return found


def has_temporary(folder: Path) -> bool:
    """Return whether a file is being written in a folder."""
    return any(".writing-" in name for name in names(folder))


def has_state(folder: Path) -> bool:
    """Return whether a run has left what it can go on from."""
    return (folder / "state" / "manifest.json").exists() or any(folder.glob("out.npz.work/tokens-*"))


def _wait_for(there: Callable[[], bool], most: float) -> None:
    end = time.perf_counter() + most
    while time.perf_counter() < end and not there():
        # Not at the cost of what is waited for.
        time.sleep(2e-4)


def _left(name: str, path: Path, contents: tuple[Content, Content], reader: Worker) -> str:
    """Return what a kill left: "old", "new", "told" (refused with a reason), or "broken"."""
    # In a folder there may be temporary files too, which the next write removes.
    left = {file: content for file, content in content_of(path).items() if not file.startswith(".")}
    for kind, content in zip(("old", "new"), contents, strict=True):
        if left == content:
            return kind
    # A state is more than its files: those of the next one are no part of it yet.
    if name == "checkpoint":
        return "old" if reader.call(samples.load_state, path).kind == "value" else "broken"
    return "told" if name == "run folder" and reader.call(load_run, path).is_clear else "broken"


def attack_run(name: str, folder: Path, times: int, rng: np.random.Generator) -> Counter[str]:
    """Kill a run so many times while it is at work, each time once, and go on; return what came of it."""
    found: Counter[str] = Counter()
    place = folder / "place"
    run = RUNS[name]
    # The first compiles, for all that follow.
    for _ in range(2):
        with Worker() as good:
            seconds = good.call(run, anew(place), folder, seconds=LONGEST).require().seconds
    whole, expected = content_of(place), names(place)
    whole.pop("metrics.jsonl", None)
    while found["kills"] < times and found["tries"] < MISSES * times:
        found["tries"] += 1
        anew(place)
        with Worker() as killed:
            killed.begin(run, place, folder)
            if found["tries"] % 2 == 0:
                _wait_for(partial(has_state, place), seconds)
                time.sleep(rng.uniform(0, seconds / 4))
            else:
                time.sleep(rng.uniform(0, seconds))
            if not killed.kill():
                continue
        found["kills"] += 1
        found["states"] += has_state(place)
        manifest = place / "state" / "manifest.json"
        state = manifest.read_text() if manifest.exists() else ""
        with Worker() as good:
            outcome = good.call(run, place, folder, seconds=LONGEST)
        if outcome.kind != "value":
            found["refused"] += 1
            print(f"{name}: {outcome.kind} {' '.join(outcome.error)}")
            continue
        found["left behind"] += names(place) != expected
        content = content_of(place)
        content.pop("metrics.jsonl", None)
        found["same" if content == whole else "other bytes"] += 1
        if content != whole:
            other = [file for file in {**content, **whole} if content.get(file) != whole.get(file)]
            print(f"{name}: other bytes in {other}, gone on from {state!r}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*WRITERS, *RUNS]))
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    wanted, failed = a.names or [*WRITERS, *RUNS], False
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        with Worker() as worker:
            worker.call(samples.keep, folder, seconds=LONGEST).require()
            worker.call(keep_texts, folder, seconds=LONGEST).require()
        parts = [
            (
                WRITERS,
                attack_writer,
                ("old", "new", "told", "broken", "temporary", "not as asked", "left behind"),
            ),
            (RUNS, attack_run, ("states", "same", "other bytes", "refused", "left behind")),
        ]
        for known, attack, columns in parts:
            if chosen := [name for name in wanted if name in known]:
                print_row(["writer" if attack is attack_writer else "run", "kills", *columns], header=True)
            for name in chosen:
                found = attack(name, folder, a.times, np.random.default_rng(a.seed))
                print_row([name, found["kills"], *(found[column] for column in columns)])
                bad = ("broken", "not as asked", "other bytes", "refused", "left behind")
                failed |= any(found[one] for one in bad) or found["kills"] < a.times
            print()
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
