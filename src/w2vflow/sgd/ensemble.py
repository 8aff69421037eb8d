"""SGD on minibatches of pairs, one seed or many side by side."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from w2vflow.problem import Problem, gaussian_init, untied_init
from w2vflow.results import Recording, Trajectory
from w2vflow.sgd.engine import Optimizer
from w2vflow.sgd.minibatches import Minibatches
from w2vflow.sgd.noise.learning_rate import recommended_learning_rate
from w2vflow.sgd.solver import Algorithm, Clock, solve_by_steps
from w2vflow.sgd.timeline import LearningRate
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known
from w2vflow.support.checks import argument_error, check_weights
from w2vflow.support.kinds import ArrayLike

__all__ = ["run_sgd", "run_sgd_ensemble"]


@checked
def run_sgd(
    problem: Problem,
    W0: ArrayLike,
    ts: ArrayLike,
    *,
    key: Key[Array, ""],
    learning_rate: LearningRate | None = None,
    batch_size: int,
    sampler: str = "corpus",
    optimizer: Optimizer | None = None,
    deterministic: bool = True,
    max_steps: int | None = None,
    recording: Recording = Recording(),
) -> Trajectory:
    """Return the trajectory of SGD on minibatches of pairs, in float32.

        W <- W - eta * (gradient of the minibatch loss);   time advances by eta a step

    Args:
        problem: of any loss and weighting, tied or untied.
        W0: initial weights `(V, dim)`; of untied problems `(2, V, dim)`, words before contexts.
        ts: times at which to observe; each is moved to the nearest whole step (see the result's `ts`).
        key: JAX key of the minibatches.
        learning_rate: `eta`, below `stability_limit(problem)` where that is known; or an optax
            schedule, a function of the step, whose sum is then the time. By default, of the quartic loss at
            constant `G` without an optimizer, that of `recommended_learning_rate` for 1% from the size
            of `W0`; the result's metadata say what bounds it.
        batch_size: pairs in a minibatch.
        sampler: of the minibatches: `"balanced"` (pairs from `G`), `"blocks"` (all pairs of some words),
            `"corpus"` (pairs as a text has them) or `"shared"` (negative pairs in blocks).
        optimizer: what makes an optax transformation of a learning rate: `optax.adam`, or
            `functools.partial(optax.sgd, momentum=0.9)`. By default plain descent, which touches only
            the rows of the words that were drawn; an optimizer moves all rows.
        deterministic: the same result each time on an accelerator too, where that costs time.
        max_steps: bound on the number of steps where the learning rate or the times are traced. Backward
            differentiation asks for it, and a traced schedule. More steps make all values NaN.
        recording: what the run keeps and shows.

    Differentiable in `W0`, in the learning rate, of which the numbers of steps are held, and in settings of
    the optimizer and of the loss; not in counts, from which minibatches are drawn.

    Raises:
        ValueError: a bad argument, a learning rate above the stability limit or, of plain descent at a
            constant rate, above `mean_square_limit` among them, or a checkpoint of another run (the
            message says in what it differs). Short runs on more than 1,000 words are not held against
            the latter, which would take longer than they do.
        RuntimeError: the weights diverged.

    Warns:
        RuntimeWarning: at this rate most of what is held will be noise (`expected_overlap` below a half).
    """
    weights = check_weights(W0, problem.vocab_size, problem.sides)
    if weights.ndim != 2:
        own = "(V, dim)" if problem.tied else "(2, V, dim)"
        raise argument_error("W0", f"of one seed, {own}", f"shape {np.shape(W0)}", "Use `run_sgd_ensemble`.")
    source = Minibatches.of(problem, sampler, batch_size, weights.shape[1], deterministic)
    starts, keys, limit = weights[None], key[None], max_steps
    return _run(problem, starts, keys, ts, learning_rate, source, optimizer, limit, recording, ensemble=False)


@checked
def run_sgd_ensemble(
    problem: Problem,
    keys: Key[Array, " S"],
    ts: ArrayLike,
    *,
    dim: int,
    scale: float,
    learning_rate: LearningRate | None = None,
    batch_size: int,
    sampler: str = "corpus",
    contexts: str = "random",
    optimizer: Optimizer | None = None,
    deterministic: bool = True,
    max_steps: int | None = None,
    recording: Recording = Recording(),
) -> Trajectory:
    """Return the trajectories of an SGD ensemble, all seeds side by side.

    Seed `s` starts from `gaussian_init(keys[s], V, dim, scale)`, so that
    `predict(problem, gaussian_init(keys, V, dim, scale), ts)` predicts the very same runs, and
    draws its minibatches from a key folded out of `keys[s]`. Its result does not depend on the
    other seeds. Seeds of untied problems start from `untied_init`.

    Args:
        problem, ts, learning_rate, batch_size, sampler, optimizer, deterministic, max_steps, recording: as in
            `run_sgd`.
        keys: JAX keys, `jax.random.split(key, S)`.
        dim: embedding dimension.
        scale: size of the initial weights.
        contexts: of untied problems, `"random"` or `"zero"`, as `untied_init` has it.

    Raises:
        ValueError, RuntimeError: as `run_sgd`.
    """
    if keys.ndim != 1:
        remedy = "Use `jax.random.split(key, S)`."
        raise argument_error("keys", "an array of keys", f"shape {keys.shape}", remedy)
    if problem.tied:
        if contexts != "random":
            raise argument_error("contexts", "left out where words and contexts are tied", repr(contexts))
        drawn = gaussian_init(keys, problem.vocab_size, dim, scale)
    else:
        drawn = untied_init(keys, problem.vocab_size, dim, scale, contexts=contexts)
    source = Minibatches.of(problem, sampler, batch_size, dim, deterministic)
    starts = check_weights(drawn, problem.vocab_size, problem.sides)
    keys = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)
    limit = max_steps
    return _run(problem, starts, keys, ts, learning_rate, source, optimizer, limit, recording, ensemble=True)


def _run(
    problem: Problem,
    starts: Float[Array, "S n d"],
    keys: Key[Array, " S"],
    ts: Any,
    learning_rate: LearningRate | None,
    source: Minibatches,
    optimizer: Optimizer | None,
    max_steps: int | None,
    recording: Recording,
    *,
    ensemble: bool,
) -> Trajectory:
    """Return the trajectory of either public function."""
    settings = source.settings()
    if learning_rate is None:
        learning_rate, bound_by = _recommended(problem, starts, source, optimizer)
        settings["learning_rate_bound_by"] = bound_by
    remedy = (
        "Noise of small batches lowers that limit. Use a smaller `learning_rate`, a larger `batch_size`, or "
        "the sampler 'balanced' or 'blocks'."
    )
    algorithm = Algorithm("SGD", source, optimizer, settings, remedy)
    clock, starts = Clock(ts, learning_rate, max_steps), starts.astype(np.float32)
    return solve_by_steps(problem, algorithm, starts, keys, clock, ensemble=ensemble, recording=recording)


def _recommended(
    problem: Problem, starts: Float[Array, "S n d"], source: Minibatches, optimizer: Optimizer | None
) -> tuple[float, str]:
    """Return the recommended rate, and what bounds it."""
    if not is_known(problem, starts):
        remedy = "Ask `recommended_learning_rate` for one outside of `jit`, `vmap` or `grad`."
        raise argument_error("learning_rate", "given for a traced run", None, remedy)
    if optimizer is not None or not problem.quartic_at_constant_G:
        why = "an optimizer" if optimizer is not None else "a problem that is not quartic at constant G"
        remedy = (
            "Choose one: for plain descent a twentieth of `stability_limit_at(problem, W)`, with weights "
            "near those it settles on, is a start."
        )
        raise argument_error("learning_rate", f"given for {why}: none is recommended there", None, remedy)
    scale = float(np.linalg.norm(starts)) / np.sqrt(starts.shape[0] * starts.shape[1])
    found = recommended_learning_rate(
        problem, starts.shape[2], batch_size=source.batch_size, sampler=source.name, scale=scale
    )
    return found.rate, found.bound_by
