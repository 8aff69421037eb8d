"""Division of a batch into blocks and shares, on which samplers and noise agree."""

import math
from collections.abc import Collection
from typing import NamedTuple

from w2vflow.support.checks import argument_error

__all__ = ["Blocking", "blocked", "check_batch", "shared_out"]

# Of a block: one larger block of as many pairs is noisier, smaller ones are hardly less so.
_SIDE = 64
# Pairs of a batch for each seen one: about half of the time goes to either.
_NEGATIVES = 27


class Blocking(NamedTuple):
    """Blocks of a batch: how many, and the rows and columns of each."""

    blocks: int
    rows: int
    columns: int


def check_batch(sampler: str, batch_size: int, samplers: Collection[str]) -> None:
    """Raise `ValueError` unless the sampler is one of those known, and the batch of a size for it."""
    if sampler not in samplers:
        raise argument_error("sampler", f"one of {sorted(samplers)}", repr(sampler))
    if batch_size < 1 or (sampler == "corpus" and batch_size % 2):
        expected = "at least 1, and even for the sampler 'corpus' (half positive, half negative)"
        raise argument_error("batch_size", expected, batch_size)
    if batch_size >= 2**31:
        raise argument_error("batch_size", "below 2^31", batch_size)


def blocked(batch_size: int) -> Blocking:
    """Return the whole blocks that come nearest to a batch, or one smaller block."""
    if batch_size >= _SIDE**2:
        return Blocking(round(batch_size / _SIDE**2), _SIDE, _SIDE)
    rows = math.isqrt(batch_size)
    return Blocking(1, rows, batch_size // rows)


def shared_out(batch_size: int) -> tuple[int, Blocking]:
    """Return how many pairs are seen ones, and the blocks of the others."""
    seen = max(1, batch_size // _NEGATIVES)
    return seen, blocked(max(1, batch_size - seen))
