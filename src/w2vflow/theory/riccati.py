"""The exact solution of the gradient flow for any initial weights."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.checks import argument_error, check_times, check_weights
from w2vflow.problem import Problem, factored_loss, require_float64
from w2vflow.spectrum import Spectrum, leading_eigenpairs
from w2vflow.theory.discrete import growth_rates
from w2vflow.theory.steps import effective_initial_strengths
from w2vflow.trajectory import Trajectory, singular_values

__all__ = ["predict", "riccati_factor"]


def riccati_factor(
    eigenvalues: Float[Array, " K"],
    overlaps: Float[Array, "K d"],
    t: Float[Array, ""],
    rates: Float[Array, " K"],
    advance: Float[Array, " K"],
) -> Float[Array, "K d"]:
    """Return `X(t)` with `W(t) W(t)^T = (V X)(V X)^T` for the flow started at overlaps `V^T W0`.

    With `f_k = (e^(2 lambda_k t) - 1) / lambda_k` and `b_k` the rows of the overlaps,

        W W^T = V e^(Lambda t) B (I + B^T diag(f) B)^-1 B^T e^(Lambda t) V^T.

    Evaluated as written this loses all digits once `e^(2 lambda_1 t)` passes 1e30. Here the rows
    `sqrt(f_k) b_k` stacked on the identity are sorted by size and factored by Householder QR,
    `[sqrt(f) B; I] = [Q1; Q2] R`, which is backward stable row by row; then
    `X = diag(g) Q1` with `g_k^2 = e^(2 lambda_k t) / f_k`. Sizes are kept as logarithms. Where
    more than `d` rows would overflow, the d + 1 largest decide alone and all are scaled down
    together, so that any `t` may be asked for.

    Args:
        eigenvalues: `lambda_k` of either sign.
        overlaps: `B = V^T W0`.
        t: time.
        rates: growth rates `l_k` that replace `lambda_k` in the exponent (equal to it in the flow).
        advance: time `o_k` added to `t` for each mode (0 in the flow).

    References:
        Yan, Helmke, Moore (1994), Oja flow; Cox and Higham (1998), row-wise stability of
        Householder QR with sorted rows.
    """
    dim = overlaps.shape[1]
    exponent = 2 * rates * (t + advance)
    log_f, log_g_squared = _log_f_and_g(eigenvalues, exponent, t)
    lengths = jnp.linalg.norm(overlaps, axis=1)
    directions = overlaps / jnp.where(lengths > 0, lengths, 1.0)[:, None]
    log_size = log_f / 2 + jnp.log(lengths)

    # Only rows beyond the first d can compete with each other: at most d may be cut off at e^600.
    runner_up = jax.lax.top_k(log_size, dim + 1)[0][-1] if len(log_size) > dim else -jnp.inf
    shift = jnp.maximum(runner_up - 300.0, 0.0)
    scaled = jnp.exp(jnp.minimum(log_size - shift, 600.0))[:, None] * directions
    # Never exactly 0, or a direction that no mode has would be left to chance in Q.
    identity = jnp.eye(dim) * jnp.exp(jnp.maximum(-shift, -700.0))
    stacked = jnp.concatenate([scaled, identity])
    order = jnp.argsort(-jnp.max(jnp.abs(stacked), axis=1))
    Q, _ = jnp.linalg.qr(stacked[order])
    Q1 = jnp.zeros_like(Q).at[order].set(Q)[: len(log_size)]
    grown = jnp.exp(log_g_squared / 2)[:, None] * Q1
    return jnp.where(t == 0, overlaps, grown)


def _log_f_and_g(
    eigenvalues: Float[Array, " K"], exponent: Float[Array, " K"], t: Float[Array, ""]
) -> tuple[Float[Array, " K"], Float[Array, " K"]]:
    """Return `log f_k`, `f_k = (e^x_k - 1) / lambda_k`, and `log g_k^2 = x_k - log f_k`, `f = 2 t` at 0.

    The second is not left to a subtraction: at late times both terms are huge and all but equal.
    """
    flat = eigenvalues == 0
    size = jnp.where(flat, 1.0, jnp.abs(exponent))
    log_ratio = jnp.log(-jnp.expm1(-size)) - jnp.log(jnp.where(flat, 1.0, jnp.abs(eigenvalues)))
    log_f = jnp.where(flat, jnp.log(2 * t), jnp.maximum(exponent, 0.0) + log_ratio)
    log_g_squared = jnp.where(flat, -jnp.log(2 * t), jnp.minimum(exponent, 0.0) - log_ratio)
    return log_f, log_g_squared


def predict(
    problem: Problem,
    W0: Any,
    ts: Any,
    *,
    learning_rate: float = 0.0,
    spectrum: Spectrum | None = None,
    save_embeddings: bool = False,
) -> Trajectory:
    """Return the trajectory from any initial weights in closed form, without integrating anything.

    At `learning_rate = 0` this is the exact solution of `dW/dt = (M* - W W^T) W`, to rounding, at
    any time. Otherwise it describes gradient descent of that step size to first order in it:
    each mode grows at `l_k = ln(1 + eta lambda_k) / eta` and runs ahead by
    `o_k(t) = -3/4 eta ln(1 - s_k^2(t) / lambda_k)` as it saturates. Its error is of second order
    in `eta lambda_1`; joint learning of near-degenerate modes is corrected only on average.

    Args:
        problem: quartic, constant `G`, tied.
        W0: initial weights `(V, dim)`, or `(S, V, dim)` for an ensemble.
        ts: times `(T,)`, increasing; the first may be 0.
        learning_rate: step size `eta` of the descent to predict; 0 for the gradient flow.
        spectrum: the complete eigenbasis, if at hand (`leading_eigenpairs(problem, V)`).
        save_embeddings: keep `W(t)`, right up to one rotation of its columns at each time.

    Raises:
        ValueError: float64 is off, or an argument does not fit the problem.

    References:
        Docstring of `riccati_factor`; arXiv 2502.09863 treats the aligned start.

    Example:
        >>> import jax, numpy as np
        >>> jax.config.update("jax_enable_x64", True)
        >>> from w2vflow.statistics import CooccurrenceStatistics
        >>> stats = CooccurrenceStatistics(("a", "b"), np.array([[9, 1], [1, 9]]), np.array([1, 1]))
        >>> problem = Problem.from_statistics(stats)
        >>> exact = predict(problem, np.array([[1e-6], [-2e-6]]), [0, 7, 20])
        >>> (exact.singular_values[:, 0] ** 2).round(3).tolist()
        [0.0, 0.903, 1.905]
    """
    require_float64("predict")
    weights, times = check_weights(W0, problem.vocab_size), check_times(ts)
    if learning_rate < 0:
        raise argument_error("learning_rate", "0 for the flow, or positive", learning_rate)
    size = problem.vocab_size
    basis = leading_eigenpairs(problem, size) if spectrum is None else spectrum.require_complete()
    seeds = weights if weights.ndim == 3 else weights[None]
    overlaps = basis.eigenvectors.T @ seeds
    strengths = np.zeros(overlaps.shape[:2])
    strengths[:, : seeds.shape[2]] = effective_initial_strengths(basis, seeds)
    rates = growth_rates(basis.eigenvalues, learning_rate)
    values, loss, factors = _trajectories(
        jnp.asarray(basis.eigenvalues),
        jnp.asarray(overlaps),
        jnp.asarray(times),
        jnp.asarray(rates),
        jnp.asarray(strengths),
        jnp.asarray(learning_rate, jnp.float64),
        save_embeddings,
    )
    embeddings = basis.to_words(factors) if save_embeddings else None
    axis = 0 if weights.ndim == 2 else slice(None)
    return Trajectory(
        "theory" if learning_rate == 0 else "theory-discrete",
        times,
        np.asarray(values)[axis],
        np.asarray(loss)[axis],
        None if embeddings is None else embeddings[axis],
        {"method": "exact Riccati solution", "learning_rate": learning_rate, "precision": "float64"},
    )


@eqx.filter_jit
def _trajectories(
    eigenvalues: Float[Array, " K"],
    overlaps: Float[Array, "S K d"],
    ts: Float[Array, " T"],
    rates: Float[Array, " K"],
    strengths: Float[Array, "S K"],
    learning_rate: Float[Array, ""],
    keep_factors: bool,
) -> tuple[Float[Array, "S T d"], Float[Array, "S T"], Float[Array, "S T K d"] | None]:
    """Observables (and `X(t)` if kept) for every seed and time, one after the other to save memory."""
    norm_squared = jnp.sum(eigenvalues**2)

    def at_time(one: tuple[Array, Array, Array]) -> tuple[Array, Array, Array | None]:
        B, strength, t = one
        X = riccati_factor(eigenvalues, B, t, rates, saturation_advance(strength, t))
        loss = factored_loss(norm_squared, X, eigenvalues[:, None] * X)
        return singular_values(X), loss, X if keep_factors else None

    def saturation_advance(strength: Array, t: Array) -> Array:
        growing = (strength > 0) & (eigenvalues > 0)
        safe = jnp.where(growing, eigenvalues, 1.0)
        # -ln(1 - s^2/lambda) of the sigmoid that starts at `strength`, with its exponent in logarithms.
        log_ratio = jnp.log(jnp.where(growing, strength, 1.0)) + _log_f_and_g(safe, 2 * rates * t, t)[0]
        return jnp.where(growing, 0.75 * learning_rate * jnp.logaddexp(0.0, log_ratio), 0.0)

    def of_seed(one: tuple[Array, Array]) -> tuple[Array, Array, Array | None]:
        B, strength = one
        return jax.lax.map(lambda t: at_time((B, strength, t)), ts)

    return jax.lax.map(of_seed, (overlaps, strengths))
