"""Cost against vocabulary size, dimension and number of seeds, with fitted slopes.

    python benchmarks/scaling.py STATISTICS.npz [--out docs/pictures/scaling.png]
        [--sizes 1000 3000 ...] [--dims 6 12 ...] [--seeds 1 2 ...] [--dim 50] [--times 100]

STATISTICS holds every word of a corpus (`w2vflow count --vocab-size None`); smaller vocabularies, the
`--sizes` below it, are its most frequent words. Measures, without compilation: a product of M* with 32
vectors in float32, 50 (`--dim`) leading eigenpairs to 1e-5 lambda_1, and the exact trajectory at 100
times in a basis that is at hand; against dimension and seeds at 10,000 words, from 650 and 200
eigenpairs, or as many as there are. Prints a table for each axis and the slope of log seconds against
log of the axis, and draws them.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure

import w2vflow as wf
from w2vflow.problem import DenseOperator

jax.config.update("jax_enable_x64", True)

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 371_247)
DIMS = (6, 12, 25, 50, 100, 200)
SEEDS = (1, 2, 4, 8, 16)
SCALE = 1e-8


def seconds(call, repeats=1):
    """The best of some calls after one that compiles."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def trajectory_seconds(problem, spectrum, dim, seeds, times):
    keys = jax.random.split(jax.random.key(0), seeds)
    W0 = wf.gaussian_init(keys, problem.vocab_size, dim, SCALE)
    end = wf.step_time_law(problem, dim, SCALE, spectrum=spectrum).mean.max()
    ts = np.linspace(0, 1.1 * end, times)
    return seconds(lambda: wf.predict(problem, W0, ts, spectrum=spectrum))


def by_vocabulary(stats, sizes, dim, times):
    for size in (*(s for s in sizes if s < stats.vocab_size), stats.vocab_size):
        problem = wf.Problem.from_statistics(stats.most_frequent(size))
        operator = problem.target_operator()
        multiply = operator.astype(np.float32).product
        block = np.random.default_rng(0).standard_normal((size, 32)).astype(np.float32)
        start = time.perf_counter()
        spectrum = wf.leading_eigenpairs(problem, dim, tol=1e-5)
        pairs = time.perf_counter() - start
        entries = operator.matrix.size if isinstance(operator, DenseOperator) else operator.values.size
        yield {
            "V": size,
            "entries": entries,
            "form": type(operator).__name__.removesuffix("Operator").lower(),
            "product": seconds(lambda m=multiply, b=block: m(b), 3),
            f"{dim} eigenpairs": pairs,
            f"trajectory, d = {dim}": trajectory_seconds(problem, spectrum, dim, 1, times),
        }


def by_dimension(problem, dims, times):
    pairs = min(650, problem.vocab_size)
    spectrum = wf.leading_eigenpairs(problem, pairs, tol=1e-5)
    for dim in dims:
        yield {"d": dim, f"trajectory, {pairs} pairs": trajectory_seconds(problem, spectrum, dim, 1, times)}


def by_seeds(problem, seeds, dim, times):
    pairs, start = min(200, problem.vocab_size), time.perf_counter()
    spectrum = wf.leading_eigenpairs(problem, pairs, tol=1e-5)
    once = time.perf_counter() - start
    for count in seeds:
        each = trajectory_seconds(problem, spectrum, dim, count, times)
        yield {
            "seeds": count,
            f"trajectories, d = {dim}": each,
            f"and {pairs} eigenpairs, once": once + each,
        }


def table(rows):
    """Print the rows; return them with the slopes of every column of seconds against the first."""
    found = []
    for row in rows:
        if not found:
            print("".join(f"{name:>24}" for name in row))
        found.append(row)
        cells = (f"{v:>24.4g}" if isinstance(v, float) else f"{v:>24}" for v in row.values())
        print("".join(cells), flush=True)
    axis = next(iter(found[0]))
    slopes = {
        name: np.polyfit(np.log([r[axis] for r in found]), np.log([r[name] for r in found]), 1)[0]
        for name, value in found[0].items()
        if isinstance(value, float)
    }
    if "entries" in found[0]:
        for name in list(slopes):
            logs = (np.log([r[k] for r in found]) for k in ("entries", name))
            slopes[f"{name} against entries"] = np.polyfit(*logs, 1)[0]
    print("slopes:", ", ".join(f"{name} {slope:.2f}" for name, slope in slopes.items()), "\n", flush=True)
    return axis, found, slopes


def draw(tables, path):
    figure = Figure(figsize=(4 * len(tables), 3.4), layout="constrained")
    panels = figure.subplots(1, len(tables))
    for panel, (axis, rows, slopes) in zip(panels, tables, strict=True):
        for name in (n for n, v in rows[0].items() if isinstance(v, float)):
            x, y = [r[axis] for r in rows], [r[name] for r in rows]
            panel.loglog(x, y, "o-", label=f"{name}: slope {slopes[name]:.2f}")
        panel.set(xlabel=axis, ylabel="seconds")
        panel.legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("statistics")
    parser.add_argument("--out", type=Path, default=Path("runs/scaling.png"))
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--dims", type=int, nargs="+", default=DIMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--dim", type=int, default=50, help="against vocabulary and seeds")
    parser.add_argument("--times", type=int, default=100)
    a = parser.parse_args()
    stats = wf.load_statistics(a.statistics)
    print(f"{stats.vocab_size:,} words, {jax.devices()[0].device_kind}\n")
    tables = [table(by_vocabulary(stats, a.sizes, a.dim, a.times))]
    problem = wf.Problem.from_statistics(stats.most_frequent(min(10_000, stats.vocab_size)))
    tables += [table(by_dimension(problem, a.dims, a.times))]
    tables += [table(by_seeds(problem, a.seeds, a.dim, a.times))]
    draw(tables, a.out)
    print(f"Drawn: {a.out}")


if __name__ == "__main__":
    main()
