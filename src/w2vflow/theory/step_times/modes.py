"""The concepts that a given embedding learns, in the order of learning; which of them are one subspace."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from w2vflow.problem.problem import Problem
from w2vflow.spectrum.eigenpairs import extreme_eigenpairs, leading_eigenpairs
from w2vflow.spectrum.lanczos import algebraic, by_size
from w2vflow.spectrum.spectrum import Spectrum
from w2vflow.support.checks import argument_error

__all__ = [
    "Modes",
    "adapted",
    "checked_pairs",
    "degenerate_groups",
    "group_numbers",
    "in_learning_order",
    "modes_of",
    "spread_in_group",
    "wanted_pairs",
]

Host = np.ndarray

# Eigenvalues closer than this, relative to their size, are taken as one. Measured on a pair 1% apart: step
# times are then 1% off, told apart 1.5% (scale 1e-8) to 12% (1e-2). The two are equal at 3%.
_SAME = 1e-2


class Modes(NamedTuple):
    """The concepts that are learned, at least as many as the embedding has directions if there are.

    Attributes:
        sizes: `lambda_k` of tied weights, `|lambda_k|` of untied ones, falling; positive, `(n,)`.
        signs: of `lambda_k`.
        vectors: `(V, n)`.
        groups: as `degenerate_groups`.
        learned: how many of them the embedding can hold: at most `dim`.
        speed: 1 where weights are tied, 1/2 where they are not.
        nodes, weights: eigenvalues of all that is not held, and how many each stands for.
    """

    sizes: Host
    signs: Host
    vectors: Host
    groups: list[slice]
    learned: int
    speed: float
    nodes: Host
    weights: Host


def degenerate_groups(spectrum: Spectrum) -> list[slice]:
    """Return which concepts share one eigenvalue, as stretches of places from 0, in order.

    Of a group of several, only the subspace is known and learned, not its single directions: every
    orthonormal basis of it consists of eigenvectors. `predict_step_times` and `step_time_law` treat it as
    one. Eigenvalues of a group are within 1% of its first, so that their steps overlap from any start in
    use, or closer than their residuals tell apart; of `extreme_eigenpairs` it is their size that counts.

    Example:
        >>> values, none = np.array([3.0, 2.0, 2.0, 1.0]), np.empty(0)
        >>> degenerate_groups(Spectrum(values, np.eye(4), np.zeros(4), none, none))
        [slice(0, 1, None), slice(1, 3, None), slice(3, 4, None)]
    """
    sizes = np.abs(spectrum.eigenvalues)
    if (np.diff(sizes) > 0).any():
        sizes = spectrum.eigenvalues
    return _groups(sizes, spectrum.residuals)


def group_numbers(groups: Sequence[slice]) -> Int[Host, " k"]:
    """Return the number of the group to which each concept belongs."""
    return np.repeat(np.arange(len(groups)), [group.stop - group.start for group in groups])


def _groups(values: Host, residuals: Host) -> list[slice]:
    starts = [0]
    for k in range(1, len(values)):
        first = starts[-1]
        reach = max(_SAME * abs(values[first]), residuals[first] + residuals[k])
        if values[first] - values[k] > reach:
            starts.append(k)
    return [slice(*ends) for ends in zip(starts, [*starts[1:], len(values)], strict=True)]


def spread_in_group(modes: Modes) -> Float[Host, " n"]:
    """Return how far from each `lambda_k` the others of its group are at most, relative to it."""
    spread = np.zeros(len(modes.sizes))
    for group in modes.groups:
        sizes = modes.sizes[group]
        spread[group] = np.maximum(sizes[0] - sizes, sizes - sizes[-1]) / sizes
    return spread


def adapted(overlaps: Float[Host, "*s n d"], groups: Sequence[slice]) -> Float[Host, "*s n d"]:
    """Return the overlaps in bases of the groups in which their members do not disturb each other."""
    several = [group for group in groups if group.stop - group.start > 1 and group.start < overlaps.shape[-1]]
    if not several:
        return overlaps
    overlaps = overlaps.copy()
    dim = overlaps.shape[-1]
    # The columns from a on span what the first a rows leave, whatever basis their groups are given.
    Q = np.linalg.qr(np.swapaxes(overlaps[..., :dim, :], -1, -2))[0]
    for group in several:
        rows = overlaps[..., group, :]
        U = np.linalg.svd(rows @ Q[..., group.start :])[0]
        overlaps[..., group, :] = np.swapaxes(U, -1, -2) @ rows
    return overlaps


def wanted_pairs(dim: int, size: int) -> int:
    """Return how many eigenpairs the step times of an embedding take.

    Some are beyond its last direction: a group may reach over it, and they disturb it most.
    """
    return min(size, 2 * dim + 8)


def checked_pairs(spectrum: Spectrum, size: int, dim: int) -> Spectrum:
    """Return the eigenpairs, if they are of `size` words and enough for the embedding.

    Raises:
        ValueError: they are not.
    """
    words, pairs = spectrum.eigenvectors.shape
    if words != size:
        raise argument_error("spectrum", f"of {size} words, as the problem", f"eigenvectors of {words}")
    if pairs < dim:
        raise argument_error(
            "spectrum",
            f"at least {dim} eigenpairs, one for every direction of the embedding",
            f"{pairs} pairs",
            "Ask for more, or leave the argument out.",
        )
    return spectrum


def in_learning_order(spectrum: Spectrum, tied: bool) -> Spectrum:
    """Return the pairs as the weights learn them: largest first, or largest in size first."""
    values, nodes = spectrum.eigenvalues, spectrum.bath_nodes
    order = (algebraic if tied else by_size)(values)
    complete = len(values) == len(spectrum.eigenvectors)
    # The bath of the leading pairs holds the other end of the spectrum; nodes are off by a little.
    larger = not tied and nodes.size > 0 and np.abs(nodes).max() > 1.05 * np.abs(values).min()
    if not complete and (larger or (order != np.arange(len(values))).any()):
        name, which = ("leading", "tied") if tied else ("extreme", "untied")
        raise argument_error(
            "spectrum",
            f"that of `{name}_eigenpairs`, in the order in which {which} weights learn",
            "pairs in another order",
        )
    rows = (values[order], spectrum.eigenvectors[:, order], spectrum.residuals[order])
    return Spectrum(*rows, nodes, spectrum.bath_weights)


def modes_of(problem: Problem, dim: int, spectrum: Spectrum | None) -> Modes:
    """Return the concepts that an embedding of `dim` directions learns, from eigenpairs at hand or its own.

    Raises:
        ValueError: the eigenpairs do not fit the problem, are too few, or in the order of the other kind
            of weights.
    """
    size, tied = problem.vocab_size, problem.tied
    wanted = wanted_pairs(dim, size)
    if spectrum is None:
        spectrum = (leading_eigenpairs if tied else extreme_eigenpairs)(problem, wanted)
    pairs = in_learning_order(checked_pairs(spectrum, size, dim), tied)
    pairs = pairs.leading(min(wanted, len(pairs.eigenvalues)))
    sizes = pairs.eigenvalues if tied else np.abs(pairs.eigenvalues)
    # Eigenvalues that are 0 but for rounding are not positive.
    held = int(np.sum(sizes > np.maximum(pairs.residuals, 1e-14 * np.abs(pairs.eigenvalues).max())))
    nodes = np.concatenate([pairs.eigenvalues[held:], pairs.bath_nodes])
    weights = np.concatenate([np.ones(len(sizes) - held), pairs.bath_weights])
    sizes, signs = sizes[:held], np.sign(pairs.eigenvalues[:held])
    if not tied:
        # Of the doubled matrix: each eigenvalue of M* with either sign.
        nodes = np.concatenate([np.abs(nodes), -np.abs(nodes), -sizes])
        weights = np.concatenate([weights, weights, np.ones(held)])
    groups = _groups(sizes, pairs.residuals[:held]) if held else []
    vectors = pairs.eigenvectors[:, :held]
    speed = 1.0 if tied else 0.5
    return Modes(sizes, signs, vectors, groups, min(held, dim), speed, nodes, weights)
