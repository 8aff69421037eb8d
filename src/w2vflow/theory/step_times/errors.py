"""Error of the law of step times: its next order, for every concept."""

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

__all__ = ["Neighbours", "relative_errors", "warn_if_far_off"]

Host = np.ndarray

# Relative errors from which the law is warned of: of the middle concept, and of the worst.
TYPICAL_ERROR, WORST_ERROR = 0.05, 0.3


class Neighbours(NamedTuple):
    """Disturbances of the rise of concept k: by concepts before it, after it, and by the rest.

    Attributes:
        before: `(R^-1)_jk^2` of the triangle `R` of the overlaps, `(..., d, d)`; used for j < k.
        after: `(b_l . q_k)^2`, `(..., d, n)`: overlaps of concept l along the direction `q_k` that is
            left to concept k; used for l > k.
        rest: the same of all modes without a vector, together, `(..., d)`.
        nodes, weights: their eigenvalues, `(m,)`, and how many each stands for.
    """

    before: Float[Host, "*s d d"]
    after: Float[Host, "*s d n"]
    rest: Float[Host, "*s d"]
    nodes: Float[Host, " m"]
    weights: Float[Host, " m"]


def relative_errors(
    times: Float[Host, "*s d"], sizes: Float[Host, " n"], near: Neighbours, fraction: float
) -> Float[Host, "*s d"]:
    """Return the estimated relative error of the times at which `s_k^2` passes `mu = q lambda_k`.

    The exact `s_k^2` are the roots of `det(sum_l [(lambda_l - mu) f_l + 1] b_l b_l^T - mu I)`, with
    `f_l = (e^(2 lambda_l t) - 1) / lambda_l`. With concept k alone in it that is the law; what the
    others change, to first order, is `ln f_k` at the crossing, by

        x_k = sum_(j<k) mu (R^-1)_jk^2 / ((lambda_j - mu) f_j)           not yet orthogonal to these
            - sum_(l>k) [(lambda_l - mu) f_l + 1] (b_l . q_k)^2 / mu     these have grown as well

    so that the time is off by `x_k / (2 lambda_k)`. Returned is `ln(1 + |x_k|) / (2 lambda_k t_k)`, with
    the size of every term; infinite where the time is not a positive number.

    Args:
        times: of the law, in units in which a mode grows as `e^(2 lambda t)`.
        sizes: `lambda_l` of the concepts, positive, falling; those of `times` first.
        near: their overlaps.
        fraction: q.
    """
    early = np.where(times > 0, times, 1.0)[..., None]
    count = times.shape[-1]
    x = np.zeros(times.shape)
    # Infinite where a concept before has been learned for long: then its term is 0.
    with np.errstate(over="ignore"):
        for k in range(count):
            mu, t = fraction * sizes[k], early[..., k, :]
            before = np.expm1(2 * sizes[:k] * t) / sizes[:k]
            x[..., k] = np.sum(mu * near.before[..., :k, k] / ((sizes[:k] - mu) * before), axis=-1)
            later = np.concatenate([sizes[k + 1 :], near.nodes])
            grown = _growth(later, t)
            shares = np.abs((later - mu) * grown + 1) / mu
            own, other = np.split(shares, [len(sizes) - k - 1], axis=-1)
            x[..., k] += np.sum(near.after[..., k, k + 1 :] * own, axis=-1)
            if near.weights.size:
                x[..., k] += near.rest[..., k] * (other @ near.weights) / np.sum(near.weights)
    return np.where(times > 0, np.log1p(x) / (2 * sizes[:count] * early[..., 0]), np.inf)


def _growth(eigenvalues: Host, t: Host) -> Host:
    """Return `f = (e^(2 lambda t) - 1) / lambda`, `2 t` at 0."""
    flat = eigenvalues == 0
    rate = np.where(flat, 1.0, eigenvalues)
    return np.where(flat, 2 * t, np.expm1(2 * rate * t) / rate)


def warn_if_far_off(errors: Float[Host, " d"], purpose: str) -> None:
    """Warn, two callers up, where the law is off by more than 5% for half of the concepts, or 30% for one."""
    typical, worst = float(np.median(errors)), int(np.argmax(errors))
    if typical <= TYPICAL_ERROR and errors[worst] <= WORST_ERROR:
        return
    far = np.flatnonzero(errors > TYPICAL_ERROR) + 1
    listed = ", ".join(map(str, far[:8])) + (", ..." if len(far) > 8 else "")
    warnings.warn(
        f"`{purpose}` holds for small starts and concepts apart from each other. Here it is off by an "
        f"estimated {typical:.1%} for the middle concept (bound: {TYPICAL_ERROR:.0%}) and by "
        f"{errors[worst]:.0%} for concept {worst + 1} (bound: {WORST_ERROR:.0%}); by more than "
        f"{TYPICAL_ERROR:.0%} for concepts {listed}. Use `predict` and `measure_step_times`, which are "
        "exact, or a smaller scale.",
        RuntimeWarning,
        stacklevel=3,
    )
