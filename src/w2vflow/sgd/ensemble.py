"""Stochastic gradient descent over many seeds at once, through optax."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, Key
from tqdm import tqdm

from w2vflow.checks import argument_error, check_times, check_weights
from w2vflow.losses import Quartic
from w2vflow.problem import Problem, gaussian_init, objective
from w2vflow.resources import check_fits
from w2vflow.sgd.samplers import SAMPLERS, PairBatch, Sampler
from w2vflow.spectrum import check_learning_rate
from w2vflow.trajectory import Trajectory, singular_values

__all__ = ["minibatch_gradient", "run_sgd", "run_sgd_ensemble"]


def minibatch_gradient(pair_loss: Quartic, W: Float[Array, "V d"], batch: PairBatch) -> Float[Array, "V d"]:
    """Return the gradient of `mean over pairs of [positive l+(x) + negative l-(x)]`, `x = w_i . w_j`.

    One scatter-add of both sides of every pair: nothing of size `V x V`, and on a CPU half the time
    of a dense accumulation at V = 2,000 (`benchmarks/sgd_step.py`).
    """
    left, right = W[batch.rows], W[batch.columns]
    x = jnp.sum(left * right, axis=1)
    slope = batch.positive * pair_loss.positive_slope(x) + batch.negative * pair_loss.negative_slope(x)
    slope = (slope / len(x))[:, None]
    touched = jnp.concatenate([batch.rows, batch.columns])
    return jnp.zeros_like(W).at[touched].add(jnp.concatenate([slope * right, slope * left]))


def run_sgd(
    problem: Problem,
    W0: Any,
    ts: Any,
    *,
    key: Key[Array, ""],
    learning_rate: float,
    batch_size: int,
    sampler: str = "corpus",
    save_embeddings: bool = False,
    progress: bool = False,
) -> Trajectory:
    """Return the trajectory of SGD on minibatches of pairs, in float32.

        W <- W - eta * (gradient of the minibatch loss);   time advances by eta a step

    Args:
        problem: the problem.
        W0: initial weights `(V, dim)`.
        ts: times at which to observe; each is moved to the nearest whole step (see the result's `ts`).
        key: JAX key of the minibatches.
        learning_rate: `eta`, below `stability_limit(problem)`.
        batch_size: pairs in a minibatch.
        sampler: `"corpus"` or `"balanced"`; see `w2vflow.sgd.samplers`.
        save_embeddings: keep `W` at all times.
        progress: show a progress bar.

    Raises:
        ValueError: a bad argument, a learning rate above the stability limit among them.
        RuntimeError: the weights diverged (minibatch noise can do that below the limit).
    """
    weights = check_weights(W0, problem.vocab_size)
    if weights.ndim != 2:
        raise argument_error(
            "W0", "of one seed, (V, dim)", f"shape {weights.shape}", "Use `run_sgd_ensemble`."
        )
    ensemble = _run(
        problem, weights[None], key[None], ts, learning_rate, batch_size, sampler, save_embeddings, progress
    )
    return ensemble.of_seed(0)


def run_sgd_ensemble(
    problem: Problem,
    keys: Key[Array, " S"],
    ts: Any,
    *,
    dim: int,
    scale: float,
    learning_rate: float,
    batch_size: int,
    sampler: str = "corpus",
    save_embeddings: bool = False,
    progress: bool = False,
) -> Trajectory:
    """Return the trajectories of an SGD ensemble, all seeds side by side in one compiled scan.

    Seed `s` starts from `gaussian_init(keys[s], V, dim, scale)`, so that
    `predict(problem, gaussian_init(keys, V, dim, scale), ts)` predicts the very same runs, and
    draws its minibatches from a key folded out of `keys[s]`. Its result does not depend on the
    other seeds.

    Args:
        problem: the problem.
        keys: JAX keys, `jax.random.split(key, S)`.
        ts: as in `run_sgd`.
        dim: embedding dimension.
        scale: size of the initial weights.
        learning_rate, batch_size, sampler, save_embeddings, progress: as in `run_sgd`.

    Raises:
        ValueError, RuntimeError: as `run_sgd`.
    """
    weights = np.asarray(gaussian_init(keys, problem.vocab_size, dim, scale), np.float64)
    if weights.ndim != 3:
        raise argument_error(
            "keys", "an array of keys", f"shape {keys.shape}", "Use `jax.random.split(key, S)`."
        )
    draws = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)
    return _run(problem, weights, draws, ts, learning_rate, batch_size, sampler, save_embeddings, progress)


def _run(
    problem: Problem,
    starts: np.ndarray,
    keys: Key[Array, " S"],
    ts: Any,
    learning_rate: float,
    batch_size: int,
    sampler: str,
    save_embeddings: bool,
    progress: bool,
) -> Trajectory:
    """Check, run and collect; the common part of the two public functions."""
    limit = check_learning_rate(problem, learning_rate)
    steps = _whole_steps(check_times(ts), learning_rate)
    _check_batch(batch_size, sampler)
    check_fits(
        "problem",
        f"SGD's table of all pairs of {problem.vocab_size} words",
        6 * 8 * problem.vocab_size**2,
        "Use `stats.most_frequent(n)` with a smaller n.",
    )
    mesh = _seed_mesh(len(starts))
    on_seeds = NamedSharding(mesh, PartitionSpec("seed"))
    with tqdm(total=len(steps), desc="SGD", unit="save", disable=not progress) as bar:
        values, loss, kept = _simulate(
            SAMPLERS[sampler].of(problem),
            problem.pair_loss,
            # By way of the host: the problem may lie on a CPU beside an accelerator without float64.
            jax.device_put(np.asarray(problem.target(), np.float32), NamedSharding(mesh, PartitionSpec())),
            jax.device_put(jnp.asarray(starts, jnp.float32), on_seeds),
            jax.device_put(keys, on_seeds),
            jnp.asarray(np.diff(steps, prepend=0), jnp.int32),
            jnp.asarray(learning_rate, jnp.float32),
            batch_size,
            save_embeddings,
            mesh,
            _advance(bar, 1 / mesh.size) if progress else None,
        )
        jax.block_until_ready(loss)
        jax.effects_barrier()
    times = steps * learning_rate
    _check_finite(np.asarray(loss), times, learning_rate, limit)
    return Trajectory(
        "sgd",
        times,
        np.asarray(values),
        np.asarray(loss),
        None if kept is None else np.asarray(kept),
        {
            "method": "SGD",
            "sampler": sampler,
            "learning_rate": learning_rate,
            "batch_size": batch_size,
            "steps": int(steps[-1]),
            "devices": mesh.size,
            "precision": "float32",
        },
    )


def _whole_steps(times: np.ndarray, learning_rate: float) -> np.ndarray:
    steps = np.rint(times / learning_rate).astype(np.int64)
    if (np.diff(steps) == 0).any():
        raise argument_error(
            "ts",
            f"at least one step of {learning_rate:.3g} apart",
            f"times as close as {np.diff(times).min():.3g}",
            "Ask for fewer times or use a smaller `learning_rate`.",
        )
    if steps[-1] > np.iinfo(np.int32).max:
        raise argument_error("learning_rate", "at least `ts[-1] / 2^31`", learning_rate)
    return steps


def _check_batch(batch_size: int, sampler: str) -> None:
    if sampler not in SAMPLERS:
        raise argument_error("sampler", f"one of {sorted(SAMPLERS)}", repr(sampler))
    if batch_size < 1 or (sampler == "corpus" and batch_size % 2):
        raise argument_error(
            "batch_size",
            "at least 1, and even for the sampler 'corpus' (half positive, half negative)",
            batch_size,
        )


def _check_finite(loss: np.ndarray, times: np.ndarray, learning_rate: float, limit: float) -> None:
    finite = np.isfinite(loss).all(axis=1)
    if not finite.all():
        raise RuntimeError(
            f"SGD diverged before time {times[np.argmin(finite)]:.4g} at learning rate {learning_rate:.4g}. "
            f"Full-batch descent is stable below {limit:.4g}; minibatch noise lowers that. "
            "Use a smaller `learning_rate`, a larger `batch_size`, or the sampler 'balanced'."
        )


def _advance(bar: tqdm, share: float) -> Callable[[], None]:
    """Return what each device calls at each observation: its share of one tick of the bar."""

    def advance() -> None:
        bar.update(share)

    return advance


def _seed_mesh(seeds: int) -> Mesh:
    """Return a mesh over as many devices as share the seeds evenly."""
    devices = jax.devices()
    count = max(n for n in range(1, min(seeds, len(devices)) + 1) if seeds % n == 0)
    return Mesh(np.asarray(devices[:count]), ("seed",))


def _parts(batch_size: int, dim: int) -> int:
    """Return into how many equal parts, a power of 2, to cut a batch so that its vectors fit a cache."""
    parts = 1
    while batch_size // parts * dim > 2**18 and batch_size % (4 * parts) == 0:
        parts *= 2
    return parts


@eqx.filter_jit
def _simulate(
    sampler: Sampler,
    pair_loss: Quartic,
    target: Float[Array, "V V"],
    starts: Float[Array, "S V d"],
    keys: Key[Array, " S"],
    steps_between: Int[Array, " T"],
    learning_rate: Float[Array, ""],
    batch_size: int,
    keep_weights: bool,
    mesh: Mesh,
    on_save: Callable[[], None] | None,
) -> tuple[Float[Array, "S T d"], Float[Array, "S T"], Float[Array, "S T V d"] | None]:
    """Scan over observation times, a loop of steps before each, a vmapped step for the seeds.

    Seeds are split over the devices of the mesh, which have nothing to say to each other.
    """
    optimizer = optax.sgd(learning_rate)

    parts = _parts(batch_size, starts.shape[2])
    # An accelerator wants all seeds in one vmapped step; a CPU core is faster seed after seed, with
    # one seed's part of a batch in its cache (1.3 times, benchmarks/sgd_step.py).
    together = None if mesh.devices.flat[0].platform == "cpu" else len(starts) // mesh.size

    def step(number: Array, key: Array, W: Array, state: Any) -> tuple[Array, Any]:
        def add_part(total: Array, part_key: Array) -> tuple[Array, None]:
            batch = sampler.draw(part_key, batch_size // parts)
            return total + minibatch_gradient(pair_loss, W, batch) / parts, None

        part_keys = jax.random.split(jax.random.fold_in(key, number), parts)
        mean, _ = jax.lax.scan(add_part, jnp.zeros_like(W), part_keys)
        updates, state = optimizer.update(mean, state, W)
        return optax.apply_updates(W, updates), state

    def run(W: Array, keys: Array) -> tuple[Array, Array, Array | None]:
        def until_save(carry: tuple[Array, Array, Any], count: Array) -> tuple[Any, Any]:
            number, W, state = carry
            W, state = jax.lax.fori_loop(
                number,
                number + count,
                lambda n, now: jax.lax.map(lambda seed: step(n, *seed), (keys, *now), batch_size=together),
                (W, state),
            )
            if on_save is not None:
                jax.debug.callback(on_save)
            # Seed by seed: a product with a batch of thin matrices would be split up anyway.
            values, loss = jax.lax.map(lambda w: (singular_values(w), objective(target, w)), W)
            return (number + count, W, state), (values, loss, W if keep_weights else None)

        start = (jnp.zeros((), jnp.int32), W, jax.vmap(optimizer.init)(W))
        seen = jax.lax.scan(until_save, start, steps_between)[1]
        return jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), seen)

    of_seed = PartitionSpec("seed")
    return jax.shard_map(run, mesh=mesh, in_specs=(of_seed, of_seed), out_specs=of_seed, check_vma=False)(
        starts, keys
    )
