"""Products of M* with a block of vectors: the sparse loop beside a loop in numba, SciPy and the dense one.

    python benchmarks/operators.py [STATISTICS.npz ...] [--width 32] [--dtype float32]

STATISTICS is what `w2vflow count` writes; the bundled ones where none is given. Prints seconds
without compilation (the best of three), billions of multiplications and additions a second, and the
ratio to the first.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numba
import numpy as np
from scipy import sparse

import w2vflow as wf
from w2vflow.problem.sparse_products import csr_matmul, csr_matmul_in_chunks
from w2vflow.support.machine import available_memory

jax.config.update("jax_enable_x64", True)


def seconds(call):
    jax.block_until_ready(call())
    times = []
    for _ in range(3):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return min(times)


@numba.njit(parallel=True)
def multiply(indptr, indices, values, block, cuts, out):
    width = block.shape[1]
    for part in numba.prange(len(cuts) - 1):
        for row in range(cuts[part], cuts[part + 1]):
            for k in range(width):
                out[row, k] = 0
            for at in range(indptr[row], indptr[row + 1]):
                value, column = values[at], indices[at]
                for k in range(width):
                    out[row, k] += value * block[column, k]


def peers(operator, block):
    """Names and calls: each the sparse part of the operator times the block, or all of it if dense."""
    arrays = *operator.entries, block
    host = [np.asarray(array) for array in arrays]
    size, entries = operator.size, len(host[2])
    csr = sparse.csr_array((host[2], host[1], host[0]), shape=(size, size))
    yield "the sparse operator's", lambda: jax.jit(csr_matmul)(*arrays)
    yield "SciPy", lambda: csr @ host[3]
    # Ranges of equally many entries: rows of frequent words hold most of them.
    cuts = np.searchsorted(host[0], np.linspace(0, entries, 17))
    cuts[0], cuts[-1] = 0, size
    out = np.empty_like(host[3])
    yield "loop in numba", lambda: multiply(*host, cuts, out)
    yield "in chunks, as on a GPU", lambda: jax.jit(csr_matmul_in_chunks)(*arrays)
    if 3 * size**2 * block.dtype.itemsize < available_memory():
        dense = csr.toarray()
        yield "dense, NumPy", lambda: dense @ host[3]
    else:
        yield "dense, NumPy", None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("statistics", nargs="*", default=["enwiki15k-v3000"])
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    a = parser.parse_args()
    for name in a.statistics:
        operator = wf.Problem.from_statistics(wf.load_statistics(name), matrix="sparse").target_operator()
        operator = operator.astype(np.dtype(a.dtype))
        rng = np.random.default_rng(0)
        block = jnp.asarray(rng.standard_normal((operator.size, a.width)), a.dtype)
        entries = operator.values.size
        density = entries / operator.size**2
        print(f"V = {operator.size}, {entries:,} pairs ({density:.2%}), {a.width} vectors, {a.dtype}")
        first = None
        for peer, call in peers(operator, block):
            if call is None:
                print(f"{peer:<30}does not fit into memory")
                continue
            took = seconds(call)
            first = first or took
            rate = 2 * entries * a.width / took / 1e9
            print(f"{peer:<30}{took:>9.4f} s {rate:>8.1f} G/s  ratio {took / first:.2f}", flush=True)


if __name__ == "__main__":
    main()
