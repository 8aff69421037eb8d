"""Concepts that an embedding learns, in the order of learning."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from w2vflow.problem import Problem
from w2vflow.spectrum import Spectrum, check_pairs, group_ids, in_learning_order, learned_eigenpairs
from w2vflow.support.arrays import is_known, out_of_trace
from w2vflow.support.checks import argument_error
from w2vflow.support.sharding import matmul

__all__ = ["Modes", "adapted", "enough_pairs", "group_starts", "modes_of", "spread_in_group", "wanted_pairs"]

# Sweeps of rotations after which rows of a group are orthogonal, whatever they were.
_MOST_SWEEPS = 30


class Modes(NamedTuple):
    """Concepts in the order of learning, at least as many as the embedding has directions if there are.

    Attributes:
        sizes: `lambda_k` of tied weights, `|lambda_k|` of untied ones, falling, `(n,)`.
        signs: of `lambda_k`.
        vectors: `(V, n)`.
        groups: number of the group of each, as `group_ids`.
        grouped: whether there may be groups of several.
        held: whether it is learned if there is room: its size is positive.
        speed: 1 where weights are tied, 1/2 where they are not.
        nodes, weights: eigenvalues of all that is not held, and how many each stands for.
    """

    sizes: Float[Array, " n"]
    signs: Float[Array, " n"]
    vectors: Float[Array, "V n"]
    groups: Int[Array, " n"]
    grouped: bool
    held: Bool[Array, " n"]
    speed: float
    nodes: Float[Array, " m"]
    weights: Float[Array, " m"]


def spread_in_group(modes: Modes) -> Float[Array, " n"]:
    """Return how far from each `lambda_k` the others of its group are at most, relative to it."""
    apart = jnp.abs(modes.sizes[:, None] - modes.sizes[None])
    same = modes.groups[:, None] == modes.groups[None]
    sizes = jnp.where(modes.held, modes.sizes, 1.0)
    return jnp.max(jnp.where(same, apart, 0.0), axis=1) / sizes


def adapted(overlaps: Float[Array, "n d"], groups: Int[Array, " n"]) -> Float[Array, "n d"]:
    """Return the overlaps in bases of the groups in which their members do not disturb each other."""
    # Fixed under differentiation: singular values hang on their vectors to second order only.
    return matmul(_turns(jax.lax.stop_gradient(overlaps), groups), overlaps)


def group_starts(groups: Int[Array, " n"]) -> Int[Array, " n"]:
    """Return the place of the first concept of the group to which each belongs."""
    return jnp.argmax(groups[:, None] == groups[None], axis=1)


def _turns(overlaps: Float[Array, "n d"], groups: Int[Array, " n"]) -> Float[Array, "n n"]:
    """Return what turns rows into the left singular vectors of their groups, one-sided Jacobi rotations."""
    n, dim = overlaps.shape
    # The columns from a on span what the first a rows leave, whatever basis their groups are given.
    Q = jnp.linalg.qr(overlaps[:dim].T)[0]
    free = jnp.arange(dim)[None] >= group_starts(groups)[:, None]
    rows = jnp.where(free, matmul(overlaps, Q), 0)
    first, second = (jnp.asarray(places) for places in np.triu_indices(n, 1))
    same = groups[first] == groups[second]
    eps = jnp.finfo(rows.dtype).eps

    def crossed(rows: Float[Array, "n d"]) -> Bool[Array, ""]:
        sizes = jnp.linalg.norm(rows, axis=1)
        products = jnp.abs(matmul(rows, rows.T))[first, second]
        return jnp.any(same & (products > 8 * eps * sizes[first] * sizes[second]))

    def rotate(number: Array, now: Float[Array, "n c"]) -> Float[Array, "n c"]:
        i, j = first[number], second[number]
        one, other = now[i, :dim], now[j, :dim]
        a, b, c = one @ one, other @ other, one @ other
        turn = same[number] & (jnp.abs(c) > eps * jnp.sqrt(a * b))
        zeta = (b - a) / jnp.where(turn, 2 * c, 1)
        tangent = jnp.where(zeta < 0, -1, 1) / (jnp.abs(zeta) + jnp.hypot(zeta, 1))
        cosine = jnp.where(turn, 1 / jnp.hypot(tangent, 1), 1)
        sine = jnp.where(turn, tangent * cosine, 0)
        return now.at[i].set(cosine * now[i] - sine * now[j]).at[j].set(sine * now[i] + cosine * now[j])

    def sweep(state: tuple[Array, Array]) -> tuple[Array, Array]:
        return jax.lax.fori_loop(0, len(first), rotate, state[0]), state[1] + 1

    begin = jnp.concatenate([rows, jnp.eye(n, dtype=rows.dtype)], axis=1), jnp.zeros((), jnp.int32)
    done, _ = jax.lax.while_loop(
        lambda state: crossed(state[0][:, :dim]) & (state[1] < _MOST_SWEEPS), sweep, begin
    )
    order = jnp.lexsort((-jnp.linalg.norm(done[:, :dim], axis=1), groups))
    return done[order, dim:]


def wanted_pairs(dim: int, size: int) -> int:
    """Return how many eigenpairs the step times of an embedding take."""
    # Some beyond its last direction: a group may reach over it, and they disturb it most.
    return min(size, 2 * dim + 8)


def enough_pairs(spectrum: Spectrum, dim: int) -> Spectrum:
    """Return the eigenpairs, if they are at least `dim`; else raise `ValueError`."""
    pairs = len(spectrum.eigenvalues)
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
    pairs = in_learning_order(enough_pairs(check_pairs(problem, spectrum), dim), tied)
    taken = min(wanted, len(pairs.eigenvalues)), tied, problem.speed
    if not is_known(pairs):
        return _modes_of(pairs, *taken)
    with out_of_trace():
        modes = _modes_of(pairs, *taken)
        # Known to be apart from each other, they need no code for those that are not.
        return modes._replace(grouped=bool((np.diff(modes.groups) == 0).any()))


@eqx.filter_jit
def _modes_of(pairs: Spectrum, count: int, tied: bool, speed: float) -> Modes:
    pairs = pairs.leading(count)
    values = pairs.eigenvalues
    sizes = values if tied else jnp.abs(values)
    # Eigenvalues that are 0 but for rounding are not positive.
    rounding = 45 * jnp.finfo(values.dtype).eps * jnp.max(jnp.abs(values))
    places = jnp.arange(len(values))
    held = places < jnp.sum(sizes > jnp.maximum(pairs.residuals, rounding))
    nodes = jnp.concatenate([values, pairs.bath_nodes])
    weights = jnp.concatenate([jnp.where(held, 0.0, 1.0).astype(values.dtype), pairs.bath_weights])
    if not tied:
        # Of the doubled matrix: each eigenvalue of M* with either sign.
        nodes = jnp.concatenate([jnp.abs(nodes), -jnp.abs(nodes), -sizes])
        weights = jnp.concatenate([weights, weights, held.astype(values.dtype)])
    groups = jnp.where(held, group_ids(pairs, tied), len(values) + places)
    return Modes(sizes, jnp.sign(values), pairs.eigenvectors, groups, True, held, speed, nodes, weights)
