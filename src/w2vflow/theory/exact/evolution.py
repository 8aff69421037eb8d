"""Weights in an eigenbasis, complete or not, and their exact evolution over many times and seeds."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float
from threadpoolctl import threadpool_limits

from w2vflow.problem import Problem, factored_loss
from w2vflow.results import Trajectory, singular_values
from w2vflow.spectrum import Spectrum, algebraic, check_pairs, learned_eigenpairs, stable_rate
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known, largest_size
from w2vflow.support.checks import argument_error, check_at_least
from w2vflow.support.devices import describe_mesh, versions, word_mesh
from w2vflow.support.machine import available_cores
from w2vflow.support.sharding import PRECISION
from w2vflow.theory.exact.riccati import log_f_and_g, riccati_factor
from w2vflow.theory.exact.unresolved import Bath, bath_averages, error_bound
from w2vflow.theory.exact.untied import doubled, overlaps_at, sides_of, untied_loss, warn_if_unbalanced
from w2vflow.theory.step_size import growth_rates, saturation_advance
from w2vflow.theory.step_times.law import log_strengths_of_overlaps
from w2vflow.theory.step_times.modes import enough_pairs

__all__ = ["Observed", "Rates", "State", "basis_for", "evolve", "state_of", "trajectory_of"]

# Up to this vocabulary size the complete basis is taken: half a minute of LAPACK, no approximation.
COMPLETE_UP_TO = 3000
# Entries of all times' factors, times their columns, from which threads pay.
_WORTH_SHARING = 10**7


class Rates(NamedTuple):
    """Step size of descent (0: the flow) and weight decay."""

    learning_rate: Any = 0.0
    weight_decay: Any = 0.0

    def check(self, problem: Problem) -> "Rates":
        """Return the rates; of a known problem a traced step size beyond its stability limit is NaN.

        Raises:
            ValueError: a known one is negative or not finite, or a step size at or above that limit.
        """
        rate, decay = self
        if is_known(rate) and not 0 <= rate < np.inf:
            raise argument_error("learning_rate", "0 for the flow, or positive", rate)
        check_at_least("weight_decay", 0, decay)
        return Rates(stable_rate(problem, rate, weight_decay=decay), decay)

    def described(self) -> dict[str, Any]:
        """Return both for metadata, as far as they are known."""
        return {name: float(rate) if is_known(rate) else "traced" for name, rate in self._asdict().items()}

    def astype(self, dtype: Any) -> "Rates":
        """Return both as arrays."""
        return Rates(*(jnp.asarray(one, dtype) for one in self))


class State(eqx.Module):
    """Weights of `S` seeds in a basis.

    Attributes:
        basis: eigenpairs and the density of the rest.
        overlaps: `(S, K + r, d)`: `V^T W`, and below it `r = d` rows `L` of the rest, with
            `L^T L = C = W_rest^T W_rest`; `r = 0` where the basis is complete. Of untied weights
            `(S, 2 V, d)`: `V^T W` above `V^T C`, in a complete basis.
        frame: `(S, V, r)`, orthonormal, with `W_rest = frame L` at the start; None if not wanted.
        log_weights: `ln w_j` of the nodes of the rest, `(m,)`, none where the basis is complete: as the
            rest grows, its larger eigenvalues come to hold more of it.
        sides: 1 where words and contexts share their vectors, else 2.
    """

    basis: Spectrum
    overlaps: Float[Array, "S n d"]
    frame: Float[Array, "S V r"] | None
    log_weights: Float[Array, " m"]
    sides: int = eqx.field(static=True)

    def to_words(self, factors: Float[Array, "S T n d"]) -> Float[Array, "S T W d"]:
        """Return weights `(S, T, V, d)` from factors `(S, T, K + r, d)`; untied ones are `(S, T, 2 V, d)`."""
        if self.sides == 2:
            coordinates = factors.reshape(*factors.shape[:2], 2, -1, factors.shape[-1])
            return self.basis.to_words(coordinates).reshape(factors.shape)
        pairs = self.basis.eigenvectors.shape[1]
        words = self.basis.to_words(factors[..., :pairs, :])
        if self.frame is not None:
            words = words + _einsum("svr,strd->stvd", self.frame, factors[..., pairs:, :])
        return words

    def after(self, t: Any, factors: Float[Array, "S n d"], rates: Rates) -> "State":
        """Return the state whose overlaps have become `factors` in a time `t`."""
        log_weights = self.log_weights
        if log_weights.size:
            nodes = _nodes(self.basis) - rates.weight_decay
            grown = log_weights + 2 * growth_rates(nodes, rates.learning_rate) * t
            log_weights = grown - logsumexp(grown)
        return State(self.basis, factors, self.frame, log_weights, self.sides)


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
    enough_pairs(check_pairs(problem, spectrum), dim)
    if not problem.tied:
        return spectrum.require_complete()
    pairs = len(spectrum.eigenvalues)
    if pairs < size and is_known(spectrum) and not np.asarray(spectrum.bath_weights).sum() > 0:
        got = f"{pairs} pairs of {size} without one"
        raise argument_error("spectrum", "complete, or hold a density of the rest", got)
    return spectrum


def state_of(basis: Spectrum, weights: Float[Array, "S n d"], keep_frame: bool) -> State:
    """Return the state of weights, as `check_weights` returns them, `(S, V, d)` or `(S, 2 V, d)`.

    `keep_frame` if `to_words` will be called.
    """
    sides = weights.shape[1] // len(basis.eigenvectors)
    return State(basis, *_coordinates(basis, weights, keep_frame), sides)


@eqx.filter_jit
def _coordinates(
    basis: Spectrum, weights: Float[Array, "S n d"], keep_frame: bool
) -> tuple[Float[Array, "S m d"], Float[Array, "S V r"] | None, Float[Array, " m"]]:
    """Return overlaps, frame and log weights, as of a `State`."""
    size, pairs = basis.eigenvectors.shape
    none = jnp.zeros(0, weights.dtype)
    # Sums of small products would lose their digits below the least normal number.
    weights = weights / (unit := largest_size(weights))
    if weights.shape[1] > size:
        each = weights.reshape(len(weights), 2, size, -1)
        return unit * _einsum("vk,scvd->sckd", basis.eigenvectors, each).reshape(weights.shape), None, none
    overlaps = _einsum("vk,svd->skd", basis.eigenvectors, weights)
    if pairs == size:
        return unit * overlaps, None, none
    rest = weights - _einsum("vk,skd->svd", basis.eigenvectors, overlaps)
    frame, rows = jnp.linalg.qr(rest) if keep_frame else (None, jnp.linalg.qr(rest, mode="r"))
    log_weights = jnp.log(basis.bath_weights / jnp.sum(basis.bath_weights))  # a weight of 0 is allowed
    return unit * jnp.concatenate([overlaps, rows], axis=1), frame, log_weights


def _einsum(axes: str, *arrays: Array) -> Array:
    return jnp.einsum(axes, *arrays, precision=PRECISION)


class Observed(NamedTuple):
    """What `evolve` returns: seeds first, then times.

    Attributes:
        factors: coordinates of the weights, in the form of `State.overlaps`, `(S, T, ., d)`.
        imbalance: of untied weights, `||D - lam I||` over the largest `|lambda|`, the largest of all
            seeds; see `doubled`.
    """

    values: Float[Array, "S T d"]
    loss: Float[Array, "S T"]
    factors: Float[Array, "S T n d"] | None
    bound: Float[Array, "S T d"] | None
    imbalance: Float[Array, ""] | None


def evolve(
    problem: Problem, state: State, times: Float[Array, " T"], rates: Rates, keep_factors: bool
) -> Observed:
    """Return the observables of a state at times from now, and its factors if they are to be kept.

    Weight decay `kappa` is a shift of all eigenvalues: `dW/dt = (M* - kappa I - W W^T) W`. The loss
    remains that of `M*` itself.
    """
    dtype = state.overlaps.dtype
    whole = None if not state.log_weights.size else problem.target_norm_squared().astype(dtype)
    shared, modes, imbalance = _prepared(state, rates.astype(dtype), whole)
    if imbalance is not None and is_known(imbalance, state):
        warn_if_unbalanced(float(imbalance), state.basis.eigenvalues, state.overlaps.shape[-1])
    times = times.astype(dtype) / state.sides
    values, loss, factors, bound = _over_cores((shared, modes), times, keep_factors)
    return Observed(values, loss, factors, bound, imbalance)


class _Modes(NamedTuple):
    """Modes of every seed: eigenvalues less weight decay, growth rates, and how they start.

    Attributes:
        eigenvalues, rates: `(S, K)`.
        overlaps: `(S, K + r, d)`.
        log_strengths: `ln R_kk^2` of the modes that are learned, else minus infinity; `(S, K)`.
        log_left_out: see `_log_left_out`.
        drift, angles: see `Doubled`; None where weights are tied.
    """

    eigenvalues: Any
    rates: Any
    overlaps: Any
    log_strengths: Any
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


@eqx.filter_jit
def _prepared(
    state: State, rates: Rates, whole: Float[Array, ""] | None
) -> tuple[_Shared, _Modes, Float[Array, ""] | None]:
    """Return what `_observe` takes, and the imbalance of untied weights; `whole` is `||M*||_F^2`."""
    values = state.basis.eigenvalues
    norm_squared, bath, imbalance = jnp.sum(values**2), None, None
    if whole is not None:
        # Rounding of the difference is allowed for: it limits the eigenvalues left out.
        rounding = 4500 * jnp.finfo(whole.dtype).eps * whole
        bath = _bath(state, jnp.maximum(whole - norm_squared, 0.0) + rounding, rates)
        norm_squared = whole
    if state.sides == 1:
        modes = jax.vmap(lambda overlaps: _modes(values, overlaps, rates))(state.overlaps)
        left_out = jax.vmap(lambda one: _log_left_out(len(values), one))(state.overlaps)
        modes = modes._replace(log_left_out=left_out)
    else:
        # The doubled flow runs at half the speed: a step eta in a time t is eta / 2 in t / 2.
        rates = Rates(rates.learning_rate / 2, 2 * rates.weight_decay)
        pairs, excess = jax.vmap(lambda one: doubled(values, one, rates.weight_decay))(state.overlaps)
        imbalance = jnp.max(excess) / jnp.max(jnp.abs(values))
        modes = jax.vmap(lambda pairs: _modes(pairs.eigenvalues, pairs.overlaps, rates))(pairs)
        modes = modes._replace(drift=pairs.drift, angles=pairs.angles)
    shared = _Shared(values, bath, rates.learning_rate, rates.weight_decay, norm_squared)
    return shared, modes, imbalance


def _modes(eigenvalues: Float[Array, " K"], overlaps: Float[Array, "n d"], rates: Rates) -> _Modes:
    learned = algebraic(eigenvalues)[: overlaps.shape[1]]
    own = log_strengths_of_overlaps(overlaps[learned])
    strengths = jnp.full_like(eigenvalues, -jnp.inf).at[learned].set(own)
    shifted = eigenvalues - rates.weight_decay
    return _Modes(shifted, growth_rates(shifted, rates.learning_rate), overlaps, strengths)


def _over_cores(
    operands: tuple["_Shared", "_Modes"], times: Float[Array, " T"], keep_factors: bool
) -> tuple[Any, ...]:
    """Return what `_observe` gives; on a CPU, known times are shared out over the cores if it pays.

    LAPACK's own threads get in each other's way on matrices of this size (benchmarks/exact_trajectory.py).
    """
    rows = operands[1].overlaps
    small = len(times) * rows.size * rows.shape[2] < _WORTH_SHARING
    if small or not is_known(operands, times) or jax.devices()[0].platform != "cpu":
        return _observe(*operands, times, keep_factors)
    cores = min(available_cores(), len(times))
    length = -(-len(times) // cores)
    # All parts are of one length, so that they are compiled once: the last time fills them up.
    filled = jnp.append(times, jnp.full(cores * length - len(times), times[-1]))

    def observe(part: Float[Array, " t"]) -> Any:
        return jax.block_until_ready(_observe(*operands, part, keep_factors))

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores) as pool:
        parts = list(pool.map(observe, filled.reshape(length, cores).T))

    def joined(*pieces: Array) -> Array:
        whole = jnp.stack(pieces, axis=2)
        return whole.reshape(len(whole), cores * length, *whole.shape[3:])[:, : len(times)]

    return jax.tree.map(joined, *parts)


def _nodes(basis: Spectrum) -> Float[Array, " m"]:
    # The quadrature may place a node above the last pair by its own error; no eigenvalue is there.
    return jnp.minimum(basis.bath_nodes, basis.eigenvalues[-1])


def _bath(state: State, rest_squared: Float[Array, ""], rates: Rates) -> Bath:
    """Return the bath of a state; `rest_squared` is the sum of squares of the eigenvalues left out."""
    eta, decay = rates
    nodes = _nodes(state.basis) - decay
    # No eigenvalue of the rest is larger in size than the root of their sum of squares.
    low = -jnp.sqrt(rest_squared) - decay
    limits = jnp.stack([low, state.basis.eigenvalues[-1] - decay])
    limit_rates = growth_rates(limits, eta)
    # Beyond a factor of 0 growth no longer falls with the eigenvalue: no limit from below.
    unlimited = (1 + eta * low <= 0) & (jnp.arange(2) == 0)
    least = -jnp.sqrt(jnp.finfo(limits.dtype).max) / 1e4
    limits, limit_rates = (jnp.where(unlimited, least, one) for one in (limits, limit_rates))
    return Bath(nodes, growth_rates(nodes, eta), state.log_weights, limits, limit_rates)


def _log_left_out(pairs: int, overlaps: Float[Array, "n d"]) -> Float[Array, ""]:
    """Return `ln(||C|| / sigma_d^2)` of a seed, `sigma_d` the least singular value of `b_1 .. b_d`."""
    if len(overlaps) == pairs:
        return jnp.zeros((), overlaps.dtype)
    overlaps = jax.lax.stop_gradient(overlaps)
    least = jnp.linalg.svd(overlaps[: overlaps.shape[1]], compute_uv=False)[-1]
    rest = jnp.linalg.norm(overlaps[pairs:], 2)
    tiny = jnp.finfo(overlaps.dtype).tiny
    return 2 * (jnp.log(jnp.maximum(rest, tiny)) - jnp.log(jnp.maximum(least, tiny)))


def trajectory_of(
    problem: Problem, times: Float[Array, " T"], seen: Sequence[Any], axis: int | slice, about: dict[str, Any]
) -> Trajectory:
    """Return values, loss, weights (or None) and error bound (or None) as a trajectory.

    `axis` takes the seeds wanted, `about` is the metadata that not all closed forms share.
    """
    values, loss, *others = seen
    kept, bound = (None if part is None else part[axis] for part in others)
    size = problem.vocab_size
    return Trajectory(
        "theory" if not np.any(np.array(about["learning_rate"]) != 0) else "theory-discrete",
        times,
        values[axis],
        loss[axis],
        None if kept is None else kept[..., :size, :],
        about
        | {"precision": values.dtype.name, "device": describe_mesh(word_mesh()), "versions": versions()},
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
        rest = jnp.ones(len(overlaps) - pairs, overlaps.dtype)
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
    given = (bath, t, values**2, log_g_squared, R, Q1[pairs:], log_largest_F)
    bound = error_bound(*jax.lax.stop_gradient(given))
    return values, loss, kept, bound


def _saturation_advance(shared: _Shared, modes: _Modes, t: Array) -> Array:
    """Return the time `o_k(t)` by which descent is ahead of growth at `l_k`, where it saturates."""
    growing = (modes.log_strengths > -jnp.inf) & (modes.eigenvalues > 0)
    safe = jnp.where(growing, modes.eigenvalues, 1.0)
    # -ln(1 - s^2/lambda) of the sigmoid that starts at the strength, with its exponent in logarithms.
    log_f = log_f_and_g(safe, 2 * modes.rates * t, t)[0]
    log_ratio = jnp.where(growing, modes.log_strengths, 0.0) + log_f
    return jnp.where(growing, saturation_advance(jnp.logaddexp(0.0, log_ratio), shared.learning_rate), 0.0)
