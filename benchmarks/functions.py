"""A gradient and a sweep as compiled functions: against the forward pass, and against a plain loop.

    python benchmarks/functions.py [--vocab-size 2000] [--dim 16] [--scales 64] [--seeds 8]

Prints seconds of the compiled functions, the least of three, and of the first call, which compiles:
step times of one start from the counts, their sum; its gradient in every count; step times of all
scales and seeds in one call, and in a loop of calls one by one.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

import w2vflow as wf

jax.config.update("jax_enable_x64", True)


def timed(name, call):
    """Print and return the seconds of a call, the least of three."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        found = jax.block_until_ready(call())
        seconds.append(time.perf_counter() - start)
    print(f"{name:<44}{min(seconds[1:]):>8.3f} s   the first time {seconds[0]:.1f} s")
    return found, min(seconds[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vocab-size", type=int, default=2000)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--scales", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=8)
    a = parser.parse_args()
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(a.vocab_size)
    problem = wf.Problem.from_statistics(stats)
    W0 = wf.gaussian_init(jax.random.key(0), a.vocab_size, a.dim, 1e-2)

    def total(counts):
        return wf.predict_step_times(wf.Problem.from_statistics(stats.with_values(counts)), W0).sum()

    counts, forward, back = jnp.asarray(stats.values), jax.jit(total), jax.jit(jax.grad(total))
    print(f"V = {a.vocab_size:,}, d = {a.dim}, {counts.size:,} counts, {jax.devices()[0].device_kind}")
    _, once = timed("step times from the counts", lambda: forward(counts))
    slopes, gradient = timed("gradient in every count", lambda: back(counts))
    # The counts of each word by a share of them to where the sum rises, in both orders of a pair: central
    # differences of fourth order.
    rows = np.repeat(np.arange(a.vocab_size), np.diff(stats.indptr))
    rising = np.sign(np.bincount(rows, np.asarray(slopes * counts)))
    along, h = counts * (rising[rows] + rising[np.asarray(stats.indices)]) / 2, 1e-3
    at = {step: float(forward(counts + step * h * along)) for step in (-2, -1, 1, 2)}
    slope = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)
    off = abs(slope / float(slopes @ along) - 1)
    print(f"ratio {gradient / once:.2f}; {off:.0e} from central differences")

    spectrum = wf.leading_eigenpairs(problem, min(4 * a.dim + 100, a.vocab_size))
    keys, scales = jax.random.split(jax.random.key(0), a.seeds), jnp.logspace(-8, -2, a.scales)

    def step_times(scale, key):
        start = wf.gaussian_init(key, a.vocab_size, a.dim, scale)
        return wf.predict_step_times(problem, start, spectrum=spectrum)

    sweep = jax.jit(jax.vmap(jax.vmap(step_times, (None, 0)), (0, None)))
    mapped, compiled = timed(f"{a.scales} scales x {a.seeds} seeds in one call", lambda: sweep(scales, keys))
    looped, loop = timed(
        "the same in a loop",
        lambda: jnp.stack([jnp.stack([step_times(float(s), key) for key in keys]) for s in scales]),
    )
    np.testing.assert_allclose(mapped, looped, rtol=1e-9)
    print(f"ratio {loop / compiled:.1f}")


if __name__ == "__main__":
    main()
