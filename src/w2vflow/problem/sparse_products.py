"""Products of sparse matrices with blocks of vectors, within a JAX computation.

A primitive of its own: JAX's sparse arrays are no longer developed. CPUs run the compiled loop over rows
that comes with jaxlib; accelerators, and a jaxlib without it, gather and add entries in chunks.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float, Int

from w2vflow.support.arguments import checked
from w2vflow.support.csr import entry_rows

__all__ = ["csr_matmul", "csr_matmul_in_chunks", "csr_sampled_product"]

# Entries times vectors that are gathered at a time; where both vectors of a pair are, to stay in a cache.
_CHUNK = 2**26
_SAMPLED_CHUNK = 2**21
_CPU_LOOP = "cpu_csr_sparse_dense_ffi"


@checked
def csr_matmul(
    indptr: Int[Array, " r"],
    indices: Int[Array, " n"],
    values: Float[Array, " n"],
    block: Float[Array, "V b"],
    *,
    symmetric: bool = False,
) -> Float[Array, "R b"]:
    """Return the matrix with these CSR arrays times a block of vectors.

    Of a `symmetric` matrix, backward differentiation in the block is another such product; of others,
    entries are scattered.
    """
    given = map(jnp.asarray, (indptr, indices, values, block))
    return _csr_matmul.bind(*given, symmetric=symmetric)


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


def _in_parts(function: Callable[..., Array], width: int, *arrays: Array) -> Array:
    """Return the function of rows of the arrays, a bounded number of them times `width` at a time."""
    return jax.lax.map(lambda one: function(*one), arrays, batch_size=max(1, _SAMPLED_CHUNK // width))


def _inner_products(indptr: Array, indices: Array, left: Array, right: Array) -> Array:
    """Return `left[row] . right[column]` for every entry."""
    rows = jnp.minimum(entry_rows(indptr, len(indices)), len(left) - 1)
    return _in_parts(lambda row, column: left[row] @ right[column], left.shape[1], rows, indices)


def _transposed(indptr: Array, indices: Array, values: Array, block: Array, size: int) -> Array:
    """Return the transpose of the matrix, of so many columns, times a block."""
    rows = jnp.minimum(entry_rows(indptr, len(indices)), len(block) - 1)
    zeros = jnp.zeros((size, block.shape[1]), block.dtype)
    return zeros.at[indices].add(values[:, None] * block[rows])


_csr_matmul = Primitive("csr_matmul")


@_csr_matmul.def_abstract_eval
def _shape_of(indptr: Any, indices: Any, values: Any, block: Any, *, symmetric: bool) -> Any:
    return jax.core.ShapedArray((indptr.shape[0] - 1, block.shape[1]), block.dtype)


_csr_matmul.def_impl(jax.jit(csr_matmul, static_argnames="symmetric"))


def _in_values(
    change: Array, indptr: Array, indices: Array, values: Array, block: Array, symmetric: bool
) -> Array:
    # A change need not be symmetric, nor the product with it when it is differentiated once more.
    return _csr_matmul.bind(indptr, indices, change, block, symmetric=False)


def _in_block(
    change: Array, indptr: Array, indices: Array, values: Array, block: Array, symmetric: bool
) -> Array:
    return _csr_matmul.bind(indptr, indices, values, change, symmetric=symmetric)


def _transpose(
    cotangent: Array, indptr: Array, indices: Array, values: Any, block: Any, *, symmetric: bool
) -> tuple[Any, ...]:
    if ad.is_undefined_primal(values):
        return None, None, _inner_products(indptr, indices, cotangent, block), None
    if symmetric:
        return None, None, None, _csr_matmul.bind(indptr, indices, values, cotangent, symmetric=True)
    size = block.aval.shape[0]
    return None, None, None, _transposed(indptr, indices, values, cotangent, size)


def _batched(arrays: Any, axes: Any, *, symmetric: bool) -> tuple[Array, int]:
    """Vectors of all products side by side where the matrix is one; else one product after the other."""
    indptr, indices, values, block = arrays
    if all(axis is None for axis in axes[:3]):
        several = jnp.moveaxis(block, axes[3], 1)
        wide = several.reshape(len(several), -1)
        found = _csr_matmul.bind(indptr, indices, values, wide, symmetric=symmetric)
        return found.reshape(len(found), *several.shape[1:]), 1
    mapped = [axis is not None for axis in axes]
    moving = [
        jnp.moveaxis(one, axis, 0) for one, axis, moves in zip(arrays, axes, mapped, strict=True) if moves
    ]

    def one(some: list[Array]) -> Array:
        left = iter(some)
        every = [next(left) if moves else array for array, moves in zip(arrays, mapped, strict=True)]
        return _csr_matmul.bind(*every, symmetric=symmetric)

    return jax.lax.map(one, moving), 0


def _with_cpu_loop(*arrays: Array, symmetric: bool) -> Array:
    indptr, indices, values, block = arrays
    shape = jax.ShapeDtypeStruct((len(indptr) - 1, block.shape[1]), block.dtype)
    # Its loop reads every index in one width.
    wide = np.promote_types(indptr.dtype, indices.dtype)
    return jax.ffi.ffi_call(_CPU_LOOP, shape)(values, indptr.astype(wide), indices.astype(wide), block)


def _without_it(*arrays: Array, symmetric: bool) -> Array:
    return csr_matmul_in_chunks(*arrays)


def _has_cpu_loop() -> bool:
    """Return whether this jaxlib has the loop, after making it known to XLA."""
    try:
        from jaxlib import cpu_sparse

        for name, target, version in cpu_sparse.registrations()["cpu"]:
            jax.ffi.register_ffi_target(name, target, platform="cpu", api_version=version)
            if name == _CPU_LOOP:
                return True
    except (ImportError, AttributeError, KeyError):
        pass
    return False


ad.defjvp(_csr_matmul, None, None, _in_values, _in_block)
ad.primitive_transposes[_csr_matmul] = _transpose
batching.primitive_batchers[_csr_matmul] = _batched
mlir.register_lowering(_csr_matmul, mlir.lower_fun(_without_it, multiple_results=False))
if _has_cpu_loop():
    mlir.register_lowering(
        _csr_matmul, mlir.lower_fun(_with_cpu_loop, multiple_results=False), platform="cpu"
    )
