"""Concepts in the order of learning, and groups of them that share one eigenvalue."""

import warnings
from collections.abc import Sequence
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from w2vflow.spectrum.ranking import EQUAL, algebraic, by_size
from w2vflow.spectrum.spectrum import Spectrum
from w2vflow.support.arguments import checked
from w2vflow.support.arrays import is_known
from w2vflow.support.checks import argument_error

__all__ = [
    "degenerate_groups",
    "equal_eigenvalues",
    "group_ids",
    "group_means",
    "group_numbers",
    "in_learning_order",
]

Host = np.ndarray

# Eigenvalues closer than this, relative to their size, are one: told apart, step times would be further off.
_SAME = 1e-2


@checked
def degenerate_groups(spectrum: Spectrum, *, tied: bool = True) -> list[slice]:
    """Return which concepts share one eigenvalue, as stretches of places from 0, in order.

    Of a group of several, only the subspace is known and learned, not its single directions: every
    orthonormal basis of it consists of eigenvectors. `predict_step_times` and `step_time_law` treat it as
    one. Eigenvalues of a group are within 1% of its first, so that their steps overlap from any start in
    use, or closer than their residuals tell apart.

    Args:
        spectrum: eigenpairs in learning order.
        tied: whether it is that of tied weights, which never learn what is negative. Of untied weights, and
            of `extreme_eigenpairs`, it is the size of eigenvalues that counts.

    Example:
        >>> values, none = np.array([3.0, 2.0, 2.0, 1.0]), np.empty(0)
        >>> degenerate_groups(Spectrum(values, np.eye(4), np.zeros(4), none, none))
        [slice(0, 1, None), slice(1, 3, None), slice(3, 4, None)]
    """
    ids = np.asarray(group_ids(spectrum, tied))
    ends = [*np.flatnonzero(np.diff(ids, prepend=-1)).tolist(), len(ids)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


@checked
def group_ids(spectrum: Spectrum, tied: bool) -> Int[Array, " k"]:
    """Return the number, from 0, of the group of `degenerate_groups` to which each concept belongs."""
    return _group_ids(spectrum.eigenvalues, spectrum.residuals, tied)


@eqx.filter_jit
def _group_ids(values: Float[Array, " k"], residuals: Float[Array, " k"], tied: bool) -> Int[Array, " k"]:
    values = values if tied else jnp.abs(values)

    def next_one(first: tuple[Array, Array], own: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        reach = jnp.maximum(_SAME * jnp.abs(first[0]), first[1] + own[1])
        starts: Bool[Array, ""] = first[0] - own[0] > reach
        return jax.tree.map(lambda new, old: jnp.where(starts, new, old), own, first), starts

    pairs = values, residuals
    _, starts = jax.lax.scan(next_one, jax.tree.map(lambda array: array[0], pairs), pairs)
    return jnp.cumsum(starts)


@checked
def group_numbers(groups: Sequence[slice]) -> Int[Host, " k"]:
    """Return the number of the group to which each concept belongs."""
    return np.repeat(np.arange(len(groups)), [group.stop - group.start for group in groups])


@checked
def equal_eigenvalues(spectrum: Spectrum) -> Int[Host, " k"]:
    """Return for each eigenvalue the number of its group of equal ones.

    Equal are those no further apart than their residuals allow, or 1e-9 of the largest in size.

    Warns:
        RuntimeWarning: there are equal ones. Only their common subspace is defined.
    """
    values, residuals = np.asarray(spectrum.eigenvalues), np.asarray(spectrum.residuals)
    order = np.argsort(-values, kind="stable")
    reach = np.maximum(EQUAL * np.abs(values).max(), residuals)[order]
    apart = -np.diff(values[order]) > reach[:-1] + reach[1:]
    groups = np.empty(len(values), np.int64)
    groups[order] = np.concatenate([[0], np.cumsum(apart)])
    if not apart.all():
        warnings.warn(
            f"{int((~apart).sum())} of {len(values)} eigenvalues are equal to the one before within "
            f"{2 * reach.max():.1e}. They have no derivatives or error bars of their own: each is given "
            "that of the mean of its group, and only the subspace of the group is defined.",
            RuntimeWarning,
            stacklevel=5,
        )
    return groups


@checked
def group_means(found: Float[Host, "n k"], groups: Int[Host, " k"]) -> Float[Host, "n k"]:
    """Return each column replaced by the mean over the columns of its group."""
    member = (groups[:, None] == groups).astype(np.float64)
    return found @ (member / member.sum(axis=0))


@checked
def in_learning_order(spectrum: Spectrum, tied: bool) -> Spectrum:
    """Return the pairs as the weights learn them: largest first, or largest in size first.

    Raises:
        ValueError: known pairs, not all there are, in the order of the other kind of weights. Traced ones
            become NaN.
    """
    complete = len(spectrum.eigenvalues) == len(spectrum.eigenvectors)
    if not is_known(spectrum):
        return _ordered(spectrum, tied, complete)
    values, nodes = np.asarray(spectrum.eigenvalues), np.asarray(spectrum.bath_nodes)
    sizes = values if tied else np.abs(values)
    # The bath of the leading pairs holds the other end of the spectrum; nodes are off by a little.
    beyond = np.abs(nodes[np.asarray(spectrum.bath_weights) > 0]).max(initial=0.0)
    fall = bool((np.diff(sizes) <= 0).all())
    if complete:
        return spectrum if fall else _ordered(spectrum, tied, complete)
    if not fall or (not tied and beyond > 1.05 * sizes.min()):
        name, which = ("leading", "tied") if tied else ("extreme", "untied")
        expected = f"that of `{name}_eigenpairs`, in the order in which {which} weights learn"
        raise argument_error("spectrum", expected, "pairs in another order")
    return spectrum


@eqx.filter_jit
def _ordered(spectrum: Spectrum, tied: bool, complete: bool) -> Spectrum:
    """Return the pairs in order; NaN where they are not all there are and were in another one."""
    values, nodes, weights = spectrum.eigenvalues, spectrum.bath_nodes, spectrum.bath_weights
    order = (algebraic if tied else by_size)(values)
    if not complete:
        wrong = jnp.any(order != jnp.arange(len(values)))
        if not tied and nodes.size:
            larger = jnp.max(jnp.where(weights > 0, jnp.abs(nodes), 0)) > 1.05 * jnp.min(jnp.abs(values))
            wrong = wrong | larger
        values = jnp.where(wrong, jnp.nan, values)
    rows = (values[order], spectrum.eigenvectors[:, order], spectrum.residuals[order])
    return Spectrum(*rows, nodes, weights, spectrum.origin)
