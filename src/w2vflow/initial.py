"""Initial weights: small and random, as word2vec starts."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from w2vflow.checks import argument_error, check_dimension

__all__ = ["gaussian_init", "untied_init"]


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
        ValueError: `dim` outside 1..V, or a scale that is not positive and finite.

    Example:
        >>> import jax
        >>> gaussian_init(jax.random.key(0), 5, 2, 0.1).shape
        (5, 2)
    """
    check_dimension(dim, vocab_size)
    if not (np.isfinite(scale) and scale > 0):
        raise argument_error("scale", "positive and finite", scale, "At 0 nothing ever grows.")

    def draw(one: Key[Array, ""]) -> Float[Array, "V d"]:
        return jax.random.normal(one, (vocab_size, dim), jnp.float32)

    normal = jnp.vectorize(draw, signature="()->(v,d)")(key)
    return normal.astype(jnp.zeros(()).dtype) * (scale / np.sqrt(dim))


def untied_init(
    key: Key[Array, "*S"], vocab_size: int, dim: int, scale: float, *, contexts: str = "random"
) -> Float[Array, "*S 2 V d"]:
    """Return initial weights of words and of contexts, each as `gaussian_init` draws them.

    Args:
        key: one JAX key, or an array of keys for an ensemble `(S, 2, V, dim)`.
        vocab_size: `V`.
        dim: embedding dimension `d`.
        scale: size of the start, above 0.
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
