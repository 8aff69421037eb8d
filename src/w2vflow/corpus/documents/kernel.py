"""Compiled loop over documents. Imported when first needed: numba is slow to load."""

import numpy as np

from w2vflow.support.compiled import compiled

__all__ = ["add_window_pairs"]


@compiled
def add_window_pairs(
    tokens: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    weights: np.ndarray,
    table: np.ndarray,
    vectors: np.ndarray,
    margins: np.ndarray,
    sums: np.ndarray,
    totals: np.ndarray,
) -> None:
    """Add up, for each document, half of what its window pairs contribute; the transpose is the other.

    With w_r the weight of a pair at distance r, over places x of the document with word i:

        sums_ab   = sum_x v_ia (sum_r w_r T_ij v_jb - omega_x q_ib),   j the word at x + r
        totals    = sum_x omega_x,   omega_x = sum of w_r over all its pairs to the left and right

    A pair costs a look into a row of the table and K products; the K^2 entries wait for the end of a window.
    Documents are `tokens[starts:ends]`, `weights[r - 1]` is w_r, `table` is T `(V, V)`, `vectors` and
    `margins` are v and q `(V, K)`; `sums` `(documents, K, K)` and `totals` `(documents,)` come as zeros.
    """
    modes, window = vectors.shape[1], len(weights)
    running = np.zeros(window + 1)
    running[1:] = np.cumsum(weights)
    ahead = np.empty(modes)
    for document in range(len(starts)):
        start, end = starts[document], ends[document]
        found = sums[document]
        for place in range(start, end):
            word = tokens[place]
            reach = min(window, end - 1 - place)
            omega = running[reach] + running[min(window, place - start)]
            totals[document] += omega
            for mode in range(modes):
                ahead[mode] = -omega * margins[word, mode]
            row = table[word]
            for step in range(reach):
                other = tokens[place + 1 + step]
                factor = weights[step] * row[other]
                for mode in range(modes):
                    ahead[mode] += factor * vectors[other, mode]
            for mode in range(modes):
                own = vectors[word, mode]
                for other_mode in range(modes):
                    found[mode, other_mode] += own * ahead[other_mode]
