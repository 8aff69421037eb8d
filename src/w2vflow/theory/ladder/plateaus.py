"""Plateaus of the flow of any loss and weights: stationary points, each of one more direction."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Array, Float

from w2vflow.problem import Objective, Operator
from w2vflow.results import singular_values
from w2vflow.spectrum import lanczos_eigenpairs
from w2vflow.support.checks import argument_error
from w2vflow.support.devices import word_mesh
from w2vflow.theory.ladder.pairs import Stiffness

__all__ = ["Growth", "Plateau", "next_plateau", "plateau_at"]

# Gradient against weights, relative to the rate of the step, above which no minimum was found.
_STATIONARY = 0.02
# Fall of the loss in one iteration, as a fraction of the step, at which a plateau is reached.
_LEVEL = 1e-8
_DENSE_UP_TO = 600


class Plateau(NamedTuple):
    """A stationary point and what grows there; weights have zero columns for steps to come."""

    weights: Float[np.ndarray, "n d"]
    loss: float
    strengths: Float[np.ndarray, " d"]
    growth: Float[np.ndarray, " m"]
    vectors: Float[np.ndarray, "n m"]


class Growth(Operator):
    """`E(S S^T)`: how small weights beside those of a plateau grow.

    Its products are one gradient, that of the weights `[S, tau U]` with `tau` so small that `tau^2 U U^T` is
    lost in rounding beside `S S^T`. So `E` needs no form of its own for any loss, any weights, tied or not.
    """

    objective: Objective
    S: Float[Array, "n d"]

    @classmethod
    def at(cls, objective: Objective, S: Float[np.ndarray, "n d"]) -> "Growth":
        """Return it on one device."""
        return cls(len(S), word_mesh(), objective, jnp.asarray(S))

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        tau, held = 2.0**-200, self.S.shape[1]
        return -self.objective.gradient(jnp.concatenate([self.S, tau * own], axis=1))[:, held:] / tau


def plateau_at(objective: Objective, weights: Float[np.ndarray, "n d"], modes: int) -> Plateau:
    """Return a plateau with the first `modes` directions that grow there."""
    loss = float(_value_and_gradient(objective, weights)[0])
    strengths = np.asarray(singular_values(jnp.asarray(weights), objective.sides)) ** 2
    return Plateau(weights, loss, strengths, *_leading(Growth.at(objective, weights), modes))


def next_plateau(
    objective: Objective, stiffness: Stiffness, plateau: Plateau, rank: int, modes: int
) -> Plateau:
    """Return the minimum below a plateau of some rank, with one direction more.

    Raises:
        ValueError: the loss has none.
    """
    rate, direction = float(plateau.growth[0]), plateau.vectors[:, 0]
    start = plateau.weights.copy()
    start[:, rank] = np.sqrt(_ceiling(objective, plateau.weights, rank, direction, rate)) * direction
    weights = _settled(objective, stiffness, start, rank + 1, plateau.loss, rate)
    return plateau_at(objective, weights, modes)


@eqx.filter_jit
def _value_and_gradient(
    objective: Objective, Z: Float[Array | np.ndarray, "n d"]
) -> tuple[Float[Array, ""], Float[Array, "n d"]]:
    return objective.value(jnp.asarray(Z)), objective.gradient(jnp.asarray(Z))


def _leading(growth: Growth, modes: int) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "n m"]]:
    """Return the leading eigenpairs, largest first."""
    if growth.size <= _DENSE_UP_TO or modes > growth.size // 10:
        values, vectors = scipy.linalg.eigh(np.asarray(growth.dense()))
        return values[::-1][:modes], vectors[:, ::-1][:, :modes]
    found = lanczos_eigenpairs(growth, modes, tol=1e-6)
    return np.asarray(found.values), np.asarray(found.vectors)


def _ceiling(
    objective: Objective, S: Float[np.ndarray, "n d"], rank: int, u: Float[np.ndarray, " n"], rate: float
) -> float:
    """Return `a / c` of `ds/dt = s (a - c s^2)`: where one direction would end if nothing else moved."""
    small = 1e-3 * rate
    along = S.copy()
    along[:, rank] = np.sqrt(small) * u
    gradient = np.asarray(_value_and_gradient(objective, along)[1])
    slowed = rate + float(u @ gradient[:, rank]) / np.sqrt(small)
    # A loss without a bound has none.
    return rate * small / slowed if slowed > 0 else rate


def _settled(
    objective: Objective,
    stiffness: Stiffness,
    S: Float[np.ndarray, "n d"],
    used: int,
    before: float,
    rate: float,
) -> Float[np.ndarray, "n d"]:
    """Return the minimum, in the first `used` columns, to which L-BFGS falls, or raise `ValueError`.

    In the variables `L_i^T s_i` of word i, `L_i L_i^T = rate + sum_j G_ij s_j s_j^T`, in which rare and
    frequent words, strong and weak directions are about as stiff as each other.
    """
    fallen = before - float(_value_and_gradient(objective, S)[0])
    own = S[:, :used]
    held = _row_stiffness(stiffness, own, objective.sides) + rate * np.eye(used)
    triangles = np.linalg.cholesky(held)

    def weights_of(flat: np.ndarray) -> np.ndarray:
        back = np.linalg.solve(np.swapaxes(triangles, 1, 2), flat.reshape(*own.shape, 1))[..., 0]
        # Of one shape at all ranks, so that gradients are compiled once.
        return np.pad(back, ((0, 0), (0, S.shape[1] - used)))

    def scaled(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _value_and_gradient(objective, weights_of(flat))
        there = np.linalg.solve(triangles, np.asarray(gradient)[:, :used, None])
        return (float(value) - before) / fallen, there.ravel() / fallen

    found = scipy.optimize.minimize(
        scaled,
        (np.swapaxes(triangles, 1, 2) @ own[..., None]).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": 20, "maxiter": 2000, "maxfun": 4000, "ftol": _LEVEL, "gtol": 0.0},
    )
    weights = weights_of(found.x)
    rest = np.linalg.norm(_value_and_gradient(objective, weights)[1]) / np.linalg.norm(weights)
    # NaN compares false.
    if not rest < _STATIONARY * rate:
        got = f"a gradient of {rest:.2g} times the weights where it should be stationary"
        remedy = "A Taylor expansion of order 4, 8, ... falls without bound; use the logistic loss."
        raise argument_error("problem", "one whose loss has a minimum after each step", got, remedy)
    return weights


def _row_stiffness(
    stiffness: Stiffness, S: Float[np.ndarray, "n d"], sides: int
) -> Float[np.ndarray, "n d d"]:
    """Return `sum_j G_ij s_j s_j^T` of each word i, of contexts below words where they are apart."""
    size, dim = len(S) // sides, S.shape[1]
    squares = (S[:, :, None] * S[:, None, :]).reshape(len(S), -1)
    held = np.zeros_like(squares)
    for rows, G in stiffness.blocks():
        held[rows] = G @ squares[-size:]
        if sides == 2:
            held[size:] += G.T @ squares[rows]
    return held.reshape(-1, dim, dim)
