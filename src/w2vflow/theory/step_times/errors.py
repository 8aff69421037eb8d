"""Error of the law of step times: its next order, for every concept."""

import warnings
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

__all__ = ["Neighbours", "relative_errors", "warn_if_far_off"]

# Relative errors from which the law is warned of: of the middle concept, and of the worst.
TYPICAL_ERROR, WORST_ERROR = 0.05, 0.3


class Neighbours(NamedTuple):
    """Disturbances of the rise of concept k: by concepts before it, after it, and by the rest.

    Attributes:
        before: `(R^-1)_jk^2` of the triangle `R` of the overlaps, `(d, d)`; used for j < k.
        after: `(b_l . q_k)^2`, `(d, n)`: overlaps of concept l along the direction `q_k` that is
            left to concept k; used for l > k.
        rest: the same of all modes without a vector, together, `(d,)`.
        nodes, weights: their eigenvalues, `(m,)`, and how many each stands for.
        held: which concepts are ever learned, `(n,)`.
        log_scale: `ln c^2` of the unit `c` of the overlaps, in which their squares can be held.
    """

    before: Float[Array, "d d"]
    after: Float[Array, "d n"]
    rest: Float[Array, " d"]
    nodes: Float[Array, " m"]
    weights: Float[Array, " m"]
    held: Bool[Array, " n"]
    log_scale: Float[Array, ""]


def relative_errors(
    times: Float[Array, " d"], sizes: Float[Array, " n"], near: Neighbours, fraction: Float[Array, ""]
) -> Float[Array, " d"]:
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
        sizes: `lambda_l` of the concepts, falling; those of `times` first.
        near: their overlaps.
        fraction: q.
    """
    count, many = len(times), len(sizes)
    risen = times > 0
    t = jnp.where(risen, times, 1.0)[:, None]
    own = jnp.where(near.held, sizes, 1.0)[None]
    mu = fraction * own[:, :count].T
    place, other = jnp.arange(count)[:, None], jnp.arange(many)[None]
    earlier = ((other < place) & near.held[None])[:, :count]
    ahead = jnp.where(earlier, own[:, :count] - mu, 1.0)
    # Infinite growth where a concept before has been learned for long: then its term is 0.
    exponent = jnp.where(earlier, 2 * own[:, :count] * t, 1.0)
    slowed = own[:, :count] * jnp.exp(-exponent - near.log_scale) / -jnp.expm1(-exponent)
    x = jnp.sum(jnp.where(earlier, mu * near.before.T * slowed / ahead, 0.0), axis=1)
    later = (other > place) & near.held[None]
    grown, one = _growth(jnp.where(later, sizes[None], 0.0), t, near.log_scale), jnp.exp(near.log_scale)
    shares = jnp.abs((sizes[None] - mu) * grown + one) / mu
    x = x + jnp.sum(jnp.where(later, near.after * shares, 0.0), axis=1)
    if near.weights.size:
        counted = (near.weights > 0)[None]
        nodes = jnp.where(counted, near.nodes[None], 0.0)
        shares = jnp.abs((nodes - mu) * _growth(nodes, t, near.log_scale) + one) / mu
        rest = jnp.sum(jnp.where(counted, shares * near.weights[None], 0.0), axis=1)
        x = x + near.rest * rest / jnp.maximum(jnp.sum(near.weights), jnp.finfo(sizes.dtype).tiny)
    return jnp.where(risen, jnp.log1p(x) / (2 * own[0, :count] * t[:, 0]), jnp.inf)


def _growth(
    eigenvalues: Float[Array, "d n"], t: Float[Array, "d 1"], log_scale: Float[Array, ""]
) -> Float[Array, "d n"]:
    """Return `c^2 f`, `f = (e^(2 lambda t) - 1) / lambda`, `2 t` at 0."""
    flat = eigenvalues == 0
    rate = jnp.where(flat, 1.0, eigenvalues)
    exponent, one = 2 * rate * t, jnp.exp(log_scale)
    # Far above 1, neither factor need be a number that can be held.
    far = exponent > 30
    near = jnp.expm1(jnp.where(far, 0.0, exponent)) * one
    risen = jnp.where(far, jnp.exp(jnp.where(far, exponent + log_scale, 0.0)), near)
    return jnp.where(flat, 2 * t * one, risen / rate)


def warn_if_far_off(errors: Float[np.ndarray, " d"], purpose: str) -> None:
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
