"""How strongly pairs are held, a block of rows of the matrix of pairs at a time."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import sparse

from w2vflow.problem import Problem

__all__ = ["Stiffness"]

_BLOCK_PAIRS = 2**22


class Stiffness(NamedTuple):
    """`G = A + B` of all pairs on the host, from the seen pairs and what is of low rank or dense.

    Attributes:
        seen: what seen pairs have beyond the rest, where they have.
        left, right: `L` and `R`.
        dense: `B` where it is a matrix of its own.
    """

    seen: sparse.csr_array | None
    left: Float[np.ndarray, "V q"]
    right: Float[np.ndarray, "V q"]
    dense: Float[np.ndarray, "V V"] | None

    @classmethod
    def of(cls, problem: Problem) -> "Stiffness":
        """Return that of a problem; 1 everywhere where it was made from a matrix."""
        if problem.statistics is None:
            ones = np.ones((problem.vocab_size, 1))
            return cls(None, ones, ones, None)
        weights = problem.pair_weights()
        own = None if weights.dense_negative is None else np.asarray(weights.dense_negative)
        # What is skipped of negative pairs lowers `G` where pairs were seen.
        seen = None if weights.exclusive else replace(weights, values=weights.kept()).positive
        return cls(seen, np.asarray(weights.left), np.asarray(weights.right), own)

    def blocks(self) -> Iterator[tuple[slice, Float[np.ndarray, "b V"]]]:
        """Yield rows of words, and `G` in them."""
        size = len(self.left)
        height = max(1, _BLOCK_PAIRS // size)
        for first in range(0, size, height):
            rows = slice(first, min(first + height, size))
            G = self.left[rows] @ self.right.T
            if self.dense is not None:
                G = G + self.dense[rows]
            yield rows, G if self.seen is None else G + self.seen[rows].toarray()
