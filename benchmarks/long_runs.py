"""What looking costs, and what many seeds cost: SGD with many observations, and eight seeds against one.

    python benchmarks/long_runs.py [--vocab-size 2000] [--dim 100] [--batch-size 20000] [--steps 400]

Prints seconds for the same steps in one compiled loop without any host, with one observation, with
many, and with metrics and checkpoints; then seconds of one seed and of eight. Best of several. All but
the bare loop begin with the stability limit and the sampler's tables; an observation costs a product
of all pairs.
"""

import argparse
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import w2vflow as wf
from w2vflow.sgd.engine import Descent
from w2vflow.sgd.minibatches import Minibatches


def best(function, repeats=3):
    function()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("vocab-size", 2000), ("dim", 100), ("batch-size", 20_000), ("steps", 400)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--sampler", default="balanced")
    a = parser.parse_args()
    problem = wf.Problem.from_statistics(wf.load_statistics("enwiki15k-v3000").most_frequent(a.vocab_size))
    rate = 0.02 * float(wf.stability_limit(problem))
    keys = jax.random.split(jax.random.key(0), 8)
    settings = {
        "dim": a.dim, "scale": 0.1, "learning_rate": rate, "batch_size": a.batch_size, "sampler": a.sampler,
    }  # fmt: skip

    source = Minibatches.of(problem, a.sampler, a.batch_size, a.dim, True)
    descent = Descent(source, jnp.float32(rate))
    start = wf.gaussian_init(keys[0], a.vocab_size, a.dim, 0.1).astype(jnp.float32)

    @jax.jit
    def loop(Z, key):
        return jax.lax.fori_loop(0, a.steps, lambda n, Z: descent.step(n, key, Z, None)[0], Z)

    def run(observations, seeds=1, **recording):
        ts = rate * np.linspace(0, a.steps, observations + 1)[1:]
        kept = wf.Recording(**recording)
        return lambda: wf.run_sgd_ensemble(problem, keys[:seeds], ts, **settings, recording=kept)

    print(f"V = {a.vocab_size}, d = {a.dim}, batch {a.batch_size}, {a.sampler}, {a.steps} steps")
    bare = best(lambda: jax.block_until_ready(loop(start, keys[0])))
    with tempfile.TemporaryDirectory() as folder:
        recording = {"metrics": Path(folder) / "m.jsonl", "checkpoint": Path(folder) / "c"}
        ways = {
            "one compiled loop, no host": bare,
            "1 observation": best(run(1)),
            "20 observations": best(run(20)),
            "200 observations": best(run(200)),
            "200 observations, metrics, checkpoint": best(run(200, **recording)),
        }
    for name, seconds in ways.items():
        print(f"{name:<40}{seconds:>8.3f} s {seconds / bare:>6.2f}")
    one, eight = best(run(1)), best(run(1, 8))
    pairs = 8 * a.steps * source.pairs / eight / 1e6
    print(f"8 seeds {eight:.3f} s, 1 seed {one:.3f} s: {eight / one:.2f} times; {pairs:.1f} M pairs/s")


if __name__ == "__main__":
    main()
