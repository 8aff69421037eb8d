"""Minibatches as a source of gradients, cut into parts that fit a cache."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from w2vflow.problem import Loss, Problem
from w2vflow.sgd.engine import GradientSource, Number, Weights
from w2vflow.sgd.samplers.base import PairSampler, Sampler
from w2vflow.sgd.samplers.batches import check_batch
from w2vflow.sgd.samplers.gradients import RowGradient, added_rows
from w2vflow.sgd.samplers.pairs import SAMPLERS
from w2vflow.support.arrays import is_known
from w2vflow.support.checks import argument_error
from w2vflow.support.machine import check_fits

__all__ = ["InParts", "Minibatches", "parts_of"]


class InParts(GradientSource):
    """The gradient of minibatches, each cut into parts whose vectors fit into a cache.

    Attributes:
        parts: how many there are.
        deterministic: see `added_rows`.
    """

    parts: int = eqx.field(static=True)
    deterministic: bool = eqx.field(static=True)

    @abstractmethod
    def part(self, number: Number, part: Int[Array, ""], key: Key[Array, ""], Z: Weights) -> RowGradient:
        """Return the gradient of one part of the batch of a step; their mean is that of the batch."""

    def gradient(self, number: Number, key: Key[Array, ""], Z: Weights) -> Weights:
        """Return the gradient of one batch, as an array like `Z`."""
        return self._added(jnp.zeros_like(Z), number, key, Z, jnp.ones((), Z.dtype))

    def moved(self, number: Number, key: Key[Array, ""], Z: Weights, factor: Float[Array, ""]) -> Weights:
        """Return `Z + factor * gradient` of one batch. Of a single part, only its rows are touched."""
        return self._added(Z, number, key, Z, factor)

    def _added(
        self, total: Weights, number: Number, key: Key[Array, ""], Z: Weights, factor: Float[Array, ""]
    ) -> Weights:
        """Return `total + factor * gradient` at the weights `Z`."""

        def add(total: Array, drawn: tuple[Array, Array]) -> tuple[Array, None]:
            part = self.part(number, *drawn, Z)
            return added_rows(total, part, factor / self.parts, self.deterministic), None

        keys = jax.random.split(key, self.parts)
        if self.parts == 1:
            # Not a loop of one turn: its sum would be a second array beside the weights, copied each step.
            return add(total, (jnp.zeros((), jnp.int32), keys[0]))[0]
        return jax.lax.scan(add, total, (jnp.arange(self.parts, dtype=jnp.int32), keys))[0]


class Minibatches(InParts):
    """The gradient of minibatches of pairs that a sampler draws.

    Attributes:
        sampler: draws the pairs.
        pair_loss: loss of one pair.
        batch_size: pairs of a batch, all parts together.
        name: of the sampler.
    """

    sampler: Sampler
    pair_loss: Loss
    batch_size: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    @classmethod
    def of(
        cls, problem: Problem, sampler: str, batch_size: int, dim: int, deterministic: bool
    ) -> "Minibatches":
        """Return the minibatches of a problem.

        Raises:
            ValueError: another sampler, a bad batch size, or a problem made from a matrix.
        """
        check_batch(sampler, batch_size, SAMPLERS)
        draws = SAMPLERS[sampler].of(problem if is_known(problem) else _undifferentiable(problem))
        # A block has few vectors for its pairs.
        pairwise = isinstance(draws, PairSampler)
        parts = parts_of(batch_size, dim) if pairwise else 1
        # Both vectors of a pair and their gradients, in float32; or its logit and slope.
        need = batch_size // parts * (16 * dim if pairwise else 8)
        check_fits("batch_size", f"a batch of {batch_size:,} pairs", need, "Use a smaller `batch_size`.")
        return cls(parts, deterministic, draws, problem.pair_loss, batch_size, sampler)

    @property
    def pairs(self) -> int:
        """Pairs of one step."""
        return self.parts * self.sampler.pairs(self.batch_size // self.parts)

    def settings(self) -> dict[str, Any]:
        """Return what a result says of them."""
        return {"sampler": self.name, "batch_size": self.batch_size, "deterministic": self.deterministic}

    def part(self, number: Number, part: Int[Array, ""], key: Key[Array, ""], Z: Weights) -> RowGradient:
        return self.sampler.gradient(key, Z, self.pair_loss, self.batch_size // self.parts)


@eqx.filter_custom_jvp
def _undifferentiable(problem: Problem) -> Problem:
    """Return the problem, of which minibatches are drawn: by what they are, no derivative is told."""
    return problem


@_undifferentiable.def_jvp
def _refused(primals: Any, tangents: Any) -> Any:
    if jax.tree.leaves(tangents):
        expected = "held where minibatches of it are differentiated through"
        remedy = "Minibatches are drawn from its counts. Use `run_gd`, `solve_flow` or `predict`."
        raise argument_error("problem", expected, "one in which to differentiate", remedy)
    return primals[0], tangents[0]


def parts_of(batch_size: int, dim: int) -> int:
    """Return into how many equal parts, a power of 2, to cut a batch so that its vectors fit a cache."""
    parts = 1
    while batch_size // parts * dim > 2**18 and batch_size % (4 * parts) == 0:
        parts *= 2
    return parts
