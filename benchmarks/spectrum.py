"""Leading eigenpairs of M* by block Lanczos, beside ARPACK and LAPACK on the same dense matrix.

    python benchmarks/spectrum.py STATISTICS.npz [--pairs 200] [--tol 1e-5] [--full]

STATISTICS is what `w2vflow count` writes. All work on the float32 matrix; ARPACK's tolerance is set
so that its largest residual is about the one asked for. `--full` runs LAPACK's full `eigh` as well.
Prints seconds, the largest residual over lambda_1 (in float64), and the ratio to the first.
"""

import argparse
import time

import jax
import numpy as np
import scipy.linalg
from scipy.sparse.linalg import eigsh

import w2vflow as wf
from w2vflow.krylov import largest_eigenpairs

jax.config.update("jax_enable_x64", True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("statistics")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--tol", type=float, default=1e-5)
    parser.add_argument("--full", action="store_true")
    a = parser.parse_args()
    problem = wf.Problem.from_statistics(wf.CooccurrenceStatistics.load(a.statistics))
    exact = np.asarray(problem.target())
    matrix = exact.astype(np.float32)
    size, k = len(matrix), a.pairs

    def lanczos():
        return largest_eigenpairs(lambda block: matrix @ block, size, k, tol=a.tol, dtype=np.float32)[:2]

    def arpack():
        values, vectors = eigsh(matrix, k, which="LA", tol=a.tol, v0=np.ones(size, np.float32))
        return values[::-1], vectors[:, ::-1]

    def lapack():
        values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(size - k, size - 1))
        return values[::-1], vectors[:, ::-1]

    print(f"V = {size}, {k} pairs, residual {a.tol:g} lambda_1, {jax.devices()[0].device_kind}")
    first = None
    for name, call in (("block Lanczos", lanczos), ("ARPACK", arpack), ("LAPACK eigh", lapack)):
        if call is lapack and not a.full:
            continue
        start = time.perf_counter()
        values, vectors = call()
        seconds = time.perf_counter() - start
        first = first or seconds
        residual = np.linalg.norm(exact @ vectors - vectors * values, axis=0).max() / values[0]
        print(
            f"{name:<15}{seconds:>8.1f} s  residual {residual:.0e}  ratio {seconds / first:.1f}", flush=True
        )


if __name__ == "__main__":
    main()
