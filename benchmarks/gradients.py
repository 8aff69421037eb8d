"""Full-batch gradients of every problem: seconds, and memory beside the one matrix of pairs.

    w2vflow count TEXT --vocab-size 10000 --min-document-words 50 --out counts.npz
    python benchmarks/gradients.py counts.npz [--dim 200] [--block-pairs N ...]

Each problem runs in a process of its own, in float32. `temporary` is what the compiled gradient takes
beside weights and problem, in dense V x V matrices.
"""

import argparse
import subprocess
import sys
import time

PROBLEMS = [
    ("Uniform()", "quartic", True, "dense"),
    ("RankOne(0.5)", "quartic", True, "dense"),
    ("Uniform()", "logistic", True, "dense"),
    ("Mikolov(1e-4)", "logistic", False, "dense"),
    ("Mikolov(1e-4)", "logistic", False, "sparse"),
    ("Mikolov(1e-4)", "quartic", False, "sparse"),
]


def measure(path, dim, weighting, loss, tied, form, block_pairs):
    import jax
    import jax.numpy as jnp
    import numpy as np

    import w2vflow as wf
    from w2vflow.problem import objective as forms

    forms._BLOCK_PAIRS = block_pairs
    stats = wf.CooccurrenceStatistics.load(path)
    problem = wf.Problem.from_statistics(
        stats, weighting=eval(f"wf.{weighting}"), loss=loss, tied=tied, matrix=form
    )
    objective = problem.objective(np.float32)
    size = problem.sides * problem.vocab_size
    Z = jnp.asarray(np.random.default_rng(0).normal(size=(size, dim)) * 0.1, jnp.float32)
    gradient = jax.jit(lambda objective, Z: objective.gradient(Z)).lower(objective, Z).compile()
    temporary = gradient.memory_analysis().temp_size_in_bytes / (4 * problem.vocab_size**2)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        jax.block_until_ready(gradient(objective, Z))
        times.append(time.perf_counter() - start)
    name = f"{weighting:<14}{loss:<10}{'tied' if tied else 'untied':<8}{form:<8}"
    print(
        f"{name}{block_pairs:>10}{min(times[1:]):>10.2f} s{temporary:>8.2f} matrices",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("statistics")
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--block-pairs", type=int, nargs="+", default=[2**20])
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.only is not None:
        measure(a.statistics, a.dim, *PROBLEMS[a.only], a.block_pairs[0])
        return
    print("weighting     loss      weights form    block pairs     gradient     temporary")
    for pairs in a.block_pairs:
        for index in range(len(PROBLEMS)):
            own = ["--dim", str(a.dim), "--block-pairs", str(pairs), "--only", str(index)]
            subprocess.run([sys.executable, __file__, a.statistics, *own], check=True)


if __name__ == "__main__":
    main()
