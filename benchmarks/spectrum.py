"""Leading eigenpairs of M* by block Lanczos, beside ARPACK and LAPACK on the same products.

    python benchmarks/spectrum.py STATISTICS.npz [--pairs 200] [--tol 1e-5] [--max-basis N] [--full]
    python benchmarks/spectrum.py STATISTICS.npz --only-lanczos

STATISTICS is what `w2vflow count` writes. All work in float32, block Lanczos and ARPACK on the
operator's own products, LAPACK (`--full`) on the dense matrix; ARPACK's tolerance is set so that its
largest residual is about the one asked for. `--only-lanczos` needs no dense matrix. Prints seconds,
products, the largest residual over lambda_1 (in float64), the ratio to the first, and peak memory.
"""

import argparse
import resource
import time

import jax
import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_limits

import w2vflow as wf
from w2vflow.spectrum import lanczos_eigenpairs

jax.config.update("jax_enable_x64", True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("statistics")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--tol", type=float, default=1e-5)
    parser.add_argument("--max-basis", type=int)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only-lanczos", action="store_true")
    a = parser.parse_args()
    problem = wf.Problem.from_statistics(wf.CooccurrenceStatistics.load(a.statistics))
    operator = problem.target_operator()
    single, exact = operator.astype(np.float32), operator.product
    size, k = operator.size, a.pairs
    products = 0
    # BLAS on the host where the matrix is dense: ARPACK asks for one vector at a time.
    dense = np.asarray(single.matrix) if isinstance(operator, wf.problem.DenseOperator) else None

    def product(block):
        nonlocal products
        products += block.shape[1]
        return np.asarray(single.product(block)) if dense is None else dense @ block

    def lanczos():
        nonlocal products
        with threadpool_limits(1, "blas"):
            found = lanczos_eigenpairs(single, k, tol=a.tol, max_basis=a.max_basis)
        products = int(found.products)
        return np.asarray(found.values), np.asarray(found.vectors, np.float64)

    def arpack():
        one = LinearOperator((size, size), lambda v: product(v.reshape(-1, 1))[:, 0], dtype=np.float32)
        values, vectors = eigsh(one, k, which="LA", tol=a.tol, v0=np.ones(size, np.float32))
        return values[::-1], vectors[:, ::-1].astype(np.float64)

    def lapack():
        matrix = np.asarray(single.dense())
        values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(size - k, size - 1))
        return values[::-1], vectors[:, ::-1].astype(np.float64)

    print(f"V = {size}, {k} pairs, residual {a.tol:g} lambda_1, {jax.devices()[0].device_kind}")
    first = None
    runs = {"block Lanczos": lanczos}
    if not a.only_lanczos:
        runs["ARPACK"] = arpack
    if a.full:
        runs["LAPACK eigh"] = lapack
    # Without compilation.
    lanczos()
    for name, call in runs.items():
        products, start = 0, time.perf_counter()
        values, vectors = call()
        seconds = time.perf_counter() - start
        first = first or seconds
        worst = 0.0
        for at in range(0, k, 32):
            block = np.ascontiguousarray(vectors[:, at : at + 32])
            left = np.asarray(exact(block)) - block * values[at : at + 32]
            worst = max(worst, np.linalg.norm(left, axis=0).max() / values[0])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{name:<15}{seconds:>8.1f} s  {products:>6} products  residual {worst:.0e}  "
            f"ratio {seconds / first:.1f}  peak {peak:.1f} GiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
