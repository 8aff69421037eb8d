"""Rows of words dealt to the devices of a mesh in turn, like cards.

Word `i` of `N` devices lies on device `i mod N`. Frequent words hold most of the entries of a matrix;
dealt out, every device has its share of them. Empty words fill up to a multiple of `N`. On one device
that layout is the order of the words itself.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from w2vflow.support.arrays import AnyArray, is_known, namespace
from w2vflow.support.devices import WORDS

__all__ = [
    "PRECISION",
    "ROWS",
    "Spread",
    "all_max",
    "all_rows",
    "all_sum",
    "deal_rows",
    "dealt_order",
    "fingerprint",
    "in_words",
    "matmul",
    "on_devices",
    "place",
    "spread_entries",
    "to_host",
    "to_rows",
    "to_words",
    "undeal",
]

# TF32 or bfloat16 products would decide step times on an accelerator.
PRECISION = jax.lax.Precision.HIGHEST
ROWS = PartitionSpec(WORDS)


class Spread(eqx.Module):
    """Base of what is spread over its `mesh` of devices; it can be pickled, with the numbers of these."""

    def __getstate__(self) -> dict[str, Any]:
        mesh: Mesh = vars(self)["mesh"]
        devices = [(device.platform, device.id) for device in mesh.devices.flat]
        fields = {field.name for field in dataclasses.fields(self)}
        return {name: value for name, value in vars(self).items() if name in fields} | {"mesh": devices}

    def __setstate__(self, state: dict[str, Any]) -> None:
        here = {(device.platform, device.id): device for device in jax.devices() + jax.devices("cpu")}
        devices = [here[known] for known in state["mesh"]]
        for name, value in (state | {"mesh": Mesh(np.asarray(devices), (WORDS,))}).items():
            object.__setattr__(self, name, value)


def all_rows(own: Float[Array, "R b"], mesh: Mesh) -> Float[Array, "P b"]:
    """Return the rows of all devices, given those of one; on several, within `shard_map`."""
    return own if mesh.size == 1 else jax.lax.all_gather(own, WORDS, tiled=True)


def all_sum(part: Float[Array, "*shape"], mesh: Mesh) -> Float[Array, "*shape"]:
    """Return the sum over all devices; on several, within `shard_map`."""
    return part if mesh.size == 1 else jax.lax.psum(part, WORDS)


def all_max(part: Float[Array, ""], mesh: Mesh) -> Float[Array, ""]:
    """Return the largest over all devices; on several, within `shard_map`."""
    return part if mesh.size == 1 else jax.lax.pmax(part, WORDS)


def on_devices(function: Callable[..., Any], mesh: Mesh, ins: Any, outs: Any) -> Callable[..., Any]:
    """Return a function that runs on every device of a mesh, each with its own rows.

    Within it, `all_rows` and `all_sum` bring devices together. `ins` and `outs` are the partitions of its
    arguments and result: `ROWS`, or `PartitionSpec()` for all. On one device it is the function itself.
    """
    if mesh.size == 1:
        return function
    return jax.shard_map(function, mesh=mesh, in_specs=ins, out_specs=outs, check_vma=False)


def place(array: AnyArray, mesh: Mesh, partition: PartitionSpec) -> Array:
    """Return an array spread over a mesh, which may span several processes that all hold it."""
    where = NamedSharding(mesh, partition)
    if not is_known(array):
        traced = jnp.asarray(array)
        return jax.lax.with_sharding_constraint(traced, where) if mesh.size > 1 else traced
    if mesh.size == 1 and mesh.devices.flat[0] == jax.local_devices()[0]:
        return jnp.asarray(array)
    host = np.asarray(array)
    return jax.make_array_from_callback(host.shape, where, lambda at: host[at])


def to_host(array: Any) -> np.ndarray:
    """Return an array spread over a mesh whole on the host of every process."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        sharding: Any = array.sharding
        whole = NamedSharding(sharding.mesh, PartitionSpec())
        array = jax.jit(lambda x: x, out_shardings=whole)(array)
    return np.asarray(array)


def to_rows(vectors: AnyArray, mesh: Mesh) -> Float[Array, "*S P b"]:
    """Return vectors `(..., V, b)` in the layout of the rows, spread over the mesh."""
    by_device = deal_rows(vectors, mesh.size, axis=-2)
    return place(by_device, mesh, PartitionSpec(*(None,) * (by_device.ndim - 2), WORDS))


def to_words(rows: Any, size: int, mesh: Mesh) -> Float[np.ndarray, "*S V b"]:
    """Return vectors in the layout of the rows `(..., P, b)` in the order of `size` words, on the host."""
    return np.asarray(undeal(to_host(rows), size, mesh.size, axis=-2))


def in_words(rows: Float[Array, "*S P b"], size: int, mesh: Mesh) -> Float[Array, "*S V b"]:
    """Return vectors in the layout of the rows in the order of the words, on the devices."""
    if mesh.size > 1 and is_known(rows):
        return jnp.asarray(to_words(rows, size, mesh))
    return jnp.asarray(undeal(rows, size, mesh.size, axis=-2))


def dealt_order(size: int, ranks: int) -> Int[np.ndarray, " P"]:
    """Return which word lies in each row of the layout; from `size` on they are empty."""
    rows = -(-size // ranks)
    return np.arange(rows * ranks).reshape(rows, ranks).T.ravel()


def deal_rows(array: AnyArray, ranks: int, axis: int) -> AnyArray:
    """Return an array with its axis of words in the layout of the rows, empty words added as zeros."""
    # On one device that is the array itself: a copy would cost as much as some products.
    if ranks == 1:
        return array
    order, padding = dealt_order(array.shape[axis], ranks), [(0, 0)] * array.ndim
    padding[axis] = (0, len(order) - array.shape[axis])
    xp = namespace(array)
    return xp.take(xp.pad(array, padding), order, axis)


def undeal(array: AnyArray, size: int, ranks: int, axis: int) -> AnyArray:
    """Return an array of the layout of the rows with that axis in the order of the words."""
    if ranks == 1:
        return array
    return namespace(array).take(array, np.argsort(dealt_order(size, ranks))[:size], axis)


def fingerprint(tree: Any, name: str) -> str:
    """Return the SHA-256 of the entries this process holds: what a checkpoint belongs to."""
    digest = hashlib.sha256(name.encode())
    for leaf in jax.tree.leaves(tree):
        for part in leaf.addressable_shards:
            digest.update(np.ascontiguousarray(part.data).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def spread_entries(
    entries: Int[AnyArray, "N m"], values: Float[AnyArray, " n"], mesh: Mesh
) -> Float[Array, "N m"]:
    """Return the values of numbered entries on their devices, 0 where the number is -1."""
    if is_known(entries, values):
        entries, values = to_host(entries), np.asarray(values)
    xp = namespace(entries, values)
    found = (
        xp.where(entries < 0, 0, values[entries]) if len(values) else xp.zeros(entries.shape, values.dtype)
    )
    return place(found, mesh, ROWS)


def matmul(one: Float[AnyArray, "... n m"], other: Float[AnyArray, "... m k"]) -> Float[AnyArray, "... n k"]:
    """Return the matrix product in full precision, on accelerators too; of two arrays of the host, there."""
    if namespace(one, other) is np:
        return np.matmul(one, other)
    return jnp.matmul(one, other, precision=PRECISION)
