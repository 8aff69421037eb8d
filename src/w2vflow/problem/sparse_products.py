"""Products of sparse matrices with blocks of vectors, within a JAX computation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.sparse import BCSR
from jaxtyping import Array, Float, Int

__all__ = ["csr_matmul", "csr_matmul_in_chunks", "csr_sampled_product"]

# Entries times vectors that are gathered at a time; where both vectors of a pair are, to stay in a cache.
_CHUNK = 2**26
_SAMPLED_CHUNK = 2**21


def csr_matmul(
    indptr: Int[Array, " r"],
    indices: Int[Array, " n"],
    values: Float[Array, " n"],
    block: Float[Array, "V b"],
) -> Float[Array, "R b"]:
    """Return the matrix with these CSR arrays times a block of vectors."""
    # JAX has a compiled loop over rows for CPUs; elsewhere it would gather a vector for every entry at once.
    shape = len(indptr) - 1, len(block)
    return jax.lax.platform_dependent(
        indptr,
        indices,
        values,
        block,
        cpu=lambda *arrays: BCSR((arrays[2], arrays[1], arrays[0]), shape=shape) @ arrays[3],
        default=csr_matmul_in_chunks,
    )


def csr_matmul_in_chunks(
    indptr: Int[Array, " r"],
    indices: Int[Array, " n"],
    values: Float[Array, " n"],
    block: Float[Array, "V b"],
) -> Float[Array, "R b"]:
    """Return the same product by gathering and adding a bounded number of entries at a time."""
    return _summed_entries(indptr, indices, values, block, lambda row, right: 1.0, _CHUNK)


def csr_sampled_product(
    indptr: Int[Array, " r"],
    indices: Int[Array, " n"],
    values: Float[Array, " n"],
    left: Float[Array, "R b"],
    right: Float[Array, "V b"],
) -> Float[Array, "R b"]:
    """Return `(S o (left right^T)) right`: inner products are taken where `S` has entries, only there."""
    return _summed_entries(
        indptr,
        indices,
        values,
        right,
        lambda row, found: jnp.sum(left[row] * found, axis=1),
        _SAMPLED_CHUNK,
    )


def _summed_entries(
    indptr: Array,
    indices: Array,
    values: Array,
    block: Array,
    factor: Callable[[Array, Array], Any],
    most: int,
) -> Array:
    """Return `sum over entries e of row r of values_e factor(r, block[c_e]) block[c_e]`, in chunks."""
    rows, entries = len(indptr) - 1, len(values)
    zeros = jnp.zeros((rows, block.shape[1]), block.dtype)
    if not entries:
        return zeros
    chunk = min(entries, max(1, most // block.shape[1]))

    def add_chunk(number: Array, total: Array) -> Array:
        # The last chunk starts earlier than its turn; what was counted before is masked.
        first = number * chunk
        start = jnp.minimum(first, entries - chunk)
        at = start + jnp.arange(chunk)
        row = jnp.searchsorted(indptr, at, side="right") - 1
        weight = jax.lax.dynamic_slice_in_dim(values, start, chunk)
        weight = jnp.where((at >= first) & (row < rows), weight, 0)
        row = jnp.minimum(row, rows - 1)
        found = block[jax.lax.dynamic_slice_in_dim(indices, start, chunk)]
        weight = weight * factor(row, found)
        return total.at[row].add(weight[:, None] * found, indices_are_sorted=True)

    return jax.lax.fori_loop(0, -(-entries // chunk), add_chunk, zeros)
