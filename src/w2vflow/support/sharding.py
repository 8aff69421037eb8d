"""Rows of words dealt to the devices of a mesh in turn, like cards.

Word `i` of `N` devices lies on device `i mod N`. Frequent words hold most of the entries of a matrix;
dealt out, every device has its share of them. Empty words fill up to a multiple of `N`. On one device
that layout is the order of the words itself.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from w2vflow.support.devices import WORDS

__all__ = [
    "PRECISION",
    "ROWS",
    "all_rows",
    "all_sum",
    "deal_rows",
    "dealt_order",
    "fingerprint",
    "matmul",
    "on_devices",
    "place",
    "to_host",
    "to_rows",
    "to_words",
    "undeal",
]

# TF32 or bfloat16 products would decide step times on an accelerator.
PRECISION = jax.lax.Precision.HIGHEST
ROWS = PartitionSpec(WORDS)


def all_rows(own: Float[Array, "R b"], mesh: Mesh) -> Float[Array, "P b"]:
    """Return the rows of all devices, given those of one; on several, within `shard_map`."""
    return own if mesh.size == 1 else jax.lax.all_gather(own, WORDS, tiled=True)


def all_sum(part: Float[Array, "*shape"], mesh: Mesh) -> Float[Array, "*shape"]:
    """Return the sum over all devices; on several, within `shard_map`."""
    return part if mesh.size == 1 else jax.lax.psum(part, WORDS)


def on_devices(function: Callable[..., Any], mesh: Mesh, ins: Any, outs: Any) -> Callable[..., Any]:
    """Return a function that runs on every device of a mesh, each with its own rows.

    Within it, `all_rows` and `all_sum` bring devices together. `ins` and `outs` are the partitions of its
    arguments and result: `ROWS`, or `PartitionSpec()` for all.
    """
    return jax.shard_map(function, mesh=mesh, in_specs=ins, out_specs=outs, check_vma=False)


def place(array: np.ndarray, mesh: Mesh, partition: PartitionSpec) -> Array:
    """Return a host array spread over a mesh, which may span several processes that all hold it."""
    return jax.make_array_from_callback(array.shape, NamedSharding(mesh, partition), lambda at: array[at])


def to_host(array: Any) -> np.ndarray:
    """Return an array spread over a mesh whole on the host of every process."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        sharding: Any = array.sharding
        whole = NamedSharding(sharding.mesh, PartitionSpec())
        array = jax.jit(lambda x: x, out_shardings=whole)(array)
    return np.asarray(array)


def to_rows(vectors: Any, mesh: Mesh) -> Float[Array, "*S P b"]:
    """Return host vectors `(..., V, b)` in the layout of the rows, spread over the mesh."""
    by_device = deal_rows(np.asarray(vectors), mesh.size, axis=-2)
    return place(by_device, mesh, PartitionSpec(*(None,) * (by_device.ndim - 2), WORDS))


def to_words(rows: Any, size: int, mesh: Mesh) -> Float[np.ndarray, "*S V b"]:
    """Return vectors in the layout of the rows `(..., P, b)` in the order of `size` words, on the host."""
    return undeal(to_host(rows), size, mesh.size, axis=-2)


def dealt_order(size: int, ranks: int) -> Int[np.ndarray, " P"]:
    """Return which word lies in each row of the layout; from `size` on they are empty."""
    rows = -(-size // ranks)
    return np.arange(rows * ranks).reshape(rows, ranks).T.ravel()


def deal_rows(array: np.ndarray, ranks: int, axis: int) -> np.ndarray:
    """Return an array with its axis of words in the layout of the rows, empty words added as zeros."""
    # On one device that is the array itself: a copy would cost as much as some products.
    if ranks == 1:
        return array
    order, padding = dealt_order(array.shape[axis], ranks), [(0, 0)] * array.ndim
    padding[axis] = (0, len(order) - array.shape[axis])
    return np.take(np.pad(array, padding), order, axis)


def undeal(array: np.ndarray, size: int, ranks: int, axis: int) -> np.ndarray:
    """Return an array of the layout of the rows with that axis in the order of the words."""
    return array if ranks == 1 else np.take(array, np.argsort(dealt_order(size, ranks))[:size], axis)


def fingerprint(tree: Any, name: str) -> str:
    """Return the SHA-256 of the entries this process holds: what a checkpoint belongs to."""
    digest = hashlib.sha256(name.encode())
    for leaf in jax.tree.leaves(tree):
        for part in leaf.addressable_shards:
            digest.update(np.ascontiguousarray(part.data).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def matmul(one: Float[Array, "n m"], other: Float[Array, "m k"]) -> Float[Array, "n k"]:
    """Return the matrix product in full precision, on accelerators too."""
    return jnp.matmul(one, other, precision=PRECISION)
