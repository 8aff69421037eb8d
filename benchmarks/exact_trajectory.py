"""The exact trajectory at scale, from leading eigenpairs, beside all of them and beside the flow.

    python benchmarks/exact_trajectory.py STATISTICS.npz [--dim 200] [--pairs 900] [--scale 1e-10]
                                          [--times 400] [--complete] [--flow]

STATISTICS is what `w2vflow count` writes. Prints seconds without compilation, the proven error
bound, and with `--complete` (the whole eigenbasis; minutes) and `--flow` (the gradient flow
integrated in it; longer) the largest difference of a singular value over the largest of all.
"""

import argparse
import time

import jax
import numpy as np

import w2vflow as wf

jax.config.update("jax_enable_x64", True)


def timed(name, call):
    start = time.perf_counter()
    result = call()
    print(f"{name:<44}{time.perf_counter() - start:>9.1f} s", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("statistics")
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=900)
    parser.add_argument("--tol", type=float, default=1e-8)
    parser.add_argument("--scale", type=float, default=1e-10)
    parser.add_argument("--times", type=int, default=400)
    parser.add_argument("--complete", action="store_true")
    parser.add_argument("--flow", action="store_true")
    a = parser.parse_args()
    problem = wf.Problem.from_statistics(wf.load_statistics(a.statistics))
    size = problem.vocab_size
    print(f"V = {size}, d = {a.dim}, {a.times} times, scale {a.scale:g}, {jax.devices()[0].device_kind}")
    leading = timed(f"{a.pairs} leading eigenpairs (once)", lambda: wf.leading_eigenpairs(
        problem, a.pairs, tol=a.tol))  # fmt: skip
    W0 = wf.gaussian_init(jax.random.key(0), size, a.dim, a.scale)
    mean = wf.step_time_law(problem, a.dim, a.scale, spectrum=leading).mean
    ts = np.linspace(0, 1.1 * mean.max(), a.times)

    wf.predict(problem, W0, ts, spectrum=leading)
    exact = timed("exact trajectory, compiled", lambda: wf.predict(problem, W0, ts, spectrum=leading))
    largest = exact.singular_values.max()
    proven = np.max(exact.error_bound) / leading.eigenvalues[0]
    print(f"proven bound on the error of s^2, over lambda_1: {proven:.1e}")
    if not (a.complete or a.flow):
        return
    basis = timed("complete eigenbasis (once)", lambda: wf.leading_eigenpairs(problem, size))
    every = timed("exact trajectory from all eigenpairs",
                  lambda: wf.predict(problem, W0, ts, spectrum=basis))  # fmt: skip
    off = np.abs(exact.singular_values - every.singular_values)
    print(f"leading eigenpairs against all: {off.max() / largest:.1e} of s_1, "
          f"mean over times and modes {off.mean() / largest:.1e}", flush=True)  # fmt: skip
    if a.flow:
        flow = timed(
            "gradient flow", lambda: wf.solve_flow(problem, W0, ts, spectrum=basis, max_steps=65_536)
        )
        for name, one in (("leading eigenpairs", exact), ("all eigenpairs", every)):
            error = np.abs(one.singular_values - flow.singular_values).max() / largest
            print(f"exact trajectory from {name} against the flow: {error:.1e} of s_1")
        print(f"{flow.metadata['accepted_steps'][0]} steps")


if __name__ == "__main__":
    main()
