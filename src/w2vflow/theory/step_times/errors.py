"""Error of the law of step times: its next order, for every concept."""

import warnings
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

__all__ = ["Neighbours", "out_of_turn", "relative_errors", "warn_if_far_off"]

# Relative errors from which the law is warned of: of the middle concept, and of the worst.
TYPICAL_ERROR, WORST_ERROR = 0.05, 0.3


class Neighbours(NamedTuple):
    """Disturbances of the rise of concept k: by concepts before it, after it, and by the rest.

    Attributes:
        before: `(R^-1)_jk^2` of the triangle `R` of the overlaps, `(d, d)`; used for j < k.
        after: `(b_l . q_k)^2`, `(d, n)`: overlaps of concept l along the direction `q_k` that is
            left to concept k; used for l > k.
        rest: the same of all modes without a vector, together, `(d,)`.
        strengths: `R_kk^2` of the triangle, `(d,)`.
        nodes, weights: their eigenvalues, `(m,)`, and how many each stands for.
        held: which concepts are ever learned, `(n,)`.
        log_scale: `ln c^2` of the unit `c` of the overlaps, in which their squares can be held.
    """

    before: Float[Array, "d d"]
    after: Float[Array, "d n"]
    rest: Float[Array, " d"]
    strengths: Float[Array, " d"]
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

    so that the time is off by `x_k / (2 lambda_k)`. Of a concept l that rises with k the term is larger. By
    the determinant of the pair, with `r_l = (lambda_l - mu) f_l R_ll^2 / mu` at `t_k`, a term `y` for a later
    concept is

        y / (|1 - r_l| + sqrt(y))        y if l is far from rising, sqrt(y) where both rise as one

    and of an earlier one, whose term is `y / r_l`, the same. Returned is `ln(1 + |x_k|) / (2 lambda_k t_k)`,
    with the size of every term; infinite where the time is not a positive number.

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
    slow = jnp.where(earlier, mu * slowed / ahead, 0.0)
    grows = earlier & (near.strengths > 0)[None]
    share = jnp.where(grows, slow / jnp.where(grows, near.strengths[None], 1.0), 0.0)
    x = jnp.sum(_as_a_pair(slow * near.before.T, share, 1.0), axis=1)
    later = (other > place) & near.held[None]
    grown, one = _growth(jnp.where(later, sizes[None], 0.0), t, near.log_scale), jnp.exp(near.log_scale)
    risen_so_far = (sizes[None] - mu) * grown / mu
    level = jnp.pad(near.strengths, (0, many - count))[None] * risen_so_far
    term = jnp.where(later, near.after * jnp.abs(risen_so_far + one / mu), 0.0)
    x = x + jnp.sum(_as_a_pair(term, 1.0, level), axis=1)
    if near.weights.size:
        counted = (near.weights > 0)[None]
        nodes = jnp.where(counted, near.nodes[None], 0.0)
        shares = jnp.abs((nodes - mu) * _growth(nodes, t, near.log_scale) + one) / mu
        rest = jnp.sum(jnp.where(counted, shares * near.weights[None], 0.0), axis=1)
        x = x + near.rest * rest / jnp.maximum(jnp.sum(near.weights), jnp.finfo(sizes.dtype).tiny)
    return jnp.where(risen, jnp.log1p(x) / (2 * own[0, :count] * t[:, 0]), jnp.inf)


def _as_a_pair(
    term: Float[Array, "d n"], own: Float[Array, "d n"] | float, other: Float[Array, "d n"] | float
) -> Float[Array, "d n"]:
    """Return terms `y / a` as `y / (|1 - r| + sqrt(y))`, given `own = 1 / a` and `other = r / a`."""
    there = term > 0
    turned = jnp.sqrt(jnp.where(there, term, 1.0) * own)
    return jnp.where(there, term / (jnp.abs(own - other) + jnp.where(there, turned, 1.0)), 0.0)


def out_of_turn(
    times: Float[Array, " d"], sizes: Float[Array, " d"], fraction: Float[Array, ""]
) -> Float[Array, " d"]:
    """Return how far from `t_k` the k-th largest `s^2` passes `q lambda_k`, relative to `t_k`.

    That is another time where a later concept starts so much larger that it rises first. Each by itself,
    concept j passes `q lambda_k` at `t_j + (ln(p / (1 - p)) - ln(q / (1 - q))) / (2 lambda_j)`, with
    `p = q lambda_k / lambda_j`; the k-th of these times is that of the k-th largest.

    Args:
        times: of the law, in units in which a mode grows as `e^(2 lambda t)`.
        sizes: `lambda_k`, falling and positive.
        fraction: q.
    """
    share = fraction * sizes[:, None] / sizes[None]
    passes = (times[None] > 0) & (share < 1)
    share = jnp.where(passes, share, fraction)
    later = (jnp.log(share / fraction) - jnp.log1p(-share) + jnp.log1p(-fraction)) / (2 * sizes[None])
    order = jnp.sort(jnp.where(passes, times[None] + later, jnp.inf), axis=1)
    shift = jnp.abs(jnp.diagonal(order) - times) / times
    return jnp.where((times > 0) & jnp.isfinite(shift), shift, 0.0)


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
