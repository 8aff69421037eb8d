"""Concepts that an embedding learns, in the order of learning."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, degenerate_groups, in_learning_order, learned_eigenpairs
from w2vflow.support.checks import argument_error

__all__ = ["Modes", "adapted", "checked_pairs", "modes_of", "spread_in_group", "wanted_pairs"]

Host = np.ndarray


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
    """Return how many eigenpairs the step times of an embedding take."""
    # Some beyond its last direction: a group may reach over it, and they disturb it most.
    return min(size, 2 * dim + 8)


def checked_pairs(spectrum: Spectrum, size: int, dim: int) -> Spectrum:
    """Return the eigenpairs, if they are of `size` words and at least `dim`; else raise `ValueError`."""
    words, pairs = spectrum.eigenvectors.shape
    if words != size:
        raise argument_error("spectrum", f"of {size} words, as the problem", f"eigenvectors of {words}")
    if pairs < dim:
        expected = f"at least {dim} eigenpairs, one for every direction of the embedding"
        remedy = "Ask for more, or leave the argument out."
        raise argument_error("spectrum", expected, f"{pairs} pairs", remedy)
    return spectrum


def modes_of(problem: Problem, dim: int, spectrum: Spectrum | None) -> Modes:
    """Return the concepts that an embedding of `dim` directions learns, from eigenpairs at hand or its own.

    Raises:
        ValueError: the eigenpairs do not fit the problem, are too few, or in the order of the other kind
            of weights.
    """
    size, tied = problem.vocab_size, problem.tied
    wanted = wanted_pairs(dim, size)
    if spectrum is None:
        spectrum = learned_eigenpairs(problem, wanted)
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
    groups = degenerate_groups(pairs.leading(held), tied=tied) if held else []
    vectors = pairs.eigenvectors[:, :held]
    return Modes(sizes, signs, vectors, groups, min(held, dim), problem.speed, nodes, weights)
