"""Alias tables, compiled. Imported when first needed: numba is slow to load."""

import numpy as np

from w2vflow.support.compiled import compiled

__all__ = ["alias_table"]


@compiled
def _fill(share: np.ndarray, alias: np.ndarray) -> None:
    size = len(share)
    light, heavy = np.empty(size, np.int64), np.empty(size, np.int64)
    lights = heavies = 0
    for item in range(size):
        alias[item] = item
        if share[item] < 1.0:
            light[lights] = item
            lights += 1
        else:
            heavy[heavies] = item
            heavies += 1
    while lights and heavies:
        lights -= 1
        small, large = light[lights], heavy[heavies - 1]
        alias[small] = large
        share[large] -= 1.0 - share[small]
        if share[large] < 1.0:
            heavies -= 1
            light[lights] = large
            lights += 1
    # What is left is 1 but for rounding.
    for item in heavy[:heavies]:
        share[item] = 1.0
    for item in light[:lights]:
        share[item] = 1.0


def alias_table(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `(share, alias)` to draw from `probability` with one uniform index and one comparison.

    Draw `k` uniformly; the result is `k` with probability `share[k]`, else `alias[k]`.

    References:
        Vose (1991), IEEE Transactions on Software Engineering 17.
    """
    share = np.asarray(probability, np.float64) / np.sum(probability) * len(probability)
    alias = np.empty(len(share), np.int32)
    _fill(share, alias)
    return share.astype(np.float32), alias
