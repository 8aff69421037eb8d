"""Engine of SGD and full-batch descent: compiled steps, with looks by the host in between."""

import dataclasses
import time
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key
from threadpoolctl import threadpool_limits

from w2vflow.problem import Objective
from w2vflow.results import singular_values
from w2vflow.sgd.journal import Journal
from w2vflow.support.devices import float64_device, has_float64
from w2vflow.support.machine import available_cores

__all__ = ["Descent", "Feed", "GradientSource", "Number", "Optimizer", "Weights", "descend", "placement"]

# The number of a step, and weights as rows of words, and of contexts below them where they are untied.
Number = Int[Array, ""]
Weights = Float[Array, "n d"]
# What makes an optax transformation of a learning rate or a schedule, e.g. `optax.adam`.
Optimizer = Callable[[Any], optax.GradientTransformation]


class GradientSource(eqx.Module):
    """The gradient of a step."""

    @property
    @abstractmethod
    def pairs(self) -> int:
        """Pairs of words in one step."""

    @abstractmethod
    def gradient(self, number: Number, key: Key[Array, ""], Z: Weights) -> Weights:
        """Return the gradient of the step with this number at the weights `Z`, drawn with `key`."""

    def moved(self, number: Number, key: Key[Array, ""], Z: Weights, factor: Float[Array, ""]) -> Weights:
        """Return `Z + factor * gradient`."""
        return Z + factor * self.gradient(number, key, Z)


class Feed(Protocol):
    """What brings data to a source from the host, in blocks of `steps` steps."""

    steps: int

    def next(self) -> GradientSource:
        """Return the source with the data of the next block."""

    def state(self, step: int) -> np.ndarray:
        """Return where to begin in order to go on after this step."""

    def restore(self, state: np.ndarray) -> None:
        """Begin there."""


class Descent(eqx.Module):
    """How a step is made.

    Attributes:
        source: of the gradient.
        learning_rate: a number, or a schedule of the step.
        optimizer: None for plain descent, `Z <- Z - eta * gradient`.
    """

    source: GradientSource
    learning_rate: Float[Array, ""] | Callable[[Any], Any]
    optimizer: Optimizer | None = eqx.field(static=True, default=None)

    def start(self, Z: Weights) -> Any:
        """Return the optimizer's state before the first step."""
        return None if self.optimizer is None else self.optimizer(self.learning_rate).init(Z)

    def step(self, number: Number, key: Key[Array, ""], Z: Weights, state: Any) -> tuple[Weights, Any]:
        """Return weights and optimizer's state after the step with this number."""
        key = jax.random.fold_in(key, number)
        with warnings.catch_warnings():
            # A schedule's own numbers may be float64 where a run is not.
            warnings.filterwarnings("ignore", "Explicitly requested dtype")
            if self.optimizer is None:
                rate = self.learning_rate(number) if callable(self.learning_rate) else self.learning_rate
                return self.source.moved(number, key, Z, -jnp.asarray(rate, Z.dtype)), None
            gradient = self.source.gradient(number, key, Z)
            updates, state = self.optimizer(self.learning_rate).update(gradient, state, Z)
        return optax.apply_updates(Z, updates), state


def descend(
    descent: Descent,
    objective: Objective,
    starts: Float[np.ndarray, "S n d"],
    keys: Key[Array, " S"],
    journal: Journal,
    *,
    save_weights: bool,
    limit_at: Callable[[np.ndarray], float],
    feed: Feed | None = None,
) -> dict[str, np.ndarray]:
    """Return what was seen at the journal's observations: singular values, loss, weights; `(S, T, ...)`.

    Steps are made in chunks that end at observations, or before they take longer than some seconds. How
    they are cut changes nothing: random numbers and rates belong to the number of a step.

    Args:
        descent: how a step is made.
        objective: of which the loss is observed.
        starts: initial weights, in the precision of the run.
        keys: of the seeds' steps.
        journal: records progress, and has the state of an interrupted run.
        save_weights: whether to keep the weights at all observations.
        limit_at: returns the stability limit at weights, the last before a seed diverged.
        feed: of the source, where its data come from the host.

    Raises:
        RuntimeError: the loss of a seed left the range of sane losses.
    """
    with journal, _Seeds(descent, objective, starts, keys) as seeds:
        step, arrays = journal.start()
        if arrays:
            seeds.restore(arrays)
            if feed is not None:
                feed.restore(arrays["feed"])
        fed, calm = False, seeds.weights()
        while True:
            observe = step == journal.next_observation
            if observe or journal.due(step):
                began = time.monotonic()
                seen = seeds.observe()
                if (bad := journal.diverged(seen["loss"])) is not None:
                    limit = limit_at(_on_host(calm)[bad])
                    raise RuntimeError(journal.describe_divergence(step, bad, seen["loss"], limit))
                journal.look(step, seen["loss"], time.monotonic() - began)
                calm = seeds.weights()
                if observe:
                    journal.add({**seen, "weights": _on_host(calm)} if save_weights else seen)
                if journal.complete:
                    return journal.finish()
                if journal.save_due():
                    more = {} if feed is None else {"feed": feed.state(step)}
                    journal.save(step, seeds.state() | more)
            ahead = journal.next_observation - step
            if feed is not None:
                within = step % feed.steps
                if within == 0 or not fed:
                    seeds.use(feed.next())
                    fed = True
                ahead = min(ahead, feed.steps - within)
            count = journal.chunk(ahead)
            began = time.monotonic()
            seeds.advance(step, count)
            step += count
            journal.advanced(count, time.monotonic() - began)


class _Group(NamedTuple):
    """Seeds that one thread drives on one device: one, or those vmapped together on an accelerator."""

    descent: Descent
    objective: Objective
    keys: Key[Array, " s"]
    weights: Float[Array, "s n d"]
    state: Any


class _Seeds:
    """All seeds, each group of them on its device.

    An accelerator wants all its seeds in one vmapped step. A CPU is faster with the weights of one seed
    in its cache, and other seeds on the other cores.
    """

    def __init__(
        self,
        descent: Descent,
        objective: Objective,
        starts: Float[np.ndarray, "S n d"],
        keys: Key[Array, " S"],
    ) -> None:
        self.wide = starts.dtype == np.float64
        self.pool = ThreadPoolExecutor(available_cores(), "w2vflow-seeds")
        self.compiled: set[str] = set()
        self.groups: list[_Group] = []
        data, kind = np.asarray(jax.random.key_data(keys)), jax.random.key_impl(keys)
        shared: dict[jax.Device, Any] = {}
        with jax.enable_x64(self.wide):
            for device, own in placement(len(starts), self.wide):
                if device not in shared:
                    shared[device] = _placed((descent, objective), device)
                here, loss = shared[device]
                some, Z = _placed((data[own], starts[own]), device)
                some = jax.random.wrap_key_data(some, impl=kind)
                self.groups.append(_Group(here, loss, some, Z, _started(here, Z)))

    def __enter__(self) -> "_Seeds":
        # Singular values come from LAPACK, whose own threads fight those of the seeds: 20 times the time.
        self.lapack = threadpool_limits(1, "blas")
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.lapack.restore_original_limits()

    def advance(self, step: int, count: int) -> None:
        """Make `count` steps from `step` on."""

        def run(group: _Group) -> _Group:
            numbers = jnp.asarray(step, jnp.int32), jnp.asarray(count, jnp.int32)
            Z, state = _advance(group.descent, group.weights, group.state, group.keys, *numbers)
            return group._replace(weights=jax.block_until_ready(Z), state=state)

        self.groups = self._each("advance", run)

    def use(self, source: GradientSource) -> None:
        """Let the next steps take their gradients from this source, of the shapes of the last."""
        with jax.enable_x64(self.wide):
            for number, group in enumerate(self.groups):
                (device,) = group.weights.devices()
                descent = dataclasses.replace(group.descent, source=_placed(source, device))
                self.groups[number] = group._replace(descent=descent)

    def observe(self) -> dict[str, np.ndarray]:
        """Return singular values and loss of all seeds."""
        seen = self._each("observe", lambda group: jax.device_get(_observe(group.objective, group.weights)))
        return {name: np.concatenate([part[name] for part in seen]) for name in seen[0]}

    def weights(self) -> list[Array]:
        """Return the weights, group by group."""
        return [group.weights for group in self.groups]

    def state(self) -> dict[str, np.ndarray]:
        """Return weights and optimizers' states of all seeds, by name."""
        arrays = {"weights": _on_host(self.weights())}
        leaves = [jax.tree.leaves(group.state) for group in self.groups]
        for number, parts in enumerate(zip(*leaves, strict=True)):
            arrays[f"optimizer-{number}"] = _on_host(parts)
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up a state."""
        first = 0
        for number, group in enumerate(self.groups):
            own = slice(first, first + len(group.weights))
            first = own.stop
            leaves, structure = jax.tree.flatten(group.state)
            with jax.enable_x64(self.wide):
                there = group.weights.sharding
                Z = jax.device_put(arrays["weights"][own], there)
                found = [jax.device_put(arrays[f"optimizer-{n}"][own], there) for n in range(len(leaves))]
            self.groups[number] = group._replace(weights=Z, state=jax.tree.unflatten(structure, found))

    def _each(self, name: str, function: Callable[[_Group], Any]) -> list[Any]:
        """Return the results for all groups, side by side; the first of a kind alone, which compiles."""

        def call(group: _Group) -> Any:
            # JAX's settings belong to a thread.
            with jax.enable_x64(self.wide):
                return function(group)

        first = [] if name in self.compiled else [call(self.groups[0])]
        self.compiled.add(name)
        return [*first, *self.pool.map(call, self.groups[len(first) :])]


def _placed(tree: Any, device: jax.Device) -> Any:
    """Return a tree with its arrays on a device, in the widths now allowed; functions stay as they are."""

    def put(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array | np.ndarray):
            return leaf
        there = isinstance(leaf, jax.Array) and leaf.devices() == {device}
        if there and leaf.dtype == jax.dtypes.canonicalize_dtype(leaf.dtype):
            return leaf
        # By way of the host: it may come from a CPU beside an accelerator without float64.
        return jax.device_put(np.asarray(leaf), device)

    return jax.tree.map(put, tree)


def _on_host(parts: Iterable[Array]) -> np.ndarray:
    return np.concatenate([np.asarray(part) for part in parts])


def placement(seeds: int, wide: bool) -> list[tuple[jax.Device, slice]]:
    """Return where seeds run, group by group: one on a CPU, an equal share on each accelerator."""
    devices = [device for device in jax.local_devices() if has_float64(device) or not wide]
    devices = devices or [float64_device()]
    if devices[0].platform == "cpu":
        return [(devices[0], slice(seed, seed + 1)) for seed in range(seeds)]
    count = max(n for n in range(1, min(seeds, len(devices)) + 1) if seeds % n == 0)
    share = seeds // count
    return [(devices[n], slice(n * share, (n + 1) * share)) for n in range(count)]


def _by_seed(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the function of every seed: vmapped, or as it is for a single one."""
    if jax.tree.leaves(arguments)[0].shape[0] > 1:
        return jax.vmap(function)(*arguments)
    alone = function(*jax.tree.map(lambda leaf: leaf[0], arguments))
    return jax.tree.map(lambda leaf: leaf[None], alone)


@eqx.filter_jit
def _started(descent: Descent, Z: Float[Array, "s n d"]) -> Any:
    return _by_seed(descent.start, Z)


@eqx.filter_jit
def _advance(
    descent: Descent,
    Z: Float[Array, "s n d"],
    state: Any,
    keys: Key[Array, " s"],
    step: Int[Array, ""],
    count: Int[Array, ""],
) -> tuple[Float[Array, "s n d"], Any]:
    """Return weights and optimizers' states after `count` more steps."""

    def one(Z: Array, state: Any, key: Array) -> tuple[Array, Any]:
        return jax.lax.fori_loop(
            step, step + count, lambda number, now: descent.step(number, key, *now), (Z, state)
        )

    return _by_seed(one, Z, state, keys)


@eqx.filter_jit
def _observe(objective: Objective, Z: Float[Array, "s n d"]) -> dict[str, Array]:
    # Seed by seed: vmapped, blocks of pairs of all seeds would be there at once.
    return jax.lax.map(
        lambda z: {"singular_values": singular_values(z, objective.sides), "loss": objective.value(z)}, Z
    )
