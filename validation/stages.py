"""What single stages take on one core, in processor seconds: what tests hold the rates of forecasts to.

    python validation/stages.py [GROUP ...] [--small] [--out FOLDER]

Writes `stages.json`: by group the speed of the core, and each stage with its sizes; of `commands`, `solvers`,
`products`, `fits` or `texts` alone where these are named, others stay as they were. Nothing compiles in these
seconds: each stage runs twice. On one core so that others who use the machine matter little; ten minutes.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy import sparse
from table import SMALL_KEPT, read_options

import w2vflow as wf
from w2vflow.embeddings import export_vectors, import_vectors
from w2vflow.experiments import Speed, measure_speed
from w2vflow.results import direction_persistence

KEPT = Path(__file__).parents[1] / "tests" / "experiments"
WIKIPEDIA = "enwiki15k-v3000"
# Pairs of a step of SGD; batches are cut into parts that fit a cache where their number allows it.
BATCH = 2**15


@dataclass(frozen=True)
class Size:
    """Words of flows and of sparse products, tokens of a text, words of vectors, steps of SGD."""

    words: int = 1000
    sparse: int = 20_000
    tokens: int = 4_000_000
    vectors: int = 20_000
    steps: int = 200


SMALL = Size(words=60, sparse=4000, tokens=6000, vectors=50, steps=2)


def took(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor seconds of a second run, and its result."""
    work()
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def of_child(*arguments: str) -> float:
    """Return the processor seconds of a command, in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "w2vflow", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def solvers(size: Size, _: Path) -> Iterator[dict[str, Any]]:
    """Yield what eigenvectors, flows, closed form and SGD take."""
    words = size.words
    stats = wf.load_statistics(WIKIPEDIA).most_frequent(words)
    problem = wf.Problem.from_statistics(stats)
    seconds, basis = took(lambda: wf.leading_eigenpairs(problem, words))
    yield {"stage": "eigenbasis", "words": words, "seconds": seconds}
    end = 20 / float(basis.eigenvalues[0])
    keys = jax.random.split(jax.random.key(0), 1)
    other = wf.Problem.from_statistics(stats, loss="logistic")
    for stage, dim, chosen, settings in (
        ("flow in eigenbasis", 4, problem, {"spectrum": basis}),
        ("flow in eigenbasis", 50, problem, {"spectrum": basis}),
        # Of one dimension, where the matrix is all that counts.
        ("flow in words", 1, problem, {"basis": "words"}),
        ("flow in words", 50, problem, {"basis": "words"}),
        ("flow of another loss", 1, other, {"basis": "words", "rtol": 1e-4}),
        ("flow of another loss", 50, other, {"basis": "words", "rtol": 1e-4}),
    ):
        W0 = wf.gaussian_init(keys, words, dim, 1e-2)[0]
        seconds, flow = took(lambda c=chosen, w=W0, s=settings: wf.solve_flow(c, w, [0, end], **s))
        steps = sum(sum(flow.metadata[name]) for name in ("accepted_steps", "rejected_steps"))
        yield {"stage": stage, "words": words, "dim": dim, "steps": steps, "seconds": seconds}
    for dim in (16, 50):
        W0, ts = wf.gaussian_init(keys, words, dim, 1e-2), np.linspace(0, end, 61)
        seconds, _ = took(lambda w=W0, t=ts: compared(problem, w, t, basis))
        yield {"stage": "closed form", "words": words, "dim": dim, "looks": len(ts), "seconds": seconds}
        for sampler in ("balanced", "blocks"):
            # Less what it takes to begin.
            long, short = (
                took(lambda n=n, s=sampler, d=dim: descent(problem, keys, basis, n, d, s))[0]
                for n in (size.steps + 10, 10)
            )
            drawn = {"sampler": sampler, "pairs": size.steps * BATCH, "seconds": long - short}
            yield {"stage": "SGD", "dim": dim, **drawn}


def compared(problem: wf.Problem, W0: Any, ts: np.ndarray, basis: wf.Spectrum) -> Any:
    """Do as much as a run does with each seed, whose flow and SGD have the shapes of what is predicted."""
    leading = basis.leading(W0.shape[-1])
    found = [wf.predict(problem, W0, ts, spectrum=basis, save_embeddings=True) for _ in range(2)]
    wf.compare(found[0], spectrum=leading)
    return [direction_persistence(traj, leading, part) for part in (0.5, 0.9, 0.99) for traj in found]


def descent(problem: wf.Problem, keys: Any, basis: wf.Spectrum, steps: int, dim: int, sampler: str) -> Any:
    """Take steps of SGD and look once."""
    rate = 0.08 / float(basis.eigenvalues[0])
    settings = {"dim": dim, "scale": 1e-2, "learning_rate": rate, "batch_size": BATCH, "sampler": sampler}
    return wf.run_sgd_ensemble(problem, keys, np.array([0, rate * steps]), **settings)


def products(size: Size, _: Path) -> Iterator[dict[str, Any]]:
    """Yield what products of a sparse matrix take."""
    rng = np.random.default_rng(0)
    words, each = size.sparse, 60
    rows, columns = rng.integers(words, size=(2, words * each // 2))
    half = sparse.coo_array((rng.integers(1, 9, rows.size), (rows, columns)), shape=(words, words)).tocsr()
    counts = (half + half.T).tocsr()
    stats = wf.CooccurrenceStatistics(
        tuple(f"w{i}" for i in range(words)), counts, np.asarray(counts.sum(axis=1))
    )
    operator = wf.Problem.from_statistics(stats).target_operator()
    product = operator.product
    block = rng.normal(size=(words, 32))
    seconds, _ = took(lambda: jax.block_until_ready([product(block) for _ in range(10)]))
    yield {"stage": "sparse products", "entries": counts.nnz, "products": 320, "seconds": seconds}


def fits(size: Size, _: Path) -> Iterator[dict[str, Any]]:
    """Yield what `embed` takes, of all pairs of the words."""
    stats = wf.load_statistics(WIKIPEDIA).most_frequent(size.words)
    pairs = sparse.triu(stats.counts).nnz
    for dim in (16, 200):
        dim = min(dim, size.words // 2)
        seconds, _ = took(lambda d=dim: wf.embed(stats, d))
        yield {"stage": "embed", "words": size.words, "dim": dim, "pairs": pairs, "seconds": seconds}


def texts(size: Size, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what counting a text takes, and reading vectors."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 30_001)
    words = ["".join(rng.choice(list("abcdefghij"), size=n)) for n in rng.integers(2, 9, shares.size)]
    drawn = rng.choice(np.array(words), p=shares / shares.sum(), size=(size.tokens // 2000, 2000))
    text = folder / "text.txt"
    text.write_text("".join(" ".join(line) + "\n" for line in drawn.tolist()))
    for kept, window in ((10, 1), (1000, 300), (20_000, 10)):
        kept = min(kept, len(np.unique(drawn)))
        settings = {"vocab_size": kept, "window": window, "workers": 1}
        seconds, stats = took(lambda s=settings: wf.count(str(text), **s))
        found = {"bytes": text.stat().st_size, "pairs": sparse.triu(stats.counts).nnz}
        yield {"stage": "count", **found, "met": size.tokens * window, "seconds": seconds}
    vectors = rng.normal(size=(size.vectors, 100))
    export_vectors(folder / "v.txt", vectors, [f"w{i}" for i in range(size.vectors)], "word2vec-text")
    seconds, _ = took(lambda: import_vectors(folder / "v.txt"))
    yield {"stage": "vectors", "bytes": (folder / "v.txt").stat().st_size, "seconds": seconds}


def commands(_: Size, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what commands take that have hardly anything to compute."""
    yield {"stage": "start", "seconds": of_child("spectrum", WIKIPEDIA, "--vocab-size", "600", "--k", "1")}
    few = ["--vocab-size", "30", "--dim", "2", "--seeds", "1", "--batch-size", "256", "--observations", "10"]
    yield {"stage": "compiling", "seconds": of_child("demo", *few, "--out", str(folder / "demo"))}


GROUPS: dict[str, Callable[[Size, Path], Iterator[dict[str, Any]]]] = {
    "commands": commands,
    "solvers": solvers,
    "products": products,
    "fits": fits,
    "texts": texts,
}


def measure(groups: list[str], size: Size, file: Path) -> None:
    """Measure stages in this process, print each as it comes, and keep them beside those of other groups."""
    jax.config.update("jax_enable_x64", True)
    kept = json.loads(file.read_text()) if file.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for group in groups:
            speeds, found = [measure_speed()], []
            for stage in GROUPS[group](size, Path(folder)):
                print(stage, flush=True)
                # Others may slow the core down, stages as well as this.
                speeds.append(measure_speed.__wrapped__())
                found.append({**stage, "seconds": round(stage["seconds"], 4)})
            speed = {
                name: statistics.median(getattr(each, name) for each in speeds) for name in Speed._fields
            }
            kept[group] = {"speed": speed, "stages": found}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_json({group: kept[group] for group in GROUPS if group in kept}))


def as_json(kept: dict[str, Any]) -> str:
    """Return the groups as JSON, a stage a line."""
    groups = []
    for name, group in kept.items():
        lines = ",\n".join(f"   {json.dumps(stage)}" for stage in group["stages"])
        groups.append(f' "{name}": {{"speed": {json.dumps(group["speed"])},\n  "stages": [\n{lines}\n  ]}}')
    return "{\n" + ",\n".join(groups) + "\n}\n"


def main() -> None:
    """Measure in a process that has one core from its start."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--here", action="store_true", help="in this process, on all its cores")
    asked = read_options(parser, KEPT)
    unknown = set(asked.groups) - set(GROUPS)
    if unknown:
        sys.exit(f"There is no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}.")
    groups = asked.groups or list(GROUPS)
    out = SMALL_KEPT if asked.small and asked.out == KEPT else asked.out
    if asked.here or not hasattr(os, "sched_setaffinity"):
        return measure(groups, SMALL if asked.small else Size(), out / "stages.json")
    # Before anything counts cores.
    bound = (
        f"import os, runpy, sys; os.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}]);"
        "del sys.argv[0]; sys.path.insert(0, os.path.dirname(sys.argv[0]));"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    given = [__file__, *groups, "--here", "--out", str(out), *["--small"] * asked.small]
    subprocess.run([sys.executable, "-c", bound, *given], check=True)
    print(f"Written: {out / 'stages.json'}")


if __name__ == "__main__":
    main()
