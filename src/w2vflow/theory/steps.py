"""When each concept is learned from a small random start: per seed, and as a law over seeds."""

from typing import Any

import numpy as np
from scipy.special import digamma, polygamma

from w2vflow.checks import argument_error, check_dimension, check_weights
from w2vflow.devices import require_float64
from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, leading_eigenpairs
from w2vflow.theory.discrete import growth_rates, half_rise_shift

__all__ = ["effective_initial_strengths", "predict_step_times", "step_time_law", "strengths_of_overlaps"]


def effective_initial_strengths(spectrum: Spectrum, W0: Any) -> np.ndarray:
    """Return the squared amplitudes `R_kk^2` from which the modes effectively start, `([S,] dim)`.

    A mode sees only the part of its initial overlap `b_k = v_k^T W0` that is orthogonal to those
    of the modes learned before it: with the columns `b_1 .. b_d` in learning order,
    `[b_1 .. b_d] = O R`, mode k rises as if it had started aligned at `s_k^2(0) = R_kk^2`.

    Args:
        spectrum: at least `dim` leading eigenpairs.
        W0: initial weights `([S,] V, dim)`.

    References:
        Gram-Schmidt reading of the exact Riccati solution; see `docs/design.md`.
    """
    weights = check_weights(W0, len(spectrum.eigenvectors))
    dim = weights.shape[-1]
    return strengths_of_overlaps(spectrum.leading(dim).eigenvectors.T @ weights)


def strengths_of_overlaps(overlaps: np.ndarray) -> np.ndarray:
    """Return `R_kk^2` of `effective_initial_strengths` from the overlaps `(..., dim, dim)` themselves."""
    triangular = np.linalg.qr(np.swapaxes(overlaps, -1, -2), mode="r")
    return np.diagonal(triangular, axis1=-2, axis2=-1) ** 2


def predict_step_times(
    problem: Problem, W0: Any, *, learning_rate: float = 0.0, spectrum: Spectrum | None = None
) -> np.ndarray:
    """Return when each concept is learned from the given initial weights, `([S,] dim)`.

        t_k = ln(lambda_k / R_kk^2 - 1) / (2 lambda_k)

    with `R_kk^2` of `effective_initial_strengths`. A leading-order law for small starts: against
    the exact solution its relative error is about 1e-5 at scale 1e-8, up to 1% at 1e-2 and several
    per cent at 1e-1, and larger for modes closer together than their width. From large starts
    measure `predict`'s trajectory instead.

    Args:
        problem: the problem.
        W0: initial weights.
        learning_rate: 0 for the gradient flow; otherwise gradient descent of that step size,
            `t_k = ln(lambda_k / R_kk^2 - 1) / (2 l_k) - 3/4 ln 2 eta`, `l_k = ln(1 + eta lambda_k) / eta`.
        spectrum: leading eigenpairs, if at hand.

    Returns:
        Half-rise times, NaN for modes that start above `lambda_k` or have `lambda_k <= 0`.

    Raises:
        ValueError: the problem is not quartic, tied and at constant `G`, float64 is off, or `W0` does
            not fit the problem.
    """
    require_float64("predict_step_times")
    problem.require_solvable("predict_step_times")
    weights = check_weights(W0, problem.vocab_size)
    dim = weights.shape[-1]
    leading = leading_eigenpairs(problem, dim) if spectrum is None else spectrum.leading(dim)
    ratio = leading.eigenvalues / effective_initial_strengths(leading, weights)
    logarithm = np.log(np.where(ratio > 1, ratio - 1, np.nan))
    rates = growth_rates(leading.eigenvalues, learning_rate)
    return logarithm / (2 * rates) - half_rise_shift(learning_rate)


def step_time_law(
    problem: Problem, dim: int, scale: float, *, learning_rate: float = 0.0, spectrum: Spectrum | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation over seeds of the step times, each `(dim,)`.

        E t_k   = [ln(lambda_k d / (2 scale^2)) - psi((d - k + 1) / 2)] / (2 lambda_k)
        Var t_k = psi_1((d - k + 1) / 2) / (2 lambda_k)^2

    (psi, psi_1: digamma and trigamma) because `R_kk^2` of a Gaussian start is
    `scale^2 / d` times a chi-square variable of `d - k + 1` degrees of freedom (Bartlett), for
    different k independent. Leading order in a small scale, like `predict_step_times`.

    Args:
        problem: the problem.
        dim: embedding dimension `d`.
        scale: of `gaussian_init`.
        learning_rate: as in `predict_step_times`.
        spectrum: leading eigenpairs, if at hand.

    Raises:
        ValueError: the problem is not quartic, tied and at constant `G`, float64 is off, `dim` is
            outside 1..V, or there are fewer than `dim` positive eigenvalues.

    References:
        Bartlett (1933) decomposition of a Gaussian matrix.
    """
    require_float64("step_time_law")
    problem.require_solvable("step_time_law")
    check_dimension(dim, problem.vocab_size)
    leading = leading_eigenpairs(problem, dim) if spectrum is None else spectrum.leading(dim)
    values = leading.eigenvalues
    if values[-1] <= 0:
        raise argument_error(
            "dim",
            f"at most the number of positive eigenvalues, {int((values > 0).sum())}",
            dim,
            "Directions beyond it are never learned.",
        )
    half_degrees = (dim - np.arange(dim)) / 2
    rates = 2 * growth_rates(values, learning_rate)
    mean = (np.log(values * dim / (2 * scale**2)) - digamma(half_degrees)) / rates
    return mean - half_rise_shift(learning_rate), np.sqrt(polygamma(1, half_degrees)) / rates
