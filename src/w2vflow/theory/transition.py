"""Transitions between plateaus of the flow: the orbit along which a dormant direction rises."""

from functools import cache
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from w2vflow.problem import Objective
from w2vflow.results import singular_values

__all__ = ["DORMANT", "Transition", "follow_transition", "velocity"]

# By what dormant columns are scaled down: their products vanish beside any other, their growth is exact.
DORMANT = 2.0**-200

_MAX_STEPS = 500
_MAX_STAGES = 60
# Of the error of a step, relative to each column: an orbit then ends with logarithms right to 0.01 at most.
_TOLERANCE = 5e-4
# What an orbit may still have to fall, as a fraction of what it has fallen, where it is called settled.
_SETTLED = 0.02


class Transition(NamedTuple):
    """An orbit from the neighbourhood of one plateau to that of the next.

    Attributes:
        weights: at its end, `(n, d)`.
        dormant: what became of the dormant directions, `(n, m)`.
        times: since its start, `(L,)`; infinite beyond the `steps` taken.
        strengths: `s_k^2` at these times, falling, `(L, d)`.
        steps: how many steps the integrator took.
    """

    weights: Float[Array, "n d"]
    dormant: Float[Array, "n m"]
    times: Float[Array, " L"]
    strengths: Float[Array, "L d"]
    steps: Int[Array, ""]


def velocity(objective: Objective, Y: Float[Array, "n e"], dim: int) -> Float[Array, "n e"]:
    """Return `E(Q) Y` of the active columns `S`, the first `dim`, and of the dormant ones behind them.

        dS/dt = -dL/dS = E(S S^T) S,     dU/dt = E(S S^T) U

    Both are one gradient, that of the weights `[S, tau U]` with `tau` so small that `tau^2 U U^T` is lost
    in rounding beside `S S^T`. So `E` needs no form of its own for any loss, any weights, tied or not.
    """
    scale = jnp.where(jnp.arange(Y.shape[1]) < dim, 1.0, DORMANT)[None]
    return -objective.gradient(Y * scale) / scale


class _State(NamedTuple):
    """The integrator between two steps: `Y` active and dormant columns, `F` their velocity."""

    Y: Float[Array, "n e"]
    F: Float[Array, "n e"]
    h: Float[Array, ""]
    probe: Float[Array, "n d"]
    stiffness: Float[Array, ""]
    fallen: Float[Array, ""]
    steps: Int[Array, ""]
    tries: Int[Array, ""]
    times: Float[Array, " L"]
    strengths: Float[Array, "L d"]


@eqx.filter_jit
def follow_transition(
    objective: Objective, start: Float[Array, "n d"], dormant: Float[Array, "n m"], rate: Float[Array, ""]
) -> Transition:
    """Return the orbit of the flow from `start` until it has settled, and what dormant directions do on it.

    Integrated by the second order Runge-Kutta-Chebyshev method: the pull towards the active directions, and
    against the most negative eigenvalue, is hundreds of times faster than a mode grows, and the number
    of stages grows as the root of that ratio only. The orbit has settled when at its present speed it would
    fall, in one e-fold of the mode, by 2% of what it has fallen.

    Args:
        objective: of which the flow is.
        start: plateau and a little of the direction that grows, with zero columns for those to come.
        dormant: directions whose linear growth is followed.
        rate: at which the new direction grows at first.

    References:
        Sommeijer, Shampine, Verwer (1998), RKC; its equations 2.6 to 2.9 and section 3.
    """
    dim = start.shape[1]
    table = jnp.asarray(_coefficients())

    def advance(state: _State) -> _State:
        return _advance(objective, dim, table, state)

    def moving(state: _State) -> Array:
        settled = _speed(state.F, dim) < _SETTLED * rate * state.fallen
        return ~settled & (state.steps < _MAX_STEPS) & (state.tries < 2 * _MAX_STEPS)

    probe = jax.random.normal(jax.random.key(0), start.shape, start.dtype)
    probe, stiffness = jax.lax.fori_loop(
        0, 15, lambda _, at: _stiffer(objective, start, at[0]), (probe, rate)
    )
    Y = jnp.concatenate([start, dormant], axis=1)
    F = velocity(objective, Y, dim)
    # What the orbit fell before its start, on the way down from the plateau itself.
    fallen = _speed(F, dim) / (2 * rate)
    times = jnp.full(_MAX_STEPS, jnp.inf).at[0].set(0.0)
    strengths = jnp.zeros((_MAX_STEPS, dim)).at[0].set(singular_values(start, objective.sides) ** 2)
    one = jnp.ones((), int)
    state = _State(Y, F, 1 / stiffness, probe, stiffness, fallen, one, one, times, strengths)
    end = jax.lax.while_loop(moving, advance, state)
    return Transition(end.Y[:, :dim], end.Y[:, dim:], end.times, end.strengths, end.steps)


def _advance(objective: Objective, dim: int, table: Float[Array, "s j 4"], state: _State) -> _State:
    """Return the state after one step, or with a smaller step to try where its error was too large."""
    Y, n = state.Y, state.steps
    limit = 1.25 * state.stiffness
    h = jnp.minimum(state.h, 0.65 * (_MAX_STAGES**2 - 1) / limit)
    stages = jnp.clip(1 + jnp.ceil(jnp.sqrt(1 + 1.54 * h * limit)), 2, _MAX_STAGES).astype(int)
    end, F, error = _step(objective, dim, table[stages], stages, state, h)
    good = error <= 1
    fallen = state.fallen + h * (_speed(state.F, dim) + _speed(F, dim)) / 2
    Y, F = jnp.where(good, end, Y), jnp.where(good, F, state.F)
    time, seen = state.times[n - 1] + h, singular_values(Y[:, :dim], objective.sides) ** 2
    probe, size = _stiffer(objective, Y[:, :dim], state.probe)
    # Kept from falling at once, and raised where a step failed: the iteration may be late to see a change.
    stiffness = jnp.maximum(size, jnp.where(good, 0.9, 1.2) * state.stiffness)
    return _State(
        Y,
        F,
        h * jnp.clip(0.8 * jnp.maximum(error, 1e-9) ** (-1 / 3), 0.1, 5.0),
        probe,
        stiffness,
        jnp.where(good, fallen, state.fallen),
        n + good,
        state.tries + 1,
        state.times.at[n].set(jnp.where(good, time, jnp.inf)),
        state.strengths.at[n].set(jnp.where(good, seen, 0.0)),
    )


def _step(
    objective: Objective,
    dim: int,
    coefficients: Float[Array, "j 4"],
    stages: Int[Array, ""],
    state: _State,
    h: Float[Array, ""],
) -> tuple[Float[Array, "n e"], Float[Array, "n e"], Float[Array, ""]]:
    """Return the end of a step, the velocity there, and the error against what is allowed."""
    Y, F = state.Y, state.F

    def stage(j: Array, pair: tuple[Array, Array]) -> tuple[Array, Array]:
        before, last = pair
        mu, nu, mu_tilde, gamma = coefficients[j]
        pushed = mu_tilde * velocity(objective, last, dim) + gamma * F
        return last, (1 - mu - nu) * Y + mu * last + nu * before + h * pushed

    _, end = jax.lax.fori_loop(2, stages + 1, stage, (Y, Y + coefficients[1, 2] * h * F))
    F_end = velocity(objective, end, dim)
    error = jnp.linalg.norm(0.8 * (Y - end) + 0.4 * h * (F + F_end), axis=0)
    size = jnp.maximum(jnp.linalg.norm(Y, axis=0), jnp.linalg.norm(end, axis=0))
    worst = jnp.max(error / jnp.where(size > 0, size, 1.0)) / _TOLERANCE
    return end, F_end, jnp.where(jnp.isfinite(worst), worst, 1e6)


def _stiffer(
    objective: Objective, S: Float[Array, "n d"], probe: Float[Array, "n d"]
) -> tuple[Float[Array, "n d"], Float[Array, ""]]:
    """Return a power iteration on the Hessian and the size of its largest eigenvalue, which limits steps."""
    image = jax.jvp(objective.gradient, (S,), (probe,))[1]
    size = jnp.linalg.norm(image)
    return image / size, size


def _speed(F: Float[Array, "n e"], dim: int) -> Float[Array, ""]:
    """Return `-dL/dt`, the squared norm of the gradient in the active columns."""
    return jnp.sum(F[:, :dim] ** 2)


@cache
def _coefficients() -> np.ndarray:
    """Return `mu_j, nu_j, mu~_j, gamma~_j` of the method of `s` stages at `[s, j]`."""
    table = np.zeros((_MAX_STAGES + 1, _MAX_STAGES + 1, 4))
    for s in range(2, _MAX_STAGES + 1):
        w0 = 1 + 2 / 13 / s**2
        # Chebyshev polynomials at w0 and their first two derivatives, by their recurrence.
        T, D, H = (np.zeros(s + 1) for _ in range(3))
        T[:2], D[1] = (1, w0), 1
        for j in range(2, s + 1):
            T[j] = 2 * w0 * T[j - 1] - T[j - 2]
            D[j] = 2 * T[j - 1] + 2 * w0 * D[j - 1] - D[j - 2]
            H[j] = 4 * D[j - 1] + 2 * w0 * H[j - 1] - H[j - 2]
        w1 = D[s] / H[s]
        b = np.empty(s + 1)
        b[2:] = H[2:] / D[2:] ** 2
        b[:2] = b[2]
        table[s, 1, 2] = b[1] * w1
        later = table[s, 2 : s + 1]
        later[:, 0] = 2 * w0 * b[2:] / b[1:-1]
        later[:, 1] = -b[2:] / b[:-2]
        later[:, 2] = 2 * w1 * b[2:] / b[1:-1]
        later[:, 3] = -(1 - b[1:-1] * T[1:-1]) * later[:, 2]
    return table
