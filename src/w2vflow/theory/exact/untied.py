"""Untied weights: the flow of two matrices as that of one, twice as tall."""

import warnings
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from w2vflow.support.sharding import matmul

__all__ = ["Doubled", "doubled", "overlaps_at", "sides_of", "untied_loss", "warn_if_unbalanced"]

# Imbalance, over the |lambda| of the least concept that is learned, from which a prediction is warned of.
TOLERATED_IMBALANCE = 0.01


class Doubled(NamedTuple):
    """Eigenpairs of the doubled matrix, and a start in its eigenbasis. See `doubled`.

    Attributes:
        eigenvalues: `+ r_k` of all k, then `- r_k`, `(2 V,)`.
        overlaps: with their eigenvectors, `(2 V, d)`.
        drift: what the first half of the overlaps seems to gain early on if `D` is no multiple of
            the identity, `(V, d)`; else 0.
        angles: `a_k`, `(V,)`, by which each pair is turned.
    """

    eigenvalues: Float[Array, " n"]
    overlaps: Float[Array, "n d"]
    drift: Float[Array, "V d"]
    angles: Float[Array, " V"]


def doubled(
    eigenvalues: Float[Array, " V"], overlaps: Float[Array, "n d"], weight_decay: Float[Array, ""]
) -> tuple[Doubled, Float[Array, ""]]:
    """Return the eigenpairs of the matrix whose tied flow is the untied flow of `M*`, and the start in it.

    Stacked as `Z = [W; C]`, and with `J = diag(I, -I)`, the flow `dW/dt = 1/2 (M* - W C^T) C`,
    `dC/dt = 1/2 (M* - W C^T)^T W` is, for any start,

        dZ/dt = 1/2 [F Z - 1/2 Z Z^T Z + 1/2 J Z D],   F = [[0, M*], [M*, 0]],   D = W^T W - C^T C.

    Where `D = lam I`, `Y = Z / sqrt(2)` thus obeys the tied flow at half the speed,

        dY/dt = 1/2 (F_lam - Y Y^T) Y,   F_lam = [[lam/2 I, M*], [M*, -lam/2 I]].

    An eigenpair `(lambda, v)` of `M*` makes two of `F_lam`, with no eigenproblem to solve:

        +r: [v cos a; v sin a],   -r: [-v sin a; v cos a],
        r = sqrt(lambda^2 + lam^2 / 4),   a = 1/2 arg(lam / 2 + i lambda).

    At `lam = 0` the first is `[v; sgn(lambda) v] / sqrt(2)`: a concept of negative eigenvalue is learned
    as fast as a positive one, with opposed vectors of words and contexts.

    Of other starts, `lam = tr D / d`, and what is left of `D` is taken along to first order. While
    all is small, a column of `Z` along an eigenvector of `D` grows as `exp(F_delta t / 2)`, with its
    own `delta` and so its own angle. To first order that is the growth at `lam`, of overlaps with
    the first half of the eigenvectors that drift by `1 - e^(-r t)` of the difference which the angle
    makes to them. Later on `D` changes singular values to second order only.

    `overlaps` are `V^T W` above `V^T C` in the complete basis, `weight_decay` that of the doubled flow,
    `2 kappa`: it takes `D` to 0, and `lam` is 0 then. With the start is returned `||D - lam I||_2`.

    References:
        Fukumizu (1998) and Braun et al. (2022) for `lam = 0`; Domine et al. (2024), arXiv 2409.14623,
        for `lam I`.
    """
    W, C = jnp.split(overlaps, 2)
    D = matmul(W.T, W) - matmul(C.T, C)
    lam = jnp.where(weight_decay == 0, jnp.trace(D) / len(D), 0)
    deltas, axes = jnp.linalg.eigh(D)
    words, contexts = jnp.split(overlaps / jnp.sqrt(2.0).astype(overlaps.dtype), 2)
    sizes = jnp.hypot(eigenvalues, lam / 2)
    angles = jnp.arctan2(eigenvalues, jnp.broadcast_to(lam / 2, eigenvalues.shape)) / 2
    cosines, sines = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    rising, falling = cosines * words + sines * contexts, cosines * contexts - sines * words
    own = jnp.arctan2(eigenvalues[:, None], deltas[None] / 2) / 2
    turned = jnp.cos(own) * matmul(words, axes) + jnp.sin(own) * matmul(contexts, axes)
    # D itself fades under weight decay, and its effect the sooner.
    share = jnp.where(sizes > 0, sizes / jnp.where(sizes > 0, sizes + weight_decay, 1), 0)
    drift = share[:, None] * (matmul(turned, axes.T) - rising)
    start = Doubled(jnp.concatenate([sizes, -sizes]), jnp.concatenate([rising, falling]), drift, angles)
    return start, jnp.max(jnp.abs(deltas - lam))


def warn_if_unbalanced(imbalance: float, eigenvalues: Float[Array, " V"], dim: int) -> None:
    """Warn, three callers up, where `||D - lam I||` is more than 1% of the least `|lambda|` that is learned.

    `imbalance` is over the largest; of `dim` concepts the least is disturbed most.
    """
    sizes = np.sort(np.abs(np.asarray(eigenvalues)))[::-1]
    learned = sizes[:dim][sizes[:dim] > 45 * np.finfo(sizes.dtype).eps * sizes[0]]
    if not len(learned):
        return
    off = imbalance * sizes[0] / learned
    if off[-1] > TOLERATED_IMBALANCE:
        first = int(np.argmax(off > TOLERATED_IMBALANCE)) + 1
        warnings.warn(
            "The closed form of untied weights is exact where W0^T W0 - C0^T C0 is a multiple of the "
            f"identity. Here it is off by {imbalance:.2%} of the largest |lambda| and by {off[-1]:.1%} of "
            f"that of concept {len(off)}, the least that is learned: of concepts from {first} on, each s_k^2 "
            f"may be off by more than {TOLERATED_IMBALANCE:.0%}. Use `solve_flow`, or start from "
            "`balanced_init`.",
            RuntimeWarning,
            stacklevel=4,
        )


def overlaps_at(
    overlaps: Float[Array, "n d"],
    drift: Float[Array, "V d"],
    eigenvalues: Float[Array, " n"],
    t: Float[Array, ""],
) -> Float[Array, "n d"]:
    """Return the overlaps from which the doubled flow seems to have started, seen from its time `t`."""
    passed = -jnp.expm1(2 * eigenvalues[len(drift) :] * t)
    return overlaps.at[: len(drift)].add(passed[:, None] * drift)


def sides_of(X: Float[Array, "n d"], angles: Float[Array, " V"]) -> Float[Array, "n d"]:
    """Return `V^T W` above `V^T C` from coordinates `X` in the eigenbasis of the doubled matrix."""
    rising, falling = jnp.split(jnp.sqrt(2.0) * X, 2)
    cosines, sines = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    return jnp.concatenate([cosines * rising - sines * falling, sines * rising + cosines * falling])


def untied_loss(
    target_norm_squared: Float[Array, ""], Z: Float[Array, "n d"], eigenvalues: Float[Array, " V"]
) -> Float[Array, ""]:
    """Return `1/4 ||M* - W C^T||_F^2` from `V^T W` above `V^T C`, without a matrix of pairs."""
    words, contexts = jnp.split(Z, 2)
    crossed = jnp.sum(words * eigenvalues[:, None] * contexts)
    return (
        target_norm_squared - 2 * crossed + jnp.sum(matmul(words.T, words) * matmul(contexts.T, contexts))
    ) / 4
