"""What a finite learning rate changes in the closed forms."""

import numpy as np

__all__ = ["growth_rates", "half_rise_shift"]


def growth_rates(eigenvalues: np.ndarray, learning_rate: float) -> np.ndarray:
    """Return the exponential growth rate per unit of time of each mode under gradient descent.

        l_k = ln|1 + eta lambda_k| / eta,   lambda_k itself at eta = 0

    A step multiplies a small mode by `1 + eta lambda_k` and advances time by `eta`.
    """
    if learning_rate == 0:
        return eigenvalues
    factors = np.maximum(np.abs(1 + learning_rate * eigenvalues), np.finfo(float).tiny)
    return np.log(factors) / learning_rate


def half_rise_shift(learning_rate: float) -> float:
    """Return by how much descent reaches half-rise before a sigmoid of rate `l_k` does: `3/4 ln 2 eta`.

    First order in `eta`, the same for all modes.
    """
    return 0.75 * float(np.log(2.0)) * learning_rate
