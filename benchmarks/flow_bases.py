"""The gradient flow in the dense basis and in the eigenbasis, beside the exact solution.

    python benchmarks/flow_bases.py [--vocab-size 2000] [--dim 16] [--scale 1e-2] [--times 60]

Prints seconds without compilation, accepted steps, and the largest error of a singular value over
the largest of all. The eigenbasis itself is timed apart: it is found once for all seeds and times.
"""

import argparse
import time

import jax
import numpy as np

import w2vflow as wf

jax.config.update("jax_enable_x64", True)


def timed(call):
    call()
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vocab-size", type=int, default=2000)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--scale", type=float, default=1e-2)
    parser.add_argument("--times", type=int, default=60)
    a = parser.parse_args()
    problem = wf.Problem.from_statistics(wf.load_statistics("enwiki15k-v3000").most_frequent(a.vocab_size))
    start = time.perf_counter()
    basis = wf.leading_eigenpairs(problem, a.vocab_size)
    print(f"V = {a.vocab_size}, d = {a.dim}, scale {a.scale:g}, {jax.devices()[0].device_kind}")
    print(f"{'complete eigenbasis (once)':<28}{time.perf_counter() - start:>8.2f} s")
    W0 = wf.gaussian_init(jax.random.key(0), a.vocab_size, a.dim, a.scale)
    ts = np.linspace(0, 1.1 * wf.step_time_law(problem, a.dim, a.scale, spectrum=basis).mean.max(), a.times)
    exact, seconds = timed(lambda: wf.predict(problem, W0, ts, spectrum=basis))
    print(f"{'exact solution':<28}{seconds:>8.2f} s")
    first = None
    for name, options in (
        ("flow, dense basis", {"basis": "words"}),
        ("flow, eigenbasis", {"spectrum": basis}),
    ):
        flow, seconds = timed(lambda options=options: wf.solve_flow(problem, W0, ts, **options))
        first = first or seconds
        error = np.abs(flow.singular_values - exact.singular_values).max() / exact.singular_values.max()
        steps = flow.metadata["accepted_steps"][0]
        print(f"{name:<28}{seconds:>8.2f} s  {steps} steps  error {error:.0e}  ratio {first / seconds:.1f}")


if __name__ == "__main__":
    main()
