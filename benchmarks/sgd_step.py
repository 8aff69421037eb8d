"""Ways to make one SGD step of an ensemble, in pairs per second.

    python benchmarks/sgd_step.py [--vocab-size 2000] [--dim 16] [--batch-size 131072] [--seeds 8]

Compares what `w2vflow.sgd` does with: all seeds in one vmapped step, the batch in one piece, two
scatters, dense accumulation then matrix product, and `jax.grad` of the minibatch loss. Every way
computes the same gradient; its distance from the first is printed beside the time.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

import w2vflow as wf
from w2vflow.sgd.ensemble import _parts, minibatch_gradient
from w2vflow.sgd.samplers import Balanced


def two_scatters(loss, W, batch):
    left, right = W[batch.rows], W[batch.columns]
    x = jnp.sum(left * right, axis=1)
    slope = batch.positive * loss.positive_slope(x) + batch.negative * loss.negative_slope(x)
    slope = (slope / len(x))[:, None]
    return jnp.zeros_like(W).at[batch.rows].add(slope * right).at[batch.columns].add(slope * left)


def dense_accumulation(loss, W, batch):
    x = jnp.sum(W[batch.rows] * W[batch.columns], axis=1)
    slope = batch.positive * loss.positive_slope(x) + batch.negative * loss.negative_slope(x)
    dense = jnp.zeros((len(W), len(W)), W.dtype).at[batch.rows, batch.columns].add(slope / len(x))
    return dense @ W + dense.T @ W


def autodiff(loss, W, batch):
    def value(W):
        x = jnp.sum(W[batch.rows] * W[batch.columns], axis=1)
        return jnp.mean(batch.positive * loss.positive(x) + batch.negative * loss.negative(x))

    return jax.grad(value)(W)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (
        ("vocab-size", 2000),
        ("dim", 16),
        ("batch-size", 131_072),
        ("seeds", 8),
        ("steps", 10),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    a = parser.parse_args()
    problem = wf.Problem.from_statistics(wf.load_statistics("enwiki15k-v3000").most_frequent(a.vocab_size))
    sampler, loss = Balanced.of(problem), problem.pair_loss
    keys = jax.random.split(jax.random.key(0), a.seeds)
    W0 = wf.gaussian_init(keys, a.vocab_size, a.dim, 0.1).astype(jnp.float32)
    rate = jnp.float32(1e-6)

    def in_parts(gradient, parts):
        def step(W, key):
            def add(total, part_key):
                return total + gradient(loss, W, sampler.draw(part_key, a.batch_size // parts)) / parts, None

            return jax.lax.scan(add, jnp.zeros_like(W), jax.random.split(key, parts))[0]

        return step

    parts = _parts(a.batch_size, a.dim)
    one_by_one = lambda step: lambda W, keys: jax.lax.map(lambda s: step(*s), (W, keys))  # noqa: E731
    ways = {
        "one scatter, in parts, seed by seed": one_by_one(in_parts(minibatch_gradient, parts)),
        "one scatter, in parts, vmapped seeds": jax.vmap(in_parts(minibatch_gradient, parts)),
        "one scatter, whole, seed by seed": one_by_one(in_parts(minibatch_gradient, 1)),
        "one scatter, whole, vmapped seeds": jax.vmap(in_parts(minibatch_gradient, 1)),
        "two scatters, in parts, seed by seed": one_by_one(in_parts(two_scatters, parts)),
        "dense accumulation, whole, seed by seed": one_by_one(in_parts(dense_accumulation, 1)),
        "jax.grad, whole, vmapped seeds": jax.vmap(in_parts(autodiff, 1)),
    }
    print(
        f"V = {a.vocab_size}, d = {a.dim}, {a.batch_size} pairs x {a.seeds} seeds, "
        f"{jax.devices()[0].device_kind}"
    )
    print(f"{'':<42}{'ms a step':>10}{'Mpairs/s':>10}{'ratio':>7}{'compile s':>10}  distance")
    reference = {}
    for name, gradients in ways.items():

        @jax.jit
        def run(W, keys, gradients=gradients):
            def body(n, W):
                now = jax.vmap(lambda key: jax.random.fold_in(key, n))(keys)
                return W - rate * gradients(W, now)

            return jax.lax.fori_loop(0, a.steps, body, W)

        start = time.perf_counter()
        result = np.asarray(run(W0, keys))
        compiled = time.perf_counter() - start
        times = []
        for _ in range(3):
            start = time.perf_counter()
            jax.block_until_ready(run(W0, keys))
            times.append((time.perf_counter() - start) / a.steps)
        taken = float(np.median(times))
        first = reference.setdefault("time", taken)
        # Parts draw other pairs than a whole batch: compare like with like.
        like = reference.setdefault("parts" if "parts" in name else "whole", result)
        distance = np.abs(result - like).max() / np.abs(like - np.asarray(W0)).max()
        rate_of_pairs = a.seeds * a.batch_size / taken / 1e6
        print(
            f"{name:<42}{taken * 1e3:>10.1f}{rate_of_pairs:>10.1f}{taken / first:>7.2f}"
            f"{compiled - taken * a.steps:>10.1f}  {distance:.0e}"
        )


if __name__ == "__main__":
    main()
