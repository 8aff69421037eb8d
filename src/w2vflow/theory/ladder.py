"""Ladder of plateaus: the flow of any loss and weights, one more direction on each."""

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Array, Bool, Float

from w2vflow.problem import Objective, Operator, Problem
from w2vflow.results import singular_values
from w2vflow.spectrum import lanczos_eigenpairs
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_dimension, check_weights
from w2vflow.support.devices import require_float64, word_mesh
from w2vflow.theory.transition import follow_transition, velocity

__all__ = ["Ladder", "predict_ladder"]

# Strength at which an orbit leaves its plateau, as a fraction of where it would end if it did not turn.
_START = 1e-3
# A direction that grows more slowly than this, relative to the first, is left where it is.
_LEARNABLE = 1e-6
# Gradient against weights, relative to the rate of the step, above which no minimum was found.
_STATIONARY = 0.02
_DENSE_UP_TO = 600


@checked
@dataclass(frozen=True, eq=False)
class Ladder:
    """Plateaus of the loss and what leads from each to the next; for all small initial weights alike.

    Attributes:
        losses: on each plateau, `(r + 1,)`: at zero weights, then after each step.
        strengths: `s_k^2` on the plateau after each step, falling, `(r, r)`, zero where none.
        growth: leading eigenvalues `Lambda_j` of `E` on each plateau, falling, `(r + 1, m)`; the first
            is the rate at which the next direction grows, `s^2` at twice that.
        plateaus: the weights of each plateau, `(V, k)`, or `(2, V, k)` where words and contexts have
            their own, `k = 0 .. r`.
        half_rises: on the orbit of each step, when `s_k^2` passes half of its plateau, `(r,)`.
        durations: of the orbits, `(r,)`. A step that follows the one before by less rises jointly.
        starts: amplitude of the new direction where an orbit starts, `(r,)`.
        directions: eigenvectors of `E` at zero weights, `(n, m)`, `n = V` or `2 V`.
        passages: what an orbit turns amplitudes in the eigenvectors of one plateau into, in those of
            the next, `(r, m, m - 1)`.
    """

    losses: np.ndarray
    strengths: np.ndarray
    growth: np.ndarray
    plateaus: tuple[np.ndarray, ...]
    half_rises: np.ndarray
    durations: np.ndarray
    starts: np.ndarray
    directions: np.ndarray
    passages: np.ndarray

    @property
    def steps(self) -> int:
        """Number of steps `r`."""
        return len(self.starts)

    def step_times(self, W0: Any) -> np.ndarray:
        """Return when each step happens from the given initial weights, `([S,] r)`.

        Step k happens when `s_k^2` passes half of `strengths[k, k]`, its value on the plateau it leads
        to. While a plateau lasts, each eigenvector of its `E` grows at its own rate, and what is orthogonal
        to the growing direction, as a direction of the embedding space, goes on to the next:

            D_q+1 = P_q diag(e^(Lambda_j T_q)) R_q

        with `R_q` the triangular factor of the amplitudes without its first direction, `T_q` how long
        it takes the first to reach the orbit, and `P_q` the `passages`. All but free for many seeds.

        Args:
            W0: initial weights `([S,] V, d)`, or `([S,] 2, V, d)`; `d` may be any, and no more than `d`
                steps happen.

        Raises:
            ValueError: `W0` does not fit the problem.

        Warns:
            RuntimeWarning: the start is no longer small, or steps follow each other faster than one takes;
                their times may be wrong by more than 10%.
        """
        sides = 1 if self.plateaus[0].ndim == 2 else 2
        weights = np.asarray(check_weights(W0, len(self.directions) // sides, sides))
        amplitudes = self.directions.T @ weights
        steps = min(self.steps, weights.shape[-1])
        now, log_scale = np.zeros(weights.shape[:-2]), np.zeros(weights.shape[:-2])
        times, waits = (np.empty((*weights.shape[:-2], steps)) for _ in range(2))
        for k in range(steps):
            lower = np.swapaxes(np.linalg.qr(np.swapaxes(amplitudes, -1, -2), mode="r"), -1, -2)
            rates = self.growth[k]
            with np.errstate(divide="ignore"):
                wait = (np.log(self.starts[k]) - log_scale - np.log(np.abs(lower[..., 0, 0]))) / rates[0]
            times[..., k], waits[..., k] = now + wait + self.half_rises[k], wait
            if k + 1 == steps:
                break
            # Relative to the fastest that is left, so that nothing overflows however small the start.
            grown = np.exp((rates[1:] - rates[1]) * wait[..., None])[..., None] * lower[..., 1:, 1:]
            amplitudes = self.passages[k] @ grown
            log_scale, now = log_scale + rates[1] * wait, now + wait + self.durations[k]
        _warn_of_overlaps(np.asarray((waits < 0).any(axis=tuple(range(waits.ndim - 1)))))
        return times


@checked
def predict_ladder(problem: Problem, steps: int, *, modes: int | None = None) -> Ladder:
    """Return the plateaus of the gradient flow from small weights, for any loss and any weights.

    Small weights `Z` grow as `dZ/dt = E(Q) Z`, `Q` the product of those already grown, `E = -2 S` of tied
    weights, `S_ij = A l+'(x_ij) + B l-'(x_ij)`, and `-[[0, S], [S^T, 0]]` of words above contexts. Plateau r
    is a stationary point of rank r; from there the top eigenvector of `E` rises, along an orbit that
    does not depend on where the weights came from, to the next. So the plateaus and orbits are computed
    once; from given weights follow times (`Ladder.step_times`).

    At constant `G` and quartic loss the plateaus are those of the leading eigenpairs of `M*`, and times those
    of `predict_step_times` to 0.1%. Else the ladder is exact as the scale of the start tends to 0, wherever
    steps are further apart than they are wide. Where they are not, the flow leaves a plateau before it has
    settled on it, and steps that rise jointly come too late (see docs/predictions.md, "Any weights, any loss:
    the ladder"): use `solve_flow`.

    The cost is that of some hundred gradients for each step.

    Args:
        problem: of any loss and weighting, tied or untied.
        steps: how many, `r`; at most V.
        modes: how many eigenvectors of each plateau are followed to the next; `r + 8` by default.

    Raises:
        ValueError: float64 is off, `steps` is outside 1..V, fewer modes than steps, or a loss without
            a minimum.

    Warns:
        RuntimeWarning: nothing grows any more before `steps` plateaus; the ladder ends there.

    References:
        Li, Luo, Lyu (2021), arXiv 2012.09839, greedy low-rank learning; Jacot et al. (2021),
        arXiv 2106.15933, saddle to saddle; Kunin et al. (2025), arXiv 2506.06489, alternating gradient
        flows.

    Example:
        >>> import jax, numpy as np
        >>> jax.config.update("jax_enable_x64", True)
        >>> problem = Problem.from_target(np.diag([3.0, 2.0, 1.0, -1.0]))
        >>> ladder = predict_ladder(problem, 2)
        >>> ladder.losses.round(3).tolist()
        [3.75, 1.5, 0.5]
    """
    require_float64("predict_ladder")
    check_dimension(steps, problem.vocab_size)
    size = problem.sides * problem.vocab_size
    modes = min(size, steps + 8) if modes is None else modes
    if not steps <= modes <= size:
        raise argument_error("modes", f"between `steps` = {steps} and {size}", modes)
    objective = problem.objective(np.float64)
    plateaus = [_plateau(objective, np.zeros((size, steps)), modes)]
    passages: list[_Passage] = []
    while len(passages) < steps and plateaus[-1].growth[0] > _LEARNABLE * plateaus[0].growth[0]:
        passage, plateau = _climb(objective, plateaus[-1], len(passages))
        passages.append(passage)
        plateaus.append(plateau)
    rank = len(passages)
    if rank < steps:
        warnings.warn(
            f"`predict_ladder` found {rank} steps of the {steps} asked for: on the plateau after them no "
            "direction grows, and further ones are never learned.",
            RuntimeWarning,
            stacklevel=2,
        )
    own = (problem.vocab_size,) if problem.tied else (2, problem.vocab_size)
    half_rises, durations, starts, matrices = zip(*passages, strict=True) if passages else ([], [], [], [])
    return Ladder(
        np.asarray([plateau.loss for plateau in plateaus]),
        np.asarray([plateau.strengths[:rank] for plateau in plateaus[1:]]).reshape(rank, rank),
        np.asarray([plateau.growth for plateau in plateaus]),
        tuple(plateau.weights[:, :k].reshape(*own, k) for k, plateau in enumerate(plateaus)),
        np.asarray(half_rises),
        np.asarray(durations),
        np.asarray(starts),
        plateaus[0].vectors,
        np.asarray(matrices).reshape(rank, modes, modes - 1),
    )


class _Plateau(NamedTuple):
    """A stationary point and what grows there; weights have zero columns for steps to come."""

    weights: Float[np.ndarray, "n d"]
    loss: float
    strengths: Float[np.ndarray, " d"]
    growth: Float[np.ndarray, " m"]
    vectors: Float[np.ndarray, "n m"]


class _Passage(NamedTuple):
    """What of an orbit is kept: see `Ladder`."""

    half_rise: float
    duration: float
    start: float
    matrix: Float[np.ndarray, "m l"]


def _plateau(objective: Objective, weights: Float[np.ndarray, "n d"], modes: int) -> _Plateau:
    loss = float(_value_and_gradient(objective, weights)[0])
    strengths = np.asarray(singular_values(jnp.asarray(weights), objective.sides)) ** 2
    return _Plateau(weights, loss, strengths, *_leading(objective, weights, modes))


def _climb(objective: Objective, plateau: _Plateau, rank: int) -> tuple[_Passage, _Plateau]:
    """Follow the orbit from a plateau of some rank, settle on the next, and see what grows there."""
    rate, direction = float(plateau.growth[0]), plateau.vectors[:, 0]
    amplitude = float(np.sqrt(_START * _ceiling(objective, plateau.weights, rank, direction, rate)))
    start = plateau.weights.copy()
    start[:, rank] = amplitude * direction
    orbit = follow_transition(
        objective, jnp.asarray(start), jnp.asarray(plateau.vectors[:, 1:]), jnp.asarray(rate)
    )
    weights = _settled(objective, np.asarray(orbit.weights), plateau.loss, rate)
    reached = _plateau(objective, weights, len(plateau.growth))
    n = int(orbit.steps)
    times, strengths = np.asarray(orbit.times)[:n], np.asarray(orbit.strengths)[:n, rank]
    half_rise = np.interp(np.log(reached.strengths[rank] / 2), np.log(strengths), times)
    matrix = reached.vectors.T @ np.asarray(orbit.dormant)
    return _Passage(float(half_rise), float(times[-1]), amplitude, matrix), reached


@eqx.filter_jit
def _value_and_gradient(
    objective: Objective, Z: Float[Array | np.ndarray, "n d"]
) -> tuple[Float[Array, ""], Float[Array, "n d"]]:
    return objective.value(jnp.asarray(Z)), objective.gradient(jnp.asarray(Z))


class _Growth(Operator):
    """`E(S S^T)`: how small weights beside those of a plateau grow."""

    objective: Objective
    S: Float[Array, "n d"]

    def local_product(self, own: Float[Array, "R b"]) -> Float[Array, "R b"]:
        held = self.S.shape[1]
        return velocity(self.objective, jnp.concatenate([self.S, own], axis=1), held)[:, held:]


def _leading(
    objective: Objective, S: Float[np.ndarray, "n d"], modes: int
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, "n m"]]:
    """Return the leading eigenpairs of `E(S S^T)`, largest first."""
    growth = _Growth(len(S), word_mesh(), objective, jnp.asarray(S))
    if len(S) <= _DENSE_UP_TO or modes > len(S) // 10:
        values, vectors = scipy.linalg.eigh(np.asarray(growth.dense()))
        return values[::-1][:modes], vectors[:, ::-1][:, :modes]
    found = lanczos_eigenpairs(growth, modes, tol=1e-7)
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
    objective: Objective, S: Float[np.ndarray, "n d"], before: float, rate: float
) -> Float[np.ndarray, "n d"]:
    """Return the minimum to which L-BFGS falls from the end of an orbit, or raise `ValueError`."""
    fallen = before - float(_value_and_gradient(objective, S)[0])

    def scaled(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _value_and_gradient(objective, flat.reshape(S.shape))
        return (float(value) - before) / fallen, np.asarray(gradient).ravel() / fallen

    found = scipy.optimize.minimize(
        scaled,
        S.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": 20, "maxiter": 2000, "maxfun": 4000, "ftol": 1e-10, "gtol": 0.0},
    )
    rest = fallen * np.linalg.norm(found.jac) / np.linalg.norm(found.x)
    # NaN compares false.
    if not rest < _STATIONARY * rate:
        got = f"a gradient of {rest:.2g} times the weights where it should be stationary"
        remedy = "A Taylor expansion of order 4, 8, ... falls without bound; use the logistic loss."
        raise argument_error("problem", "one whose loss has a minimum after each step", got, remedy)
    return found.x.reshape(S.shape)


def _warn_of_overlaps(early: Bool[np.ndarray, " r"]) -> None:
    """Warn where an orbit would have to start before the start of time, or before the last one has ended."""
    which = ", ".join(map(str, np.flatnonzero(early) + 1))
    if early[:1].any():
        warnings.warn(
            "The initial weights are too large for `Ladder.step_times`, which supposes linear growth: "
            f"along the first direction they are more than {np.sqrt(_START):.0%} of what it grows to. "
            "Use `solve_flow`.",
            RuntimeWarning,
            stacklevel=3,
        )
    elif which:
        warnings.warn(
            f"Steps {which} begin before the one before them has ended: they rise jointly, where times of "
            "`Ladder.step_times` may be wrong by more than 10%. Use `solve_flow`.",
            RuntimeWarning,
            stacklevel=3,
        )
