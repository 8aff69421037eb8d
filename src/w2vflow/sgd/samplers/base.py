"""Base class of samplers. The expected gradient of a minibatch is the full gradient."""

from abc import abstractmethod

import equinox as eqx
from jaxtyping import Array, Key

from w2vflow.problem import Loss, Problem
from w2vflow.sgd.engine import Weights
from w2vflow.sgd.samplers.gradients import PairBatch, RowGradient, pair_gradient

__all__ = ["PairSampler", "Sampler", "context_offset"]


class Sampler(eqx.Module):
    """Draws minibatches whose mean gradient is `dL/dZ`.

    Attributes:
        offset: rows of `Z` before the vectors of contexts: 0 where weights are tied, else `V`.
    """

    offset: int = eqx.field(static=True)

    @classmethod
    @abstractmethod
    def of(cls, problem: Problem) -> "Sampler":
        """Tabulate what drawing needs of a problem.

        Raises:
            ValueError: the problem was made from a matrix, or its tables do not fit into memory.
        """

    @abstractmethod
    def pairs(self, batch_size: int) -> int:
        """Return how many pairs a batch that was asked to have `batch_size` has."""

    @abstractmethod
    def gradient(self, key: Key[Array, ""], Z: Weights, pair_loss: Loss, batch_size: int) -> RowGradient:
        """Return the gradient of the loss of a minibatch."""


class PairSampler(Sampler):
    """Draws pairs that are independent of each other."""

    @abstractmethod
    def draw(self, key: Key[Array, ""], batch_size: int) -> PairBatch:
        """Return pairs and their weights."""

    def gradient(self, key: Key[Array, ""], Z: Weights, pair_loss: Loss, batch_size: int) -> RowGradient:
        return pair_gradient(Z, pair_loss, self.draw(key, batch_size))


def context_offset(problem: Problem) -> int:
    """Return how many rows of `Z` come before the vectors of contexts."""
    return 0 if problem.tied else problem.vocab_size
