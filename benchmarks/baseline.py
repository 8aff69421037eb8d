"""Times of the main functions against those of another version of the package, in turns.

    python benchmarks/baseline.py [SOURCE] [--vocab-size 2000] [--turns 3] [--only NAME ...]
    python benchmarks/baseline.py SOURCE --statistics STATISTICS.npz --vocab-size 10000 --only predict

SOURCE is the folder `src` of the other version, e.g. of `git archive 2867bdd src`; by default this
version itself. Each turn runs a task once in a new process of either version, and prints the
seconds that the task says, without imports; of `demo` those of the whole process, compilation
included. The ratio is of the medians. STATISTICS, by default those that the package ships, is a file
of `w2vflow count` that both versions read.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

OWN = Path(__file__).parents[1] / "src"
START = """
import time, warnings
warnings.simplefilter("ignore")
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
import w2vflow as wf
V, d = {size}, 16
stats = {statistics}.most_frequent(V)
problem = wf.Problem.from_statistics(stats)
W0 = wf.gaussian_init(jax.random.key(0), V, d, 1e-2)
def timed(call):
    found = []
    for _ in range(6):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    # The first compiles.
    print(min(found[1:]))
"""
SPECTRUM = "spectrum = wf.leading_eigenpairs(problem, min(164, V), tol=1e-8)\n"
LAW = "end = 1.2 * float(np.nanmax(wf.predict_step_times(problem, W0, spectrum=spectrum)))\n"
TIMES = "ts = np.linspace(0, end, 100)\n"
STEPS = """
lam = float(spectrum.eigenvalues[0])
how = {{"key": jax.random.key(1), "batch_size": 2**14, "learning_rate": 0.02 / lam}}
timed(lambda: wf.run_sgd(problem, W0, [3.0 / lam], sampler="{sampler}", **how).loss)
"""
PREPARED = START + SPECTRUM + LAW + TIMES
TASKS = {
    "eigenpairs": START + "timed(lambda: wf.leading_eigenpairs(problem, 40).eigenvalues)",
    "predict": PREPARED + "timed(lambda: np.asarray(wf.predict(problem, W0, ts, spectrum=spectrum).loss))",
    "step times": PREPARED
    + "timed(lambda: np.asarray(wf.predict_step_times(problem, W0, spectrum=spectrum)))",
    "flow": PREPARED + "timed(lambda: np.asarray(wf.solve_flow(problem, W0, ts, basis='words').loss))",
    **{f"sgd {s}": PREPARED + STEPS.format(sampler=s) for s in ("blocks", "balanced", "corpus")},
}
DEMO = """
import sys
from w2vflow.cli import main
sys.exit(main(["demo", "--out", "{folder}", "--vocab-size", "{size}"]))
"""


def seconds_of(code, source):
    """Return what a program says, run with a version of the package."""
    told = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.split()[-1])


def seconds_of_demo(size, source, folder):
    """Return the seconds that the whole demo takes."""
    start = time.perf_counter()
    code = DEMO.format(size=size, folder=folder)
    told = {**os.environ, "PYTHONPATH": str(source)}
    subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, check=True)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", nargs="?", default=str(OWN))
    parser.add_argument("--vocab-size", type=int, default=2000)
    parser.add_argument("--statistics", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[*TASKS, "demo"])
    a = parser.parse_args()
    shipped = "wf.load_statistics('enwiki15k-v3000')"
    kept = f"wf.CooccurrenceStatistics.load({str(a.statistics)!r})" if a.statistics else shipped
    print(f"V = {a.vocab_size:,}, d = 16; medians of {a.turns}")
    for name in a.only:
        found = {OWN: [], Path(a.source): []}
        for turn in range(a.turns):
            for source, seconds in found.items():
                if name == "demo":
                    seconds.append(seconds_of_demo(a.vocab_size, source, f"runs/baseline-{turn}"))
                else:
                    task = TASKS[name].replace("{size}", str(a.vocab_size)).replace("{statistics}", kept)
                    seconds.append(seconds_of(task, source))
        here, *there = map(statistics.median, found.values())
        other = there[0] if there else here
        print(f"{name:<14}{here:>9.3f} s {other:>9.3f} s   ratio {here / other:.2f}", flush=True)


if __name__ == "__main__":
    main()
