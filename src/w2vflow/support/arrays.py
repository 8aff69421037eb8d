"""Arrays of the host and of JAX, known or traced."""

import sys
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import jax

# Of the host or of JAX. A union would be refused wherever one of the two is meant; and the command
# line counts without JAX.
AnyArray = Any

__all__ = [
    "AnyArray",
    "at_hand",
    "floating",
    "floats_at_hand",
    "is_known",
    "largest_size",
    "namespace",
    "on_host",
    "out_of_trace",
]

Tree = TypeVar("Tree")


def is_known(*trees: Any) -> bool:
    """Return whether all arrays have values to look at: none is traced by `jit`, `vmap` or `grad`."""
    jax = sys.modules.get("jax")
    return not (jax and any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees)))


def on_host(tree: Tree) -> Tree:
    """Return a tree with its arrays on the host, where files, tables and pictures are made."""
    import jax

    return jax.tree.map(np.asarray, tree)


def at_hand(tree: Tree) -> Tree:
    """Return a tree on the host where all of it is known; a traced one as it is.

    For numbers that are few: compiling what finds them would take longer than finding them.
    """
    return on_host(tree) if is_known(tree) else tree


def floating(given: Any) -> "jax.Array":
    """Return a JAX array of floating numbers, in the precision given; of others, in JAX's default."""
    import jax.numpy as jnp

    array = jnp.asarray(given)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.zeros(()).dtype)


def floats_at_hand(*given: Any) -> tuple[AnyArray, ...]:
    """Return arrays on the host, in float64, if all of them are known; else all as JAX arrays."""
    if is_known(*given):
        return tuple(np.asarray(one, np.float64) for one in given)
    return tuple(map(floating, given))


def largest_size(array: Any) -> "jax.Array":
    """Return the largest size of an entry, 1 of zeros: a unit for squares of small numbers, without slope."""
    import jax
    import jax.numpy as jnp

    most = jax.lax.stop_gradient(jnp.max(jnp.abs(array)))
    return jnp.where(most > 0, most, 1.0)


def namespace(*arrays: Any) -> ModuleType:
    """Return `numpy` for arrays of the host, `jax.numpy` if one is a JAX array."""
    jax = sys.modules.get("jax")
    found: ModuleType = np
    if jax and any(isinstance(array, jax.Array) for array in arrays):
        found = jax.numpy
    return found


def out_of_trace() -> AbstractContextManager[None]:
    """Return a context in which what is known is computed at once, within a traced function too.

    Unlike `jax.ensure_compile_time_eval` it leaves compiled functions whole, with the axes of their meshes.
    """
    import jax

    context: AbstractContextManager[None] = jax.core.eval_context()
    return context
