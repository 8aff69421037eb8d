"""The gradient flow, integrated through diffrax: word2vec in the limit of small steps."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.checks import argument_error, check_times, check_weights
from w2vflow.problem import Problem, factored_loss, require_float64
from w2vflow.spectrum import Spectrum
from w2vflow.trajectory import Trajectory, singular_values

__all__ = ["solve_flow"]


def solve_flow(
    problem: Problem,
    W0: Any,
    ts: Any,
    *,
    spectrum: Spectrum | None = None,
    solver: dfx.AbstractSolver | None = None,
    rtol: float = 1e-9,
    atol: float | None = None,
    max_steps: int = 16_384,
    save_embeddings: bool = False,
    progress: bool = False,
) -> Trajectory:
    """Return the trajectory of `dW/dt = -dL/dW = (M* - W W^T) W`, integrated adaptively in float64.

    Given the complete eigenbasis the flow is integrated in it, `dB/dt = Lambda B - B (B^T B)` for
    `B = V^T W`: the same flow, exactly, at `V d^2` instead of `V^2 d` operations a step.

    The error of every step is kept below `atol + rtol |w|` in the largest entry, not in the mean
    over all `V d`, where one growing mode would go unseen.

    Args:
        problem: quartic, constant `G`, tied.
        W0: initial weights `(V, dim)`, or `(S, V, dim)` for an ensemble; each seed takes its own steps.
        ts: times `(T,)`, increasing; the first may be 0.
        spectrum: the complete eigenbasis (`leading_eigenpairs(problem, V)`), to integrate in it.
        solver: a diffrax solver; `Dopri8()` where not given. The flow is not stiff.
        rtol: relative tolerance.
        atol: absolute tolerance; `rtol` times the root mean square of `W0` where not given. Above
            the size of the initial weights it would blind the error control while they grow.
        max_steps: of the integrator.
        save_embeddings: keep `W(t)`.
        progress: show a progress bar.

    Raises:
        ValueError: float64 is off, or an argument does not fit the problem.
        RuntimeError: the integrator ran out of steps; the message says how far it came.

    Example:
        >>> import jax, numpy as np
        >>> jax.config.update("jax_enable_x64", True)
        >>> from w2vflow.statistics import CooccurrenceStatistics
        >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[9, 1], [1, 9]]), np.array([1, 1]))
        >>> flow = solve_flow(Problem.from_statistics(stats), np.array([[1e-6], [-2e-6]]), [0, 7, 20])
        >>> (flow.singular_values[:, 0] ** 2).round(3).tolist()
        [0.0, 0.903, 1.905]
    """
    require_float64("solve_flow")
    weights, times = check_weights(W0, problem.vocab_size), check_times(ts)
    _check_tolerances(rtol, atol, weights)
    solver = dfx.Dopri8() if solver is None else solver
    target: Array = problem.target()
    if spectrum is not None:
        target = jnp.asarray(spectrum.require_complete().eigenvalues)
        weights = spectrum.eigenvectors.T @ weights
    seeds = weights if weights.ndim == 3 else weights[None]
    if atol is None:
        atol = rtol * float(np.sqrt(np.mean(seeds**2)))
    solution = _integrate(
        target,
        jnp.asarray(seeds),
        jnp.asarray(times),
        jnp.asarray([rtol, atol]),
        solver,
        max_steps,
        save_embeddings,
        dfx.TqdmProgressMeter() if progress else dfx.NoProgressMeter(),
    )
    _check_reached(solution, times, max_steps)
    observed: Any = solution.ys
    values, loss, kept = observed
    if kept is not None:
        kept = np.asarray(kept) if spectrum is None else spectrum.to_words(kept)
    axis = 0 if weights.ndim == 2 else slice(None)
    return Trajectory(
        "flow",
        times,
        np.asarray(values)[axis],
        np.asarray(loss)[axis],
        None if kept is None else kept[axis],
        {
            "method": "eigenbasis flow" if spectrum is not None else "dense flow",
            "solver": type(solver).__name__,
            "rtol": rtol,
            "atol": atol,
            "accepted_steps": np.asarray(solution.stats["num_accepted_steps"]).tolist(),
            "rejected_steps": np.asarray(solution.stats["num_rejected_steps"]).tolist(),
            "precision": "float64",
        },
    )


def _check_tolerances(rtol: float, atol: float | None, weights: np.ndarray) -> None:
    if not 0 < rtol < 1:
        raise argument_error("rtol", "between 0 and 1", rtol)
    size = float(np.sqrt(np.mean(weights**2)))
    if size == 0:
        raise argument_error("W0", "nonzero somewhere", "all zeros", "Zero weights never move.")
    if atol is not None and not 0 < atol < size:
        raise argument_error(
            "atol",
            f"positive and below the size of the initial weights, {size:.3g}",
            atol,
            "Above it the error control is blind while they grow; leave `atol` out to have it chosen.",
        )


def _check_reached(solution: dfx.Solution, times: np.ndarray, max_steps: int) -> None:
    ok = np.asarray(solution.result == dfx.RESULTS.successful)
    if ok.all():
        return
    saved = np.asarray(solution.ts)[~ok]
    reached = float(np.where(np.isfinite(saved), saved, 0.0).max(axis=-1).min())
    ran_out = bool(np.asarray(solution.result == dfx.RESULTS.max_steps_reached).any())
    why = f"used up its {max_steps} steps" if ran_out else "failed in the integrator"
    raise RuntimeError(
        f"`solve_flow` {why} after time {reached:.6g} of {times[-1]:.6g}. "
        "Increase `max_steps`, loosen `rtol`, or end `ts` earlier."
    )


@eqx.filter_jit
def _integrate(
    target: Float[Array, "V V"] | Float[Array, " V"],
    starts: Float[Array, "S V d"],
    ts: Float[Array, " T"],
    tolerances: Float[Array, "2"],
    solver: dfx.AbstractSolver,
    max_steps: int,
    keep_weights: bool,
    meter: dfx.AbstractProgressMeter,
) -> dfx.Solution:
    """Integrate every seed; `target` is `M*`, or its eigenvalues where weights are in the eigenbasis."""
    norm_squared = jnp.sum(target**2)

    def pull(W: Array) -> Array:
        return target[:, None] * W if target.ndim == 1 else target @ W

    def velocity(t: Any, W: Array, args: None) -> Array:
        return pull(W) - W @ (W.T @ W)

    def observe(t: Array, W: Array, args: None) -> tuple[Array, Array, Array | None]:
        return singular_values(W), factored_loss(norm_squared, W, pull(W)), W if keep_weights else None

    def one(W0: Array) -> dfx.Solution:
        return dfx.diffeqsolve(
            dfx.ODETerm(velocity),
            solver,
            t0=jnp.zeros(()),
            t1=ts[-1],
            dt0=None,
            y0=W0,
            saveat=dfx.SaveAt(ts=ts, fn=observe),
            stepsize_controller=dfx.PIDController(
                rtol=tolerances[0], atol=tolerances[1], norm=lambda y: jnp.max(jnp.abs(y))
            ),
            adjoint=dfx.ForwardMode(),
            max_steps=max_steps,
            throw=False,
            progress_meter=meter,
        )

    # Seed after seed: side by side under vmap, all would take the steps of the slowest (3 times the
    # time on a CPU), and a seed's steps would depend on its neighbours.
    return jax.lax.map(one, starts)
