"""The counting loop, compiled. Imported only when something is counted: numba is slow to load."""

import numba
import numpy as np

__all__ = ["add_pairs"]


@numba.njit(nogil=True)
def add_pairs(tokens: np.ndarray, offsets: np.ndarray, weights: np.ndarray, counts: np.ndarray) -> None:
    """Add to `counts[i, j]` the weight of every pair with i before j in a window, document by document.

    Args:
        tokens: word numbers, `offsets`: where documents start and end.
        weights: `weights[r - 1]` for a pair at distance `r`.
        counts: `(V, V)`, changed in place.
    """
    for document in range(len(offsets) - 1):
        end = offsets[document + 1]
        for position in range(offsets[document], end):
            word = tokens[position]
            for distance in range(1, min(len(weights), end - 1 - position) + 1):
                counts[word, tokens[position + distance]] += weights[distance - 1]
