"""Ways to make one SGD step: kernels, samplers, tables of weights, in pairs per second.

    python benchmarks/sgd_step.py kernels    [--vocab-size 2000] [--dim 100] [--batch-size 20000] [--steps 20]
    python benchmarks/sgd_step.py samplers   [...] [--seeds 1] [--weighting Uniform] [--stats PATH]
    python benchmarks/sgd_step.py tables     [...]

`kernels`: the same gradient of given pairs by several ways, and its distance from the first.
`samplers`: whole steps, drawing included; and the noise of the gradient, at the start and after some
descent: `E |g - gradient|^2 / |gradient|^2` times the seconds of a step, which is what a run pays for.
`tables`: weights of random pairs from a matrix and by binary search.
Times are the best of several; `cpu` is the time of all cores together.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

import w2vflow as wf
from w2vflow.problem import Quartic
from w2vflow.problem import weightings as weighting
from w2vflow.sgd.samplers import gradients as kernels
from w2vflow.sgd.samplers.draws import AliasTable
from w2vflow.sgd.samplers.gradients import PairBatch, added_rows, pair_gradient
from w2vflow.sgd.samplers.pairs import SAMPLERS
from w2vflow.sgd.samplers.weight_table import DenseTable, SearchedTable

LOSS = Quartic()


def slopes(Z, batch):
    return LOSS.slope(batch.positive, batch.negative, jnp.sum(Z[batch.first] * Z[batch.second], axis=1))[
        :, None
    ]


def one_scatter(Z, batch, factor):
    return added_rows(Z, pair_gradient(Z, LOSS, batch), factor, False)


def vectors_end_to_end(Z, batch, factor):
    slope = factor * slopes(Z, batch)
    values = jnp.concatenate([slope * Z[batch.second], slope * Z[batch.first]])
    return Z.at[jnp.concatenate([batch.first, batch.second])].add(values)


def two_scatters(Z, batch, factor):
    slope = factor * slopes(Z, batch)
    return Z.at[batch.first].add(slope * Z[batch.second]).at[batch.second].add(slope * Z[batch.first])


def in_parts(parts):
    def step(Z, batch, factor):
        def add(total, part):
            return added_rows(total, pair_gradient(Z, LOSS, PairBatch(*part)), factor, False), None

        return jax.lax.scan(add, Z, tuple(x.reshape(parts, -1) for x in batch))[0]

    return step


def dense_accumulation(Z, batch, factor):
    slope = jnp.zeros((len(Z), len(Z)), Z.dtype).at[batch.first, batch.second].add(slopes(Z, batch)[:, 0])
    return Z + factor * (slope @ Z + slope.T @ Z)


def sums_in_order(Z, batch, factor):
    gradient = pair_gradient(Z, LOSS, batch)
    return kernels._added_in_order(Z, gradient.rows, factor * gradient.values)


def autodiff(Z, batch, factor):
    def value(Z):
        x = jnp.sum(Z[batch.first] * Z[batch.second], axis=1)
        return jnp.sum(LOSS.value(batch.positive, batch.negative, x))

    return Z + factor * jax.grad(value)(Z)


KERNELS = {
    "one scatter (pair_gradient)": one_scatter,
    "one scatter, 4 parts": in_parts(4),
    "one scatter, 8 parts": in_parts(8),
    "vectors end to end": vectors_end_to_end,
    "two scatters": two_scatters,
    "dense accumulation, product": dense_accumulation,
    "sort, sums in order, set": sums_in_order,
    "jax.grad": autodiff,
}


def measure(step, state, steps, *arguments):
    """Return the result, and seconds and seconds of all cores per step, within one compiled loop."""

    @jax.jit
    def run(state, *arguments):
        return jax.lax.fori_loop(0, steps, lambda n, now: step(n, now, *arguments), state)

    result = jax.block_until_ready(run(state, *arguments))
    wall, cpu = [], []
    for _ in range(7):
        started = time.perf_counter(), time.process_time()
        jax.block_until_ready(run(state, *arguments))
        wall.append((time.perf_counter() - started[0]) / steps)
        cpu.append((time.process_time() - started[1]) / steps)
    return result, min(wall), min(cpu)


def report(name, pairs, wall, cpu, more=""):
    print(f"{name:<32}{wall * 1e3:>9.2f}{cpu * 1e3:>9.2f}{pairs / wall / 1e6:>10.1f}  {more}", flush=True)


def compare_kernels(a, stats):
    rng = np.random.default_rng(0)
    Z = jnp.asarray(rng.normal(size=(a.vocab_size, a.dim)) / 10, jnp.float32)
    pairs = rng.integers(a.vocab_size, size=(2, a.steps, a.batch_size), dtype=np.int32)
    weights = rng.random((2, a.steps, a.batch_size), dtype=np.float32)
    first = None
    for name, kernel in KERNELS.items():

        def step(n, Z, *batches, kernel=kernel):
            return kernel(Z, PairBatch(*(part[n] for part in batches)), jnp.float32(-1e-4))

        result, wall, cpu = measure(step, Z, a.steps, *map(jnp.asarray, (*pairs, *weights)))
        first = result if first is None else first
        distance = float(jnp.abs(result - first).max() / jnp.abs(first - Z).max())
        report(name, a.batch_size, wall, cpu, f"distance {distance:.0e}")


def descended(problem, Z, steps):
    """Return weights after some full-batch descent with Adam's step, which suits every weighting."""
    import optax

    gradient, adam = problem.objective(np.float32), optax.adam(5e-3)

    @jax.jit
    def move(objective, Z, state):
        updates, state = adam.update(objective.gradient(Z), state, Z)
        return Z + updates, state

    state = adam.init(Z)
    for _ in range(steps):
        Z, state = move(gradient, Z, state)
    return Z


def noise(problem, sampler, states, batch_size):
    """Return `E |g - gradient|^2 / |gradient|^2` of a sampler at each of the states."""

    @jax.jit
    def excess(sampler, Z, full, keys):
        def one(key):
            rows = sampler.gradient(key, Z, problem.pair_loss, batch_size)
            return jnp.sum((added_rows(jnp.zeros_like(Z), rows, 1.0, True) - full) ** 2)

        return jnp.mean(jax.lax.map(one, keys)) / jnp.sum(full**2)

    objective, keys = problem.objective(np.float32), jax.random.split(jax.random.key(9), 40)
    return [float(excess(sampler, Z, objective.gradient(Z), keys)) for Z in states]


def compare_samplers(a, stats):
    weights = getattr(weighting, a.weighting)()
    tied = a.weighting != "Mikolov"
    problem = wf.Problem.from_statistics(stats, weighting=weights, tied=tied)
    rows = problem.sides * stats.vocab_size
    keys = jax.random.split(jax.random.key(0), a.seeds)
    Z = jax.vmap(lambda key: jax.random.normal(key, (rows, a.dim), jnp.float32))(keys) * (0.1 / a.dim**0.5)
    # Stacked, so that all lie on the devices in the same way and one compiled function serves them.
    states = [] if a.no_noise else jnp.stack([Z[0], *(descended(problem, Z[0], n) for n in (30, 300))])
    for name, build in SAMPLERS.items():
        sampler = build.of(problem)

        def step(n, Z, keys, sampler):
            def one(seed):
                key, Z = seed
                drawn = sampler.gradient(jax.random.fold_in(key, n), Z, problem.pair_loss, a.batch_size)
                return added_rows(Z, drawn, jnp.float32(-1e-6), True)

            # One seed after the other on a CPU, as the engine does.
            return jax.lax.map(one, (keys, Z)) if a.seeds > 1 else one((keys[0], Z[0]))[None]

        _, wall, cpu = measure(step, Z, a.steps, keys, sampler)
        seen = " ".join(f"{value * wall:.3g}" for value in noise(problem, sampler, states, a.batch_size))
        text = f"noise x s: {seen}" if seen else ""
        report(name, a.seeds * sampler.pairs(a.batch_size), wall, cpu, text)


def compare_tables(a, stats):
    from scipy import sparse

    counts = sparse.csr_array(stats.counts.astype(np.float64))
    side = 64
    for form, table in (
        ("matrix", DenseTable.of(counts.astype(np.float32).toarray())),
        ("search", SearchedTable.of(counts.indptr, counts.indices, counts.data)),
    ):
        words = AliasTable.of(stats.word_probability)

        def of_pairs(n, total, table, words):
            key = jax.random.fold_in(jax.random.key(0), n)
            row, column = words.draw(key, 2 * a.batch_size).reshape(2, -1)
            return total + jnp.sum(table.at(row, column))

        def of_blocks(n, total, table, words):
            key, count = jax.random.fold_in(jax.random.key(0), n), max(1, round(a.batch_size / side**2))
            row, column = words.draw(key, 2 * count * side).reshape(2, count, side)
            return total + jnp.sum(table.at(row[:, :, None], column[:, None, :]))

        for name, step in (("pairs", of_pairs), ("blocks", of_blocks)):
            _, wall, cpu = measure(step, jnp.float32(0), a.steps, table, words)
            report(f"{form}, {name}", a.batch_size, wall, cpu)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    compare = {"kernels": compare_kernels, "samplers": compare_samplers, "tables": compare_tables}
    parser.add_argument("what", choices=compare)
    for name, default in (
        ("vocab-size", 2000),
        ("dim", 100),
        ("batch-size", 20_000),
        ("seeds", 1),
        ("steps", 20),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--weighting", default="Uniform", choices=["Uniform", "RankOne", "Plain", "Unigram", "Mikolov"]
    )
    parser.add_argument("--stats", default="enwiki15k-v3000", help="name or file of statistics")
    parser.add_argument("--no-noise", action="store_true", help="do not measure the noise of samplers")
    a = parser.parse_args()
    stats = wf.load_statistics(a.stats).most_frequent(a.vocab_size)
    print(
        f"V = {a.vocab_size}, d = {a.dim}, {a.batch_size} pairs x {a.seeds} seeds, "
        f"{jax.devices()[0].device_kind}"
    )
    print(f"{a.what:<32}{'ms':>9}{'cpu ms':>9}{'Mpairs/s':>10}")
    compare[a.what](a, stats)


if __name__ == "__main__":
    main()
