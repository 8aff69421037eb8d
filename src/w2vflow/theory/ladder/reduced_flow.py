"""The flow among the directions that rise: what of a ladder depends on the start, at little cost."""

from itertools import pairwise
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Int

from w2vflow.problem import Objective, Problem
from w2vflow.theory.ladder.pairs import Stiffness
from w2vflow.theory.ladder.plateaus import Growth, Plateau
from w2vflow.theory.ladder.stabilised import Columns, State, advance, begin

__all__ = ["ReducedFlow", "reduced_flow"]

# Eigenvectors of each plateau after the first that the basis is to hold.
_NEXT = 3
# Share of its first plateau up to which the first column grows at the rates of zero weights.
_SMALL = 1e-3
# Squared distance, relative to the last node, below which a node is one with what is around it.
_SMOOTH = 1e-6
# Where between two plateaus growth is made right.
_BETWEEN = (0.25, 0.5, 0.75)
_MAX_TRIES = 20_000
# Columns of sizes further apart than e to this power are told apart as if it were this.
_APART = 20.0


class ReducedFlow(eqx.Module):
    """The flow `dC/dt = E(P) C`, `P = C C^T`, of weights `Z = B C` in an orthonormal basis `B`.

        E(P) = E_0 - T P + sum_k D_k |P - P_k|

    `T` is exact for the quartic loss. For any other each pair has the slope that fits it best on all
    plateaus, and the `D_k` make growth right at the nodes: on each plateau, and at three points on the way
    from each to the next. Symmetric matrices are held as their upper triangles.

    Attributes:
        basis: `B`, eigenvectors of `B^T E(0) B`, fastest first, `(n, K)`.
        frames: triangular factors of the rows of words (and of contexts) of `B`, `(sides, K, K)`.
        growth: `E_0`, `(K,)`, it is diagonal.
        stiffness: `T`, `(p, p)`.
        nodes: `P_k`, `(k, p)`.
        corrections: `D_k`, one for each.
        strengths: `s_k^2` on the plateau after step k, `(r,)`.
        first: growth rates of the direction that rises from each plateau, `(r,)`.
    """

    basis: Float[Array, "n K"]
    frames: Float[Array, "s K K"]
    growth: Float[Array, " K"]
    stiffness: Float[Array, "p p"]
    nodes: Float[Array, "k p"]
    corrections: Float[Array, "k p"]
    strengths: Float[Array, " r"]
    first: Float[Array, " r"]

    def field(self, C: Float[Array, "K d"], Y: Float[Array, "K e"]) -> Float[Array, "K e"]:
        """Return `E(C C^T) Y`."""
        size = len(self.growth)
        rows, columns = np.triu_indices(size)
        P = (C @ C.T)[rows, columns]
        E = _distances(P[None], self.nodes)[0] @ self.corrections - self.stiffness @ P
        return (E[_packed(size)] + jnp.diag(self.growth)) @ Y

    def singular_values(self, C: Float[Array, "K d"]) -> Float[Array, " d"]:
        """Return those of the weights `B C`."""
        if len(self.frames) == 1:
            return jnp.linalg.svd(C, compute_uv=False)
        words, contexts = (jnp.linalg.qr(frame @ C, mode="r") for frame in self.frames)
        return jnp.sqrt(jnp.linalg.svd(words @ contexts.T, compute_uv=False))

    @eqx.filter_jit
    def step_times(self, start: Float[Array, "K d"]) -> Float[Array, " r"]:
        """Return when `s_k^2` passes half of its plateau from a start `B^T Z`; NaN where it never does."""
        steps = min(len(self.strengths), start.shape[1])
        plateau = self.strengths[:steps]
        columns, begun = self._grown(start)
        last = begun + self._latest(columns, steps)

        def going(at: _Rise) -> Array:
            return (at.tries < _MAX_TRIES) & (at.state.time < last) & (at.odds < 0).any()

        def go_on(at: _Rise) -> _Rise:
            state = advance(self.field, at.state)
            state = state._replace(columns=_told_apart(state.columns))
            odds = self._odds(state.columns, plateau)
            share = -at.odds / jnp.where(odds > at.odds, odds - at.odds, 1.0)
            passed = jnp.isnan(at.times) & (at.odds < 0) & (odds >= 0)
            when = at.state.time + share * (state.time - at.state.time)
            return _Rise(state, odds, jnp.where(passed, when, at.times), at.tries + 1)

        state = begin(self.field, begun, columns, self.growth[0])
        odds = self._odds(columns, plateau)
        rise = _Rise(state, odds, jnp.full(steps, jnp.nan), jnp.zeros((), int))
        return jax.lax.while_loop(going, go_on, rise).times

    def _odds(self, columns: Columns, plateau: Float[Array, " r"]) -> Float[Array, " r"]:
        """Return `log(s^2 / (plateau - s^2))`, linear in time for a step of its own."""
        squares = self.singular_values(columns.weights)[: len(plateau)] ** 2
        share = jnp.clip(squares / plateau, 1e-300, 1 - 1e-6)
        return jnp.log(share) - jnp.log1p(-share)

    def _grown(self, start: Float[Array, "K d"]) -> tuple[Columns, Float[Array, ""]]:
        """Return the columns when the first is no longer small, and when that is.

        Rotated so that column j has nothing of the first `j - 1` eigenvectors: it grows at the rate of the
        j-th until others have grown.
        """
        size = jnp.max(jnp.abs(start))
        triangle = jnp.linalg.qr((start / size).T, mode="r").T
        first = jnp.abs(jnp.diagonal(triangle))
        rates = self.growth[: len(first)]
        goal = jnp.log(_SMALL * self.strengths[0]) / 2 - jnp.log(size)
        waits = jnp.where((first > 0) & (rates > 0), (goal - jnp.log(first)) / rates, jnp.inf)
        wait = jnp.maximum(jnp.min(waits), 0.0)
        slower = jnp.minimum(self.growth[:, None] - rates, 0.0) * wait
        return Columns.of(triangle * jnp.exp(slower), jnp.log(size) + rates * wait), wait

    def _latest(self, columns: Columns, steps: int) -> Float[Array, ""]:
        """Return a time by which all steps have happened, if each had to wait for the one before."""
        to_go = jnp.log(self.strengths[:steps]) / 2 - columns.logs[:steps] + 20.0
        return jnp.sum(jnp.maximum(to_go, 20.0) / self.first[:steps])


class _Rise(NamedTuple):
    """A start on its way: `odds` of each step, and the `times` of those that have happened."""

    state: State
    odds: Float[Array, " r"]
    times: Float[Array, " r"]
    tries: Int[Array, ""]


def reduced_flow(
    problem: Problem,
    objective: Objective,
    stiffness: Stiffness,
    plateaus: list[Plateau],
    steps: int,
    size: int,
) -> ReducedFlow:
    """Return the flow among what grows from zero weights, the plateaus, and what grows on them."""
    basis = _basis(plateaus, size)
    size, sides = basis.shape[1], objective.sides
    # Of a tied plateau `Q = S S^T`; between two it is a mean of theirs.
    nodes = [plateau.weights for plateau in plateaus]
    nodes += [
        np.hstack([np.sqrt(1 - share) * one, np.sqrt(share) * other])
        for one, other in pairwise(nodes)
        for share in _BETWEEN
    ]
    growths = [Growth.at(objective, S) for S in nodes]
    growth, turned = np.linalg.eigh(_seen_from(growths[0], basis))
    basis = basis @ turned[:, ::-1]
    rows, columns = np.triu_indices(size)
    found = np.stack([_seen_from(one, basis)[rows, columns] for one in growths])
    P = np.stack([(C @ C.T)[rows, columns] for C in (basis.T @ S for S in nodes)])
    T = _contracted(_fitted(problem, stiffness, plateaus, basis), size, sides)
    missed = found - found[0] + P @ T.T
    # Of so few modes that two plateaus look alike, the least corrections.
    distances = np.asarray(_distances(jnp.asarray(P), jnp.asarray(P)))
    corrections = np.linalg.lstsq(distances, missed)[0] if len(P) > 1 else np.zeros_like(P)
    frames = [np.linalg.qr(part, mode="r") for part in np.split(basis, sides)]
    return ReducedFlow(
        jnp.asarray(basis),
        jnp.asarray(np.stack(frames)),
        jnp.asarray(growth[::-1]),
        jnp.asarray(T),
        jnp.asarray(P),
        jnp.asarray(corrections),
        jnp.asarray([plateaus[k + 1].strengths[k] for k in range(steps)]),
        jnp.asarray([plateaus[k].growth[0] for k in range(steps)]),
    )


def _basis(plateaus: list[Plateau], size: int) -> Float[np.ndarray, "n K"]:
    """Return what grows at zero, and the strongest directions of what plateaus and growth on them add."""
    first = plateaus[0].vectors
    scale = np.sqrt(plateaus[-1].strengths[len(plateaus) - 2]) if len(plateaus) > 1 else 1.0
    others = [plateau.weights for plateau in plateaus[1:]]
    others += [scale * plateau.vectors[:, :_NEXT] for plateau in plateaus[1:-1]]
    added = np.concatenate([first[:, :0], *others], axis=1)
    added = added - first @ (first.T @ added)
    more = scipy.linalg.svd(added, full_matrices=False)[0][:, : size - first.shape[1]]
    return np.linalg.qr(np.concatenate([first, more], axis=1))[0]


def _seen_from(growth: Growth, basis: Float[np.ndarray, "n K"]) -> Float[np.ndarray, "K K"]:
    E = basis.T @ np.asarray(growth.product(basis))
    return (E + E.T) / 2


def _fitted(
    problem: Problem, stiffness: Stiffness, plateaus: list[Plateau], basis: Float[np.ndarray, "n K"]
) -> Float[np.ndarray, "p p"]:
    """Return `sum_ij b_ia b_ic g_ij b_jb b_jd` of pairs (a, c) and (b, d).

    `g` is `G` times the slope of `s'(x)` that fits best on all plateaus; 1/2 where `x` is small.
    """
    half = problem.vocab_size
    a, c = np.triu_indices(basis.shape[1])
    words, contexts = basis[:half][:, a] * basis[:half][:, c], basis[-half:][:, a] * basis[-half:][:, c]
    total = np.zeros((len(a), len(a)))
    for rows, G in stiffness.blocks():
        # As if there were one more plateau, of small x.
        below = np.full(G.shape, 1e-12)
        above = below / 2
        for plateau in plateaus[1:]:
            x = plateau.weights[:half][rows] @ plateau.weights[-half:].T
            below += x * x
            above += x * np.asarray(problem.pair_loss.even_slope(x))
        total += words[rows].T @ ((G * above / below) @ contexts)
    return total


def _contracted(held: Float[np.ndarray, "p p"], size: int, sides: int) -> Float[np.ndarray, "p p"]:
    """Return `T` from `S_ab = sum_cd held_ac,bd P_cd`: that of `2 S`, or of `S + S^T` of two sides."""
    a, b = np.triu_indices(size)
    at = _packed(size)
    a, b, c, d = a[:, None], b[:, None], a[None], b[None]
    total = held[at[a, c], at[b, d]] + held[at[a, d], at[b, c]]
    if sides == 2:
        total = (total + held[at[b, c], at[a, d]] + held[at[b, d], at[a, c]]) / 2
    return total * np.where(c == d, 1.0, 2.0)


def _distances(P: Float[Array, "k p"], nodes: Float[Array, "l p"]) -> Float[Array, "k l"]:
    """Return Frobenius distances of symmetric matrices from nodes; rounded off at zero."""
    rows, columns = np.triu_indices(round(np.sqrt(2 * nodes.shape[1])))
    twice = np.where(rows == columns, 1.0, 2.0)
    squares = ((P[:, None] - nodes) ** 2) @ twice
    return jnp.sqrt(squares + _SMOOTH * (nodes[-1] ** 2 @ twice))


def _packed(size: int) -> Int[np.ndarray, "K K"]:
    """Return where entries of a symmetric matrix are in its upper triangle."""
    rows, columns = np.triu_indices(size)
    at = np.zeros((size, size), int)
    at[rows, columns] = at[columns, rows] = np.arange(len(rows))
    return at


def _told_apart(columns: Columns) -> Columns:
    """Return the same `W W^T` by columns of falling size, each orthogonal to all before it.

    Columns that grow along one direction would else become parallel, and what the smaller has of its own
    be lost. Of columns of very different size the rotation is but a subtraction.
    """
    order = jnp.argsort(-columns.logs)
    Y, logs = columns.Y[:, order], columns.logs[order]
    gaps = jnp.minimum(logs[:-1] - logs[1:], min(_APART, 600 / len(logs)))
    near = -jnp.concatenate([jnp.zeros(1), jnp.cumsum(gaps)])
    Q, R = jnp.linalg.qr(Y)
    lower = jnp.linalg.qr((R * jnp.exp(near)).T, mode="r").T
    return Columns.of(Q @ (lower * jnp.exp(-near)), logs)
