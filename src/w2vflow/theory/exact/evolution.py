"""Weights in an eigenbasis, complete or not, and their exact evolution over many times and seeds."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from w2vflow.problem import Problem, factored_loss
from w2vflow.results import Trajectory, singular_values
from w2vflow.spectrum import Spectrum, learned_eigenpairs
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.devices import describe_mesh, float64_device, versions, word_mesh
from w2vflow.support.machine import available_cores
from w2vflow.theory.exact.riccati import log_f_and_g, riccati_factor
from w2vflow.theory.exact.unresolved import Bath, bath_averages, error_bound
from w2vflow.theory.exact.untied import doubled, overlaps_at, sides_of, untied_loss, warn_if_unbalanced
from w2vflow.theory.step_size import growth_rates, saturation_advance
from w2vflow.theory.step_times.law import strengths_of_overlaps
from w2vflow.theory.step_times.modes import checked_pairs

__all__ = ["Observed", "Rates", "State", "basis_for", "evolve", "state_of", "trajectory_of"]

# Up to this vocabulary size the complete basis is taken: half a minute of LAPACK, no approximation.
COMPLETE_UP_TO = 3000
# Entries of all times' factors, times their columns, from which threads pay.
_WORTH_SHARING = 10**7


class Rates(NamedTuple):
    """Step size of descent (0: the flow) and weight decay."""

    learning_rate: float = 0.0
    weight_decay: float = 0.0

    def check(self) -> "Rates":
        """Return the rates, or raise `ValueError` where one is negative or not finite."""
        if not 0 <= self.learning_rate < np.inf:
            raise argument_error("learning_rate", "0 for the flow, or positive", self.learning_rate)
        if not 0 <= self.weight_decay < np.inf:
            raise argument_error("weight_decay", "0 for none, or positive", self.weight_decay)
        return self


@dataclass(frozen=True, eq=False)
class State:
    """Weights of `S` seeds in a basis.

    Attributes:
        basis: eigenpairs and the density of the rest.
        overlaps: `(S, K + r, d)`: `V^T W`, and below it `r = d` rows `L` of the rest, with
            `L^T L = C = W_rest^T W_rest`; `r = 0` where the basis is complete. Of untied weights
            `(S, 2 V, d)`: `V^T W` above `V^T C`, in a complete basis.
        frame: `(S, V, r)`, orthonormal, with `W_rest = frame L` at the start; None if not wanted.
        log_weights: `ln w_j` of the nodes of the rest, `(m,)`: as the rest grows, its larger
            eigenvalues come to hold more of it.
        sides: 1 where words and contexts share their vectors, else 2.
    """

    basis: Spectrum
    overlaps: np.ndarray
    frame: np.ndarray | None
    log_weights: np.ndarray
    sides: int

    def to_words(self, factors: np.ndarray) -> np.ndarray:
        """Return weights `(S, T, V, d)` from factors `(S, T, K + r, d)`; untied ones are `(S, T, 2 V, d)`."""
        if self.sides == 2:
            coordinates = factors.reshape(*factors.shape[:2], 2, -1, factors.shape[-1])
            return self.basis.to_words(coordinates).reshape(factors.shape)
        pairs = self.basis.eigenvectors.shape[1]
        words = self.basis.to_words(factors[..., :pairs, :])
        if self.frame is not None:
            words += self.frame[:, None] @ factors[..., pairs:, :]
        return words

    def after(self, t: float, factors: np.ndarray, rates: Rates) -> "State":
        """Return the state whose overlaps have become `factors`, `(S, K + r, d)`, in a time `t`."""
        nodes = _nodes(self.basis) - rates.weight_decay
        grown = self.log_weights + 2 * growth_rates(nodes, rates.learning_rate) * t
        if grown.size:
            grown = grown - logsumexp(grown)
        return replace(self, overlaps=factors, log_weights=grown)


@checked
def basis_for(problem: Problem, dim: int, spectrum: Spectrum | None) -> Spectrum:
    """Return the given eigenpairs if they suffice, or else as many as a prediction wants; untied, all.

    Raises:
        ValueError: they are of another vocabulary, fewer than `dim`, do not say what is left out, or
            are incomplete while weights are untied.
    """
    size = problem.vocab_size
    if spectrum is None:
        complete = not problem.tied or size <= COMPLETE_UP_TO
        return learned_eigenpairs(problem, size if complete else min(size, 4 * dim + 100))
    checked_pairs(spectrum, size, dim)
    if not problem.tied:
        return spectrum.require_complete()
    pairs = len(spectrum.eigenvalues)
    if pairs < size and not np.sum(spectrum.bath_weights) > 0:
        got = f"{pairs} pairs of {size} without one"
        raise argument_error("spectrum", "complete, or hold a density of the rest", got)
    return spectrum


def state_of(basis: Spectrum, weights: np.ndarray, keep_frame: bool) -> State:
    """Return the state of weights, as `check_weights` returns them, `(S, V, d)` or `(S, 2 V, d)`.

    `keep_frame` if `to_words` will be called.
    """
    size, pairs = basis.eigenvectors.shape
    sides = weights.shape[1] // size
    if sides == 2:
        each = weights.reshape(len(weights), 2, size, -1)
        return State(basis, (basis.eigenvectors.T @ each).reshape(weights.shape), None, np.empty(0), 2)
    overlaps = basis.eigenvectors.T @ weights
    if pairs == size:
        return State(basis, overlaps, None, np.empty(0), 1)
    rest = weights - basis.eigenvectors @ overlaps
    frame, rows = np.linalg.qr(rest) if keep_frame else (None, np.linalg.qr(rest, mode="r"))
    with np.errstate(divide="ignore"):  # a weight of 0 is allowed
        log_weights = np.log(basis.bath_weights / np.sum(basis.bath_weights))
    return State(basis, np.concatenate([overlaps, rows], axis=1), frame, log_weights, 1)


class Observed(NamedTuple):
    """What `evolve` returns, on the host: seeds first, then times.

    Attributes:
        factors: coordinates of the weights, in the form of `State.overlaps`, `(S, T, ., d)`.
        imbalance: of untied weights, `||D - lam I||` over the largest `|lambda|`, the largest of all
            seeds; see `doubled`.
    """

    values: np.ndarray
    loss: np.ndarray
    factors: np.ndarray | None
    bound: np.ndarray | None
    imbalance: float | None


def evolve(problem: Problem, state: State, times: np.ndarray, rates: Rates, keep_factors: bool) -> Observed:
    """Return the observables of a state at times from now, and its factors if they are to be kept.

    Weight decay `kappa` is a shift of all eigenvalues: `dW/dt = (M* - kappa I - W W^T) W`. The loss
    remains that of `M*` itself.
    """
    basis = state.basis
    norm_squared, rest_squared = float(np.sum(basis.eigenvalues**2)), None
    if state.log_weights.size:
        whole = float(problem.target_norm_squared())
        # Rounding of the difference is allowed for: it limits the eigenvalues left out.
        rest_squared = max(whole - norm_squared, 0.0) + 1e-12 * whole
        norm_squared = whole
    imbalance = None
    if state.sides == 1:
        modes = _modes(np.tile(basis.eigenvalues, (len(state.overlaps), 1)), state.overlaps, rates)
        modes = modes._replace(log_left_out=_log_left_out(state))
    else:
        # The doubled flow runs at half the speed: a step eta in a time t is eta / 2 in t / 2.
        times, rates = times / 2, Rates(rates.learning_rate / 2, 2 * rates.weight_decay)
        pairs, excess = doubled(basis.eigenvalues, state.overlaps, rates.weight_decay)
        imbalance = float(excess.max() / np.abs(basis.eigenvalues).max())
        warn_if_unbalanced(imbalance)
        modes = _modes(pairs.eigenvalues, pairs.overlaps, rates)
        modes = modes._replace(drift=pairs.drift, angles=pairs.angles)
    shared = _Shared(
        jnp.asarray(basis.eigenvalues),
        None if rest_squared is None else _bath(state, rest_squared, rates),
        jnp.asarray(rates.learning_rate, jnp.float64),
        jnp.asarray(rates.weight_decay, jnp.float64),
        jnp.asarray(norm_squared),
    )
    values, loss, factors, bound = _over_cores((shared, modes), times, keep_factors)
    return Observed(values, loss, factors, bound, imbalance)


class _Modes(NamedTuple):
    """Modes of every seed: eigenvalues less weight decay, growth rates, and how they start.

    Attributes:
        eigenvalues, rates: `(S, K)`.
        overlaps: `(S, K + r, d)`.
        strengths: `R_kk^2` of the modes that are learned, else 0; `(S, K)`.
        log_left_out: see `_log_left_out`.
        drift, angles: see `Doubled`; None where weights are tied.
    """

    eigenvalues: Any
    rates: Any
    overlaps: Any
    strengths: Any
    log_left_out: Any = None
    drift: Any = None
    angles: Any = None


class _Shared(eqx.Module):
    """What all seeds have in common: eigenvalues of `M*`, the rest, and what the loss needs."""

    target: Float[Array, " K"]
    bath: Bath | None
    learning_rate: Float[Array, ""]
    weight_decay: Float[Array, ""]
    norm_squared: Float[Array, ""]


def _modes(eigenvalues: np.ndarray, overlaps: np.ndarray, rates: Rates) -> _Modes:
    # All seeds have their eigenvalues, however many, in one order.
    learned = np.argsort(-eigenvalues[0], kind="stable")[: overlaps.shape[2]]
    strengths = np.zeros(eigenvalues.shape)
    strengths[:, learned] = strengths_of_overlaps(overlaps[:, learned])
    shifted = eigenvalues - rates.weight_decay
    return _Modes(shifted, growth_rates(shifted, rates.learning_rate), overlaps, strengths)


def _over_cores(operands: tuple["_Shared", "_Modes"], times: np.ndarray, keep_factors: bool) -> Any:
    """Return what `_observe` gives, its times shared out over the cores if there is enough to do.

    LAPACK's own threads get in each other's way on matrices of this size (benchmarks/exact_trajectory.py).
    """
    operands = jax.device_put(operands, float64_device())
    rows = operands[1].overlaps

    def observe(part: np.ndarray) -> Any:
        return jax.tree.map(
            np.asarray, _observe(*operands, jax.device_put(part, float64_device()), keep_factors)
        )

    if len(times) * rows.size * rows.shape[2] < _WORTH_SHARING:
        return observe(times)
    cores = min(available_cores(), len(times))
    length = -(-len(times) // cores)
    # All parts are of one length, so that they are compiled once: the last time fills them up.
    filled = np.append(times, np.full(cores * length - len(times), times[-1]))
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores) as pool:
        parts = list(pool.map(observe, filled.reshape(length, cores).T))

    def joined(*pieces: Any) -> np.ndarray:
        whole = np.stack(pieces, axis=2)
        return whole.reshape(whole.shape[0], cores * length, *whole.shape[3:])[:, : len(times)]

    return jax.tree.map(joined, *parts)


def _nodes(basis: Spectrum) -> np.ndarray:
    # The quadrature may place a node above the last pair by its own error; no eigenvalue is there.
    return np.minimum(basis.bath_nodes, basis.eigenvalues[-1])


def _bath(state: State, rest_squared: float, rates: Rates) -> Bath:
    """Return the bath of a state; `rest_squared` is the sum of squares of the eigenvalues left out."""
    eta, decay = rates
    nodes = _nodes(state.basis) - decay
    # No eigenvalue of the rest is larger in size than the root of their sum of squares.
    low = -np.sqrt(rest_squared) - decay
    limits = np.array([low, state.basis.eigenvalues[-1] - decay])
    limit_rates = growth_rates(limits, eta)
    if 1 + eta * low <= 0:
        # Beyond a factor of 0 growth no longer falls with the eigenvalue: no limit from below.
        limits[0] = limit_rates[0] = -1e150
    arrays = (nodes, growth_rates(nodes, eta), state.log_weights, limits, limit_rates)
    return Bath(*map(jnp.asarray, arrays))


def _log_left_out(state: State) -> np.ndarray:
    """Return `ln(||C|| / sigma_d^2)` of each seed, `sigma_d` the least singular value of `b_1 .. b_d`."""
    dim, pairs = state.overlaps.shape[2], len(state.basis.eigenvalues)
    if state.overlaps.shape[1] == pairs:
        return np.zeros(len(state.overlaps))
    least = np.linalg.svd(state.overlaps[:, :dim], compute_uv=False)[:, -1]
    rest = np.linalg.norm(state.overlaps[:, pairs:], 2, axis=(1, 2))
    tiny = np.finfo(float).tiny
    return 2 * (np.log(np.maximum(rest, tiny)) - np.log(np.maximum(least, tiny)))


def trajectory_of(
    problem: Problem, times: np.ndarray, seen: Sequence[Any], axis: int | slice, about: dict[str, Any]
) -> Trajectory:
    """Return values, loss, weights (or None) and error bound (or None) as a trajectory.

    `axis` takes the seeds wanted, `about` is the metadata that not all closed forms share.
    """
    values, loss, *others = seen
    kept, bound = (None if part is None else part[axis] for part in others)
    size = problem.vocab_size
    return Trajectory(
        "theory-discrete" if np.any(about["learning_rate"]) else "theory",
        times,
        values[axis],
        loss[axis],
        None if kept is None else kept[..., :size, :],
        about | {"precision": "float64", "device": describe_mesh(word_mesh()), "versions": versions()},
        bound,
        None if kept is None or problem.tied else kept[..., size:, :],
        problem.words,
    )


@eqx.filter_jit
def _observe(
    shared: _Shared, modes: _Modes, ts: Float[Array, " T"], keep_factors: bool
) -> tuple[Float[Array, "S T d"], Float[Array, "S T"], Array | None, Float[Array, "S T d"] | None]:
    """Return the observables for every seed and time, one after the other to save memory."""

    def of_seed(own: _Modes) -> tuple[Array, Array, Array | None, Array | None]:
        return jax.lax.map(lambda t: _at_time(shared, own, t, keep_factors), ts)

    return jax.lax.map(of_seed, modes)


def _at_time(
    shared: _Shared, modes: _Modes, t: Array, keep_factors: bool
) -> tuple[Array, Array, Array | None, Array | None]:
    eigenvalues, overlaps, pairs = modes.eigenvalues, modes.overlaps, len(modes.eigenvalues)
    bath = shared.bath
    exponent = 2 * modes.rates * (t + _saturation_advance(shared, modes, t))
    log_f, log_g_squared = log_f_and_g(eigenvalues, exponent, t)
    row_f, row_g_squared = log_f, log_g_squared
    if bath is not None:
        rest = jnp.ones(len(overlaps) - pairs)
        log_f_bath, log_g_squared_bath, mean = bath_averages(bath, t)
        row_f = jnp.concatenate([log_f, log_f_bath * rest])
        row_g_squared = jnp.concatenate([log_g_squared, log_g_squared_bath * rest])
        eigenvalues = jnp.concatenate([eigenvalues, mean * rest])
    if modes.drift is not None:
        overlaps = overlaps_at(overlaps, modes.drift, eigenvalues, t)
    X, Q1 = riccati_factor(overlaps, row_f, row_g_squared)
    if modes.angles is not None:
        Z = sides_of(X, modes.angles)
        loss = untied_loss(shared.norm_squared, Z, shared.target)
        return singular_values(Z, sides=2), loss, Z if keep_factors else None, None
    loss = factored_loss(shared.norm_squared, X, (eigenvalues + shared.weight_decay)[:, None] * X)
    kept = X if keep_factors else None
    if bath is None:
        return singular_values(X), loss, kept, None
    R = jnp.linalg.qr(X[:pairs], mode="r")
    values = singular_values(jnp.concatenate([R, X[pairs:]]))
    # P is at least f_d sigma_d^2 by the first d modes alone, and F = fbar P^(-1/2) C P^(-1/2).
    log_largest_F = log_f_bath - jnp.min(log_f[: overlaps.shape[1]]) + modes.log_left_out
    bound = error_bound(bath, t, values**2, log_g_squared, R, Q1[pairs:], log_largest_F)
    return values, loss, kept, bound


def _saturation_advance(shared: _Shared, modes: _Modes, t: Array) -> Array:
    """Return the time `o_k(t)` by which descent is ahead of growth at `l_k`, where it saturates."""
    growing = (modes.strengths > 0) & (modes.eigenvalues > 0)
    safe = jnp.where(growing, modes.eigenvalues, 1.0)
    # -ln(1 - s^2/lambda) of the sigmoid that starts at `strength`, with its exponent in logarithms.
    log_f = log_f_and_g(safe, 2 * modes.rates * t, t)[0]
    log_ratio = jnp.log(jnp.where(growing, modes.strengths, 1.0)) + log_f
    return jnp.where(growing, saturation_advance(jnp.logaddexp(0.0, log_ratio), shared.learning_rate), 0.0)
