"""Times of loading large files against those of another version of the package, in turns.

    python benchmarks/loading.py [SOURCE] [--megabytes 100] [--turns 5] [--only NAME ...]

SOURCE is the folder `src` of the other version, e.g. of `git archive 2867bdd src`; by default this version
itself. Either version writes its own statistics, trajectory and vectors of about so many megabytes and loads
them, in a new process each turn: the least of three loads, the file in the system's memory. The ratio is of
the medians over the turns.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

OWN = Path(__file__).parents[1] / "src"
START = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from scipy import sparse
import w2vflow as wf
folder, size = sys.argv[1], int(float(sys.argv[2]) * 1e6)
rng = np.random.default_rng(0)
"""
# To write one, and to load it. Counts take about 2.6 bytes a pair of the upper triangle.
TASKS = {
    "statistics": (
        """
pairs = size // 2.6
V = max(60, int((40 * pairs) ** 0.5))
half = sparse.random_array((V, V), density=min(1, pairs / (V * V / 2)), rng=rng, format="csr")
half.data = np.ceil(rng.pareto(1.0, half.nnz) + 1)
half = sparse.csr_array(sparse.triu(half, k=1))
counts = half + half.T + sparse.eye_array(V)
words = [f"w{i}" for i in range(V)]
wf.CooccurrenceStatistics(words, counts, counts.sum(axis=1)).save(folder + "/a.npz")
""",
        'wf.CooccurrenceStatistics.load(folder + "/a.npz")',
    ),
    "trajectory": (
        """
T, d = 40, 16
V = max(2, size // (8 * T * d))
W = rng.random((T, V, d))
words = [f"w{i}" for i in range(V)]
traj = wf.Trajectory("flow", np.arange(float(T)), W[:, :d, 0].copy() if V >= d else rng.random((T, d)),
                     np.ones(T), W, words=words)
traj.save(folder + "/a.nc")
""",
        'wf.Trajectory.load(folder + "/a.nc").embeddings.sum()',
    ),
    **{
        name: (
            f"""
d = 100
V = max(2, size // ({width} * d))
wf.export_vectors(folder + "/a", rng.normal(size=(V, d)), [f"w{{i}}" for i in range(V)], "{name}")
""",
            'wf.import_vectors(folder + "/a")',
        )
        for name, width in (("safetensors", 4), ("word2vec-binary", 4), ("word2vec-text", 11))
    },
}
LOAD = """
found = []
for _ in range(3):
    start = time.perf_counter()
    {load}
    found.append(time.perf_counter() - start)
print(min(found))
"""


def said(code, source, *given):
    """Return what a program says, run with a version of the package."""
    told = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", START + code, *map(str, given)]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", nargs="?", default=str(OWN))
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(TASKS))
    a = parser.parse_args()
    print(f"{'file':<16}{'size':>10}{'here':>11}{'there':>11}")
    for name in a.only:
        write, load = TASKS[name]
        with tempfile.TemporaryDirectory() as kept:
            places = [(OWN, Path(kept) / "here"), (Path(a.source), Path(kept) / "there")]
            found = [[], []]
            for source, folder in places:
                folder.mkdir()
                said(write, source, folder, a.megabytes)
            for _ in range(a.turns):
                for (source, folder), seconds in zip(places, found, strict=True):
                    seconds.append(float(said(LOAD.format(load=load), source, folder, a.megabytes)))
            (file,) = places[0][1].iterdir()
            here, there = map(statistics.median, found)
            size = file.stat().st_size / 1e6
            print(
                f"{name:<16}{size:>7.0f} MB{here:>9.3f} s{there:>9.3f} s   ratio {here / there:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
