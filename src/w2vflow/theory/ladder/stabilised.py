"""Flow of columns, however far apart in size: a stabilised explicit method that grows with each of them."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = ["Columns", "State", "advance", "begin"]

_MAX_STAGES = 60
# Of the error of a step, relative to each column.
_TOLERANCE = 5e-4


class Columns(NamedTuple):
    """Weights `Y diag(e^logs)`: columns of any size, `Y` itself of length one or zero.

    Attributes:
        Y: `(n, d)`.
        logs: `(d,)`.
    """

    Y: Float[Array, "n d"]
    logs: Float[Array, " d"]

    @classmethod
    def of(cls, weights: Float[Array, "n d"], logs: Float[Array, " d"]) -> "Columns":
        """Return the columns `weights diag(e^logs)`, in lengths of one."""
        length = jnp.linalg.norm(weights, axis=0)
        there = jnp.where(length > 0, length, 1.0)
        return cls(weights / there, logs + jnp.log(there))

    @property
    def weights(self) -> Float[Array, "n d"]:
        """The weights themselves; columns too small for a float are zero."""
        return self.Y * jnp.exp(self.logs)


# `E(W W^T)` at weights `W`, applied to columns `Y`.
Field = Callable[[Float[Array, "n d"], Float[Array, "n d"]], Float[Array, "n d"]]


class State(NamedTuple):
    """The integrator between two steps."""

    time: Float[Array, ""]
    columns: Columns
    h: Float[Array, ""]
    probe: Float[Array, "n d"]
    stiffness: Float[Array, ""]
    good: Array


def begin(field: Field, time: Float[Array, ""], columns: Columns, rate: Float[Array, ""]) -> State:
    """Return the state before the first step; `rate` is about how fast anything happens."""
    probe = jax.random.normal(jax.random.key(0), columns.Y.shape, columns.Y.dtype)
    probe, stiffness = jax.lax.fori_loop(
        0, 15, lambda _, at: _stiffer(field, columns.weights, at[0]), (probe, rate)
    )
    return State(time, columns, 1 / stiffness, probe, stiffness, jnp.asarray(True))


def advance(field: Field, state: State) -> State:
    """Return the state after one step, or with a smaller step to try where its error was too large.

        dW/dt = E(W W^T) W,     w_j = e^(l_j + r_j t) y_j,     dy_j/dt = E y_j - r_j y_j,   r_j = y_j^T E y_j

    By the second order Runge-Kutta-Chebyshev method for `Y`: the pull of what is learned is up to hundreds of
    times faster than a mode grows, and the number of stages grows as the root of that ratio only. What grows
    or waits at a steady rate is in the factors, exactly, so that a wait of any length is a few steps.

    References:
        Sommeijer, Shampine, Verwer (1998), RKC; its equations 2.6 to 2.9 and section 3.
    """
    columns, limit = state.columns, 1.25 * state.stiffness
    h = jnp.minimum(state.h, 0.65 * (_MAX_STAGES**2 - 1) / limit)
    stages = jnp.clip(1 + jnp.ceil(jnp.sqrt(1 + 1.54 * h * limit)), 2, _MAX_STAGES).astype(int)
    end, error = _step(field, jnp.asarray(_coefficients())[stages], stages, columns, h)
    good = error <= 1
    kept = jax.tree.map(lambda new, old: jnp.where(good, new, old), end, columns)
    probe, size = _stiffer(field, kept.weights, state.probe)
    # Kept from falling at once, and raised where a step failed: the iteration may be late to see a change.
    stiffness = jnp.maximum(size, jnp.where(good, 0.9, 1.2) * state.stiffness)
    change = jnp.clip(0.8 * jnp.maximum(error, 1e-9) ** (-1 / 3), 0.1, 5.0)
    return State(state.time + jnp.where(good, h, 0.0), kept, h * change, probe, stiffness, good)


def _step(
    field: Field,
    coefficients: Float[Array, "j 5"],
    stages: Int[Array, ""],
    columns: Columns,
    h: Float[Array, ""],
) -> tuple[Columns, Float[Array, ""]]:
    """Return the end of a step, and its error against what is allowed."""
    Y, logs = columns
    G = field(columns.weights, Y)
    rates = jnp.sum(Y * G, axis=0)

    def slope(Y: Array, share: Array) -> Array:
        return field(Y * jnp.exp(logs + rates * h * share), Y) - rates * Y

    F = G - rates * Y

    def stage(j: Array, at: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        before, last, share = at
        mu, nu, mu_tilde, gamma, next_share = coefficients[j]
        pushed = mu_tilde * slope(last, share) + gamma * F
        return last, (1 - mu - nu) * Y + mu * last + nu * before + h * pushed, next_share

    first = (Y, Y + coefficients[1, 2] * h * F, coefficients[1, 4])
    _, end, _ = jax.lax.fori_loop(2, stages + 1, stage, first)
    error = jnp.linalg.norm(0.8 * (Y - end) + 0.4 * h * (F + slope(end, jnp.ones(()))), axis=0)
    worst = jnp.max(error / jnp.maximum(jnp.linalg.norm(end, axis=0), 1.0)) / _TOLERANCE
    return Columns.of(end, logs + rates * h), jnp.where(jnp.isfinite(worst), worst, 1e6)


def _stiffer(
    field: Field, W: Float[Array, "n d"], probe: Float[Array, "n d"]
) -> tuple[Float[Array, "n d"], Float[Array, ""]]:
    """Return a power iteration on the derivative of the flow, and its largest eigenvalue."""
    image = jax.jvp(lambda W: field(W, W), (W,), (probe,))[1]
    size = jnp.linalg.norm(image)
    return image / size, size


@cache
def _coefficients() -> np.ndarray:
    """Return `mu_j, nu_j, mu~_j, gamma~_j, c_j` of the method of `s` stages at `[s, j]`."""
    table = np.zeros((_MAX_STAGES + 1, _MAX_STAGES + 1, 5))
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
        table[s, 1, [2, 4]] = b[1] * w1
        later = table[s, 2 : s + 1]
        later[:, 0] = 2 * w0 * b[2:] / b[1:-1]
        later[:, 1] = -b[2:] / b[:-2]
        later[:, 2] = 2 * w1 * b[2:] / b[1:-1]
        later[:, 3] = -(1 - b[1:-1] * T[1:-1]) * later[:, 2]
        later[:, 4] = w1 * H[2:] / D[2:]
    return table
