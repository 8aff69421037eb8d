"""Initial weights: small and random, as word2vec starts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known
from w2vflow.support.checks import argument_error, check_dimension, check_initial_scale
from w2vflow.support.machine import check_fits

__all__ = ["balanced_init", "gaussian_init", "untied_init"]


@checked
def gaussian_init(key: Key[Array, "*S"], vocab_size: int, dim: int, scale: float) -> Float[Array, "*S V d"]:
    """Return initial weights: i.i.d. Gaussian entries of standard deviation `scale / sqrt(dim)`.

    The overlap of any unit vector with the weights then has mean square `scale^2`. Drawn in
    float32 in either precision mode, so that SGD and theory can start from the same weights.

    Args:
        key: one JAX key, or an array of keys for an ensemble `(S, V, dim)`.
        vocab_size: `V`.
        dim: embedding dimension `d`.
        scale: size of the start, above 0.

    Raises:
        ValueError: `dim` outside 1..V, a scale that is not positive and finite, or more weights than there
            is memory for.

    Example:
        >>> import jax
        >>> gaussian_init(jax.random.key(0), 5, 2, 0.1).shape
        (5, 2)
    """
    check_dimension(dim, vocab_size)
    check_initial_scale(scale)
    what = f"{key.size} x {vocab_size} x {dim} initial weights"
    # As they are drawn, and in the precision in use.
    need = 12 * key.size * vocab_size * dim
    check_fits("dim", what, need, "Use fewer dimensions, words or keys.")

    draw = partial(jax.random.normal, shape=(vocab_size, dim), dtype=jnp.float32)
    normal = jnp.vectorize(draw, signature="()->(v,d)")(key)
    return normal.astype(jnp.zeros(()).dtype) * (scale / np.sqrt(dim))


@checked
def untied_init(
    key: Key[Array, "*S"], vocab_size: int, dim: int, scale: float, *, contexts: str = "random"
) -> Float[Array, "*S 2 V d"]:
    """Return initial weights of words and of contexts, each as `gaussian_init` draws them.

    Args:
        key, vocab_size, dim, scale: as in `gaussian_init`.
        contexts: `"random"`, or `"zero"` as in word2vec.c, where only words start at random. The
            words are those of `gaussian_init` with the same key.

    Raises:
        ValueError: as `gaussian_init`, or another start of the contexts.

    Example:
        >>> import jax
        >>> untied_init(jax.random.key(0), 5, 2, 0.1, contexts="zero").shape
        (2, 5, 2)
    """
    if contexts not in ("random", "zero"):
        raise argument_error("contexts", "'random' or 'zero'", repr(contexts))
    words = gaussian_init(key, vocab_size, dim, scale)
    if contexts == "zero":
        return jnp.stack([words, jnp.zeros_like(words)], axis=-3)
    other = jnp.vectorize(lambda one: jax.random.fold_in(one, 2), signature="()->()")(key)
    return jnp.stack([words, gaussian_init(other, vocab_size, dim, scale)], axis=-3)


@checked
def balanced_init(
    key: Key[Array, "*S"], vocab_size: int, dim: int, scale: float, *, imbalance: float = 0.0
) -> Float[Array, "*S 2 V d"]:
    """Return initial weights of words and of contexts with `W^T W - C^T C = imbalance I`, to rounding.

    From such weights the untied gradient flow has a closed form, whatever their size. The smaller of
    the two, words where `imbalance <= 0`, is drawn as `gaussian_init` does. The other is
    `Q (S^T S + |imbalance| I)^(1/2)`, with `S` the smaller and `Q` a frame of `d` directions uniformly
    at random: at `imbalance = 0` it is of the law of `gaussian_init` itself, and only its Gram matrix
    is that of the words.

    Args:
        key, vocab_size, dim, scale: as in `gaussian_init`, of the smaller side.
        imbalance: `lam`, which the flow conserves, of either sign.

    Raises:
        ValueError: as `gaussian_init`, or an imbalance that is not finite.

    Example:
        >>> import jax
        >>> W, C = balanced_init(jax.random.key(0), 5, 2, 0.1, imbalance=0.3)
        >>> bool(abs(W.T @ W - C.T @ C - 0.3 * jnp.eye(2)).max() < 1e-6)
        True
    """
    if is_known(imbalance) and not np.isfinite(imbalance):
        raise argument_error("imbalance", "finite", imbalance)
    drawn = untied_init(key, vocab_size, dim, scale)
    smaller, other = drawn[..., 0, :, :], drawn[..., 1, :, :]
    sizes, axes = jnp.linalg.eigh(jnp.swapaxes(smaller, -1, -2) @ smaller)
    roots = jnp.sqrt(jnp.maximum(sizes, 0.0) + abs(imbalance))[..., None, :]
    left, _, right = jnp.linalg.svd(other, full_matrices=False)
    larger = left @ right @ (axes * roots) @ jnp.swapaxes(axes, -1, -2)
    below = imbalance <= 0
    return jnp.stack([jnp.where(below, smaller, larger), jnp.where(below, larger, smaller)], axis=-3)
