"""Gradient flow, integrated by diffrax: word2vec in the limit of small steps."""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from w2vflow.problem import DiagonalOperator, FactoredObjective, Objective, Problem
from w2vflow.results import Recording, Trajectory, singular_values
from w2vflow.spectrum import Spectrum, check_pairs, leading_eigenpairs, warn_of_rounding
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known, largest_size
from w2vflow.support.checkpoint import Checkpoint, digest
from w2vflow.support.checks import (
    argument_error,
    check_at_least,
    check_times,
    check_tolerances,
    check_weights,
)
from w2vflow.support.devices import WORDS, describe_mesh, versions
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.machine import available_memory, check_embeddings_fit
from w2vflow.support.sharding import PRECISION, all_max, all_rows, in_words, on_devices, to_host, to_rows

__all__ = ["solve_flow"]

_SEEN = ("singular_values", "loss", "embeddings")
_STEPS = ("accepted_steps", "rejected_steps")
# Into how many stretches a flow with a checkpoint is cut; evaluations of a flow, some 300 steps of 13 stages.
_STRETCHES, _EVALUATIONS = 16, 4000


@checked
def solve_flow(
    problem: Problem,
    W0: ArrayLike,
    ts: ArrayLike,
    *,
    basis: str = "auto",
    spectrum: Spectrum | None = None,
    weight_decay: float = 0.0,
    solver: dfx.AbstractSolver | None = None,
    rtol: float = 1e-9,
    atol: float | None = None,
    max_steps: int = 16_384,
    adjoint: dfx.AbstractAdjoint | None = None,
    recording: Recording = Recording(),
) -> Trajectory:
    """Return the trajectory of `dW/dt = -dL/dW`, integrated adaptively, of any problem.

        quartic, constant G, tied:    dW/dt = (M* - W W^T) W
        any loss and weights, tied:   dW/dt = -2 S W,   S_ij = A_ij l+'(x_ij) + B_ij l-'(x_ij)
        untied:                       dW/dt = -S C,     dC/dt = -S^T W

    In the basis of the words a step costs `V^2 d` operations, or seen pairs times `d` where the loss is
    quartic and the problem sparse. In the complete eigenbasis the first of these flows is
    `dB/dt = Lambda B - B (B^T B)` for `B = V^T W`: the same flow, exactly, at `V d^2`, but the basis
    has to be found once, at some `9 V^3`. The result's `metadata["method"]` says which it was.

    The error of every step is kept below `atol + rtol |w|` in every entry; in float32, whose rounding no step
    avoids, `|w|` is the largest. On a problem spread over many devices (`Problem.shard`) the weights are too.

    Args:
        problem: of any loss and weighting, tied or untied.
        W0: initial weights `([S,] V, dim)`; each seed takes its own steps. Of words and contexts where
            they are untied: `([S,] 2, V, dim)`.
        ts: times `(T,)`, increasing; the first may be 0.
        basis: `"words"`, `"eigenvectors"` (quartic, constant `G`, tied), or `"auto"`: the eigenvectors
            where `spectrum` is given, or where finding them first costs fewer operations and they fit
            into memory.
        spectrum: the complete eigenbasis (`leading_eigenpairs(problem, V)`), if at hand.
        weight_decay: `kappa` of an additional `-kappa W` in the velocity; the loss is without it.
        solver: a diffrax solver; `Dopri8()` by default.
        rtol: relative tolerance; in float32 1e-6 at least.
        atol: absolute tolerance; `rtol` times the root mean square of `W0` by default. Above
            the size of the initial weights it would blind the error control while they grow.
        max_steps: of the integrator, in each stretch between checkpoints.
        adjoint: how derivatives are taken, where something is traced. By default with checkpoints, for
            `jax.grad` and `jax.vjp`; `diffrax.ForwardMode()` for `jax.jvp`.
        recording: what the run keeps and shows; no `metrics`. With a checkpoint, the times are cut into
            stretches at whose ends the integrator starts anew.

    diffrax looks at traced times through a callback to the host, unless `EQX_ON_ERROR=nan` is set.

    Raises:
        ValueError: an argument does not fit the problem, or `checkpoint` holds another flow.
        RuntimeError: the integrator ran out of steps; the message says how far it came. Of a traced flow
            all values are NaN.

    Example:
        >>> import jax, numpy as np
        >>> jax.config.update("jax_enable_x64", True)
        >>> problem = Problem.from_target(np.diag([2.0, -1.0]))
        >>> flow = solve_flow(problem, np.array([[1e-6], [-2e-6]]), [0, 7, 20])
        >>> (flow.singular_values[:, 0] ** 2).round(3).tolist()
        [0.0, 0.839, 2.0]
    """
    weights, times = check_weights(W0, problem.vocab_size, problem.sides), check_times(ts)
    check_at_least("weight_decay", 0, weight_decay)
    check_at_least("max_steps", 1, max_steps)
    if is_known(weights, atol):
        check_tolerances(rtol, atol, np.asarray(weights))
    rtol = max(rtol, 8 * float(jnp.finfo(weights.dtype).eps))
    seeds = weights if weights.ndim == 3 else weights[None]
    if keep := recording.save_embeddings:
        check_embeddings_fit(len(seeds), len(times), *seeds.shape[1:])
    vectors = _eigenbasis(problem, basis, spectrum, seeds.shape)
    if vectors is None:
        objective, method = problem.objective(seeds.dtype, problem.mesh), _method(problem)
        remedy = "Use `basis='eigenvectors'` where it is open, float64 or a larger scale."
        warn_of_rounding(problem, seeds, remedy)
    else:
        diagonal = DiagonalOperator.of(vectors.eigenvalues, problem.mesh)
        objective, method = FactoredObjective.of_target(diagonal, 1), "eigenbasis flow"
        seeds = jnp.matmul(vectors.eigenvectors.T, seeds, precision=PRECISION)
    unit = largest_size(seeds)
    absolute = rtol * unit * jnp.sqrt(jnp.mean((seeds / unit) ** 2)) if atol is None else atol
    constants = jnp.stack([jnp.asarray(one, seeds.dtype) for one in (weight_decay, rtol, absolute)])
    solver = dfx.Dopri8() if solver is None else solver
    rows = seeds if problem.tied else jnp.concatenate(jnp.split(seeds, 2, axis=1), axis=2)
    told = {"rtol": rtol, "atol": absolute, "weight_decay": weight_decay}
    settings: dict[str, float | str] = {"method": method, "solver": type(solver).__name__}
    settings |= {name: float(one) if is_known(one) else "traced" for name, one in told.items()}
    how = _How(solver, max_steps, keep, recording.progress)
    if is_known(objective, rows, times, constants):
        parts = _run(problem, objective, rows, times, constants, how, recording)
    else:
        if recording != Recording(save_embeddings=keep):
            raise argument_error("recording", "of weights alone for a traced flow", repr(recording))
        adjoint, mesh, begin = adjoint or dfx.RecursiveCheckpointAdjoint(), problem.mesh, 0 * times[0]
        ran = _integrate(objective, to_rows(rows, mesh), begin, times, constants, how, adjoint, mesh)
        parts = [_in_words(ran, problem.vocab_size, mesh)]
    return _trajectory(problem, times, parts, settings, vectors, weights.shape)


class _How(NamedTuple):
    """How a flow is integrated, and what is kept and shown of it."""

    solver: dfx.AbstractSolver
    max_steps: int
    keep: bool
    progress: bool


def _run(
    problem: Problem,
    objective: Objective,
    rows: Float[Array, "S V e"],
    times: Float[Array, " T"],
    constants: Float[Array, "3"],
    how: _How,
    recording: Recording,
) -> list[dict[str, Any]]:
    """Return what was seen of a known flow, stretch by stretch where it leaves states in a checkpoint."""
    if recording.metrics is not None:
        expected = "without `metrics` for a flow, which takes no steps of one size"
        raise argument_error("recording", expected, repr(recording), "Use `progress=True`.")

    def integrate(start: Any, begin: float, until: Any) -> dict[str, Any]:
        numbers = (jnp.asarray(begin, times.dtype), jnp.asarray(until), constants)
        spread = to_rows(jnp.asarray(start), problem.mesh)
        ran = _integrate(objective, spread, *numbers, how, dfx.ForwardMode(), problem.mesh)
        _check_success(ran, float(times[-1]), how.max_steps)
        return _in_words(ran, problem.vocab_size, problem.mesh)

    if recording.checkpoint is None:
        return [integrate(rows, 0.0, times)]
    start, ts = np.asarray(rows), np.asarray(times)
    identity = _identity(objective, start, ts, np.asarray(constants), how.solver, how.max_steps, how.keep)
    return _in_stretches(integrate, start, ts, Checkpoint(recording.checkpoint, identity))


def _trajectory(
    problem: Problem,
    times: Float[Array, " T"],
    parts: list[dict[str, Any]],
    settings: dict[str, Any],
    vectors: Spectrum | None,
    shape: tuple[int, ...],
) -> Trajectory:
    """Return the stretches of a flow as one trajectory, in the basis of the words.

    `shape` is that of the initial weights, contexts below words: `([S,] sides V, d)`.
    """
    steps = {}
    if is_known(parts):
        steps = {n: np.sum([np.asarray(part[n]) for part in parts], axis=0).tolist() for n in _STEPS}
    axis = 0 if len(shape) == 2 else slice(None)
    seen = {n: jnp.concatenate([part[n] for part in parts], axis=1)[axis] for n in _SEEN if n in parts[0]}
    words = contexts = None
    if (kept := seen.get("embeddings")) is not None:
        kept = kept if vectors is None else vectors.to_words(kept)
        words = kept[..., : shape[-1]]
        contexts = None if problem.tied else kept[..., shape[-1] :]
    metadata = {
        **settings,
        **steps,
        "precision": seen["loss"].dtype.name,
        "device": describe_mesh(problem.mesh),
        "problem": problem.describe(),
        "versions": versions(),
    }
    values, loss = seen["singular_values"], seen["loss"]
    return Trajectory("flow", times, values, loss, words, metadata, contexts=contexts, words=problem.words)


def _method(problem: Problem) -> str:
    dense = problem.matrix == "dense"
    if problem.quartic_at_constant_G:
        return "dense flow" if dense else "matrix-free flow"
    return f"flow of {problem.pair_loss!r}, {problem.weighting!r}, {problem.matrix}"


def _eigenbasis(
    problem: Problem, basis: str, spectrum: Spectrum | None, shape: tuple[int, ...]
) -> Spectrum | None:
    """Return the complete eigenbasis where the flow is to be integrated in it."""
    if basis not in ("auto", "words", "eigenvectors"):
        raise argument_error("basis", "'auto', 'words' or 'eigenvectors'", repr(basis))
    solvable = problem.tied and problem.quartic_at_constant_G
    if not solvable and (basis == "eigenvectors" or spectrum is not None):
        problem.require_solvable("solve_flow in the eigenbasis")
        problem.require_tied("solve_flow in the eigenbasis")
    if basis == "words" or not solvable:
        return None
    if spectrum is not None:
        return check_pairs(problem, spectrum.require_complete())
    count, size, dim = shape
    operator = problem.target_operator()
    entries = sum(leaf.size for leaf in jax.tree.leaves(operator))
    in_words = count * _EVALUATIONS * 2 * entries * dim
    in_eigenvectors = 9 * size**3 + count * _EVALUATIONS * 4 * size * dim**2
    fits = 4 * 8 * size**2 < available_memory()
    if basis == "eigenvectors" or (fits and in_eigenvectors < in_words):
        return leading_eigenpairs(problem, size)
    return None


def _identity(
    objective: Objective, start: np.ndarray, times: np.ndarray, constants: np.ndarray, *settings: Any
) -> dict[str, Any]:
    """Return what decides a flow: the checkpoint of another one must not be gone on with."""
    names = ("start", "times", "solver", "max_steps", "save_embeddings")
    others = dict(zip(names, [digest(start), digest(times), *map(repr, settings)], strict=True))
    known = {"what": "gradient flow", "objective": objective.fingerprint(), "constants": constants.tolist()}
    return known | others


class _Stretch(NamedTuple):
    """What the integrator returns of a stretch of times, for all seeds."""

    singular_values: Float[Array, "S T d"]
    loss: Float[Array, "S T"]
    embeddings: Float[Array, "S T P d"] | None
    end: Float[Array, "S P d"]
    accepted_steps: Int[Array, " S"]
    rejected_steps: Int[Array, " S"]
    reached: Float[Array, " S"]
    successful: Bool[Array, " S"]
    out_of_steps: Bool[Array, " S"]


def _in_stretches(
    integrate: Callable[[np.ndarray, float, np.ndarray], dict[str, Any]],
    start: Float[np.ndarray, "S V d"],
    times: Float[np.ndarray, " T"],
    checkpoint: Checkpoint,
) -> list[dict[str, np.ndarray]]:
    """Return what was seen stretch by stretch; each is kept in the checkpoint when it is reached."""
    stretches = np.array_split(times, min(_STRETCHES, len(times)))
    parts: list[dict[str, np.ndarray]] = []
    if (found := checkpoint.load_parts()) is not None:
        parts, arrays, _ = found
        start = arrays["end"]
    for number in range(len(parts), len(stretches)):
        begin = float(stretches[number - 1][-1]) if number else 0.0
        seen = {name: np.asarray(one) for name, one in integrate(start, begin, stretches[number]).items()}
        start = seen.pop("end")
        checkpoint.append(seen, parts, {"end": start}, {})
        parts.append(seen)
    checkpoint.remove()
    return parts


def _check_success(ran: _Stretch, until: float, max_steps: int) -> None:
    """Raise `RuntimeError` unless the end of a stretch was reached."""
    ok, reached = to_host(ran.successful), to_host(ran.reached)
    if not ok.all():
        short = to_host(ran.out_of_steps).any()
        why = f"used up its {max_steps} steps" if short else "failed in the integrator"
        raise RuntimeError(
            f"`solve_flow` {why} after time {reached[~ok].min():.6g} of {until:.6g}. "
            "Increase `max_steps`, loosen `rtol`, or end `ts` earlier."
        )


@eqx.filter_jit
def _in_words(ran: _Stretch, size: int, mesh: Mesh) -> dict[str, Any]:
    """Return what was seen of a stretch, in the order of the words; NaN where its end was not reached."""
    seen: dict[str, Any] = {name: getattr(ran, name) for name in _STEPS}
    ok = ran.successful[:, None]
    seen["loss"] = jnp.where(ok, ran.loss, jnp.nan)
    seen["singular_values"] = jnp.where(ok[..., None], ran.singular_values, jnp.nan)
    seen["end"] = in_words(ran.end, size, mesh)
    if ran.embeddings is not None:
        seen["embeddings"] = in_words(ran.embeddings, size, mesh)
    return seen


class _AgainstLargest(dfx.PIDController):
    """Errors relative to the largest entry: in float32 its rounding is in all others, however small."""

    def adapt_step_size(self, t0: Any, t1: Any, y0: Any, y1_candidate: Any, *others: Any) -> Any:
        start, end = (jnp.full_like(y, self.norm(y)) for y in (y0, y1_candidate))
        return super().adapt_step_size(t0, t1, start, end, *others)


@eqx.filter_jit
def _integrate(
    objective: Objective,
    starts: Float[Array, "S P e"],
    begin: Float[Array, ""],
    ts: Float[Array, " T"],
    constants: Float[Array, "3"],
    how: _How,
    adjoint: dfx.AbstractAdjoint,
    mesh: Mesh,
) -> _Stretch:
    """Integrate every seed from `begin`; each device has its rows of the objective and of the weights.

    `constants` are the weight decay, and the relative and absolute tolerance.
    """

    def run(objective: Objective, starts: Array, begin: Array, ts: Array, constants: Array) -> _Stretch:
        decay, rtol, atol = constants
        controller = dfx.PIDController if starts.dtype == np.float64 else _AgainstLargest

        def largest(y: Array) -> Array:
            return all_max(jnp.max(jnp.abs(y)), mesh)

        def velocity(t: Any, own: Array, args: None) -> Array:
            return -objective.local_gradient(own) - decay * own

        def observe(t: Array, own: Array, args: None) -> tuple[Array, Array, Array | None]:
            values = _singular_values(own, objective.sides, mesh)
            return values, objective.local_value(own), own if how.keep else None

        def one(W0: Array) -> _Stretch:
            solution = dfx.diffeqsolve(
                dfx.ODETerm(velocity),
                how.solver,
                t0=begin,
                t1=ts[-1],
                dt0=None,
                y0=W0,
                saveat=dfx.SaveAt(subs=[dfx.SubSaveAt(ts=ts, fn=observe), dfx.SubSaveAt(t1=True)]),
                stepsize_controller=controller(rtol=rtol, atol=atol, norm=largest),
                adjoint=adjoint,
                max_steps=how.max_steps,
                throw=False,
                progress_meter=dfx.TqdmProgressMeter() if how.progress else dfx.NoProgressMeter(),
            )
            ((values, loss, kept), (end,)), saved = solution.ys, solution.ts[0]
            return _Stretch(
                values,
                loss,
                kept,
                end,
                solution.stats["num_accepted_steps"],
                solution.stats["num_rejected_steps"],
                jnp.max(jnp.where(jnp.isfinite(saved), saved, begin)),
                solution.result == dfx.RESULTS.successful,
                solution.result == dfx.RESULTS.max_steps_reached,
            )

        # Seed after seed: side by side under vmap, all would take the steps of the slowest.
        return jax.lax.map(one, starts)

    whole: Any = PartitionSpec()
    own: Any = PartitionSpec(None, WORDS)
    kept: Any = PartitionSpec(None, None, WORDS)
    ins = (objective.specs(), own, whole, whole, whole)
    outs = _Stretch(whole, whole, kept, own, *(whole,) * 5)
    return on_devices(run, mesh, ins, outs)(objective, starts, begin, ts, constants)


def _singular_values(own: Float[Array, "R e"], sides: int, mesh: Mesh) -> Float[Array, " d"]:
    """Return the singular values of weights whose rows lie on several devices."""
    parts = jnp.split(own, sides, axis=1)
    if mesh.size > 1:
        # The triangles of the devices' own QR, stacked, have the same singular values.
        parts = [all_rows(jnp.linalg.qr(part, mode="r"), mesh) for part in parts]
    return singular_values(jnp.concatenate(parts), sides)
