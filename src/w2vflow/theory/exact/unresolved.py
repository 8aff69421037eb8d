"""Eigenvectors that were not computed: their mean effect on the exact solution, and a bound."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from w2vflow.support.sharding import matmul
from w2vflow.theory.exact.riccati import log_f_and_g

__all__ = ["Bath", "bath_averages", "error_bound"]


class Bath(eqx.Module):
    """The eigenvalues of the rest: their density, and two numbers between which all of them lie.

    Attributes:
        nodes: `nu_j`, `(m,)`, weight decay taken off.
        rates: growth rates that replace `nu_j` in exponents.
        log_weights: `ln w_j`, normalised to `sum_j w_j = 1`.
        limits: least and largest eigenvalue that the rest may have, weight decay taken off.
        limit_rates: their growth rates.
    """

    nodes: Float[Array, " m"]
    rates: Float[Array, " m"]
    log_weights: Float[Array, " m"]
    limits: Float[Array, "2"]
    limit_rates: Float[Array, "2"]


def bath_averages(
    bath: Bath, t: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Return how the rest grows if the initial weights lie in it without preference.

    With `W_rest = (I - V V^T) W0` the rest enters the exact solution through
    `W_rest^T f(M) W_rest`, whose mean over rotations of the start within the rest is `fbar C`:

        C = W_rest^T W_rest,  fbar(t) = sum_j w_j f(nu_j, t),  ebar(t) = sum_j w_j e^(2 nu_j t)

    So the rest acts as `d` more rows `L`, `L^T L = C`, that share one `f` and one
    `g^2 = ebar / fbar`, formed as the mean of `g_j^2` with weights `w_j f_j / fbar`.

    Returns:
        `ln fbar`, `ln(ebar / fbar)`, and the mean eigenvalue `sum_j w_j nu_j e^(2 nu_j t) / ebar`.
    """
    log_f, log_g_squared = log_f_and_g(bath.nodes, 2 * bath.rates * t, t)
    shares = bath.log_weights + log_f
    grown = jax.nn.softmax(bath.log_weights + 2 * bath.rates * t)
    log_g_squared_bar = logsumexp(jax.nn.log_softmax(shares) + log_g_squared)
    return logsumexp(shares), log_g_squared_bar, jnp.sum(grown * bath.nodes)


def error_bound(
    bath: Bath,
    t: Float[Array, ""],
    strengths: Float[Array, " d"],
    log_g_squared: Float[Array, " K"],
    R_modes: Float[Array, "d d"],
    Q_bath: Float[Array, "d d"],
    log_largest_F: Float[Array, ""],
) -> Float[Array, " d"]:
    """Return by how much each `s_k^2(t)` can differ from that of the complete eigenbasis; not differentiable.

    All eigenvalues of the rest lie between `lo` and `hi`, `f` and `e` rise with them, so whatever
    the eigenvectors are, in the order of Loewner

        f_lo C <= W_rest^T f(M) W_rest <= f_hi C,   e_lo C <= W_rest^T e(M) W_rest <= e_hi C,

    and `s_k^2`, the k-th eigenvalue of `E` against `P`, rises with `E` and falls with `P`. In the
    coordinates where the `P` of `fbar C` is the identity, `fbar C` is `Q_bath^T Q_bath = F`, so

        P_lo = I - (1 - f_lo / fbar) F,                E_lo = X_modes^T X_modes + e_lo / fbar F,
        P_hi = I + (f_hi / fbar - 1) F,                E_hi = X_modes^T X_modes + e_hi / fbar F,
        eig_k(E_lo, P_hi)  <=  s_k^2  <=  eig_k(E_hi, P_lo).

    Besides, `W W^T <= V diag(g^2) V^T` always: `s_k^2` is at most the k-th largest `g^2`, which is
    about `lambda_k` at late times.

    Args:
        bath, t: the rest and the time.
        strengths: `s_k^2` as predicted, falling.
        log_g_squared: `ln g_k^2` of the modes.
        R_modes: triangular factor of the rows of `X` that belong to modes.
        Q_bath: bath rows of `Q1` of `riccati_factor`.
        log_largest_F: logarithm of a number that `||F||` does not exceed. At late times `Q_bath`
            drowns in rounding beside rows of modes that have grown by hundreds of digits more.

    References:
        Loewner order of the Riccati solution in its coefficients; `docs/design.md`.
    """
    log_f, _, _ = bath_averages(bath, t)
    log_f_limits, log_g_squared_limits = log_f_and_g(bath.limits, 2 * bath.limit_rates * t, t)
    size, Q = _scaled(Q_bath, log_largest_F)
    # Where the largest square root is not enough, the bound is the trivial one already.
    most = 0.42 * float(np.log(jnp.finfo(Q.dtype).max))
    root = lambda log_ratio: jnp.exp(jnp.minimum(log_ratio / 2 + size, most))  # noqa: E731
    f_low, f_high = root(log_f_limits - log_f)
    e_low, e_high = root(log_f_limits + log_g_squared_limits - log_f)
    F, identity = matmul(Q.T, Q), jnp.eye(len(Q), dtype=Q.dtype)
    # Rounding may leave P_lo with the wrong sign; taking it a little too small is safe.
    P_low = (1 - 450 * jnp.finfo(Q.dtype).eps) * identity - jnp.maximum(root(0.0) ** 2 - f_low**2, 0.0) * F
    P_high = identity + jnp.maximum(f_high**2 - root(0.0) ** 2, 0.0) * F
    above = _strengths_against(P_low, jnp.concatenate([R_modes, e_high * Q]))
    below = _strengths_against(P_high, jnp.concatenate([R_modes, e_low * Q]))
    # A saturating mode may have a smaller g than the rest at its upper limit.
    largest = jax.lax.top_k(jnp.exp(log_g_squared), len(strengths))[0]
    above = jnp.fmin(above, jnp.maximum(largest, jnp.exp(log_g_squared_limits[1])))
    bound = jnp.maximum(above - strengths, strengths - below)
    return jnp.where(t == 0, 0.0, jnp.maximum(bound, 0.0))


def _scaled(
    Q: Float[Array, "d d"], log_largest_F: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, "d d"]]:
    """Return the logarithm of the largest entry, and the matrix with that taken out."""
    # ||Q^T Q|| is at least its square: beyond the limit, Q is rounding, and the limit is taken everywhere.
    size = jnp.log(jnp.max(jnp.abs(Q)))
    drowned = 2 * size >= log_largest_F
    scaled = Q / jnp.where(drowned, 1.0, jnp.exp(size))
    gone = jnp.isneginf(size)  # as where nothing of the start is left out
    scaled = jnp.where(drowned | gone, jnp.eye(len(Q)), scaled)
    return jnp.where(drowned | gone, log_largest_F / 2, size), scaled


def _strengths_against(P: Float[Array, "d d"], rows: Float[Array, "n d"]) -> Float[Array, " d"]:
    """Return the eigenvalues of `rows^T rows` against `P`, falling; NaN where `P` is not positive."""
    half = jnp.linalg.cholesky(P)
    R = jnp.linalg.qr(rows, mode="r")
    solved = jax.scipy.linalg.solve_triangular(half, R.T, lower=True)
    finite = jnp.isfinite(solved).all()
    values = jnp.linalg.svd(jnp.where(finite, solved, 0.0), compute_uv=False)
    return jnp.where(finite, values**2, jnp.nan)
