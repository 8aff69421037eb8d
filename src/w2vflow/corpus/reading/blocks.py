"""Blocks: whole documents that stand together in memory."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from w2vflow.corpus.reading.facts import FileFacts

__all__ = ["BLOCK_BYTES", "Block", "gathered", "packed"]

BLOCK_BYTES = 2**25
# Text of small files that is put together: 4 MB are a tenth of a second's work.
_LEAST_BYTES = 2**22


class Block(NamedTuple):
    """Whole documents that stand together in memory.

    Attributes:
        text: UTF-8.
        starts, ends: of the documents in it, int64.
        facts: of the files that it comes from, in order.
    """

    text: bytes
    starts: np.ndarray
    ends: np.ndarray
    facts: tuple[FileFacts, ...]


def gathered(blocks: Iterable[Block], block_bytes: int) -> Iterator[Block]:
    """Yield blocks of some size: of small files many together, as each costs a task and a file."""
    waiting: list[Block] = []
    size = 0
    for block in blocks:
        waiting.append(block)
        size += len(block.text)
        if size >= min(block_bytes // 2, _LEAST_BYTES):
            yield _together(waiting)
            waiting, size = [], 0
    if waiting:
        yield _together(waiting)


def _together(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    before = np.cumsum([0, *(len(block.text) for block in blocks)])[:-1].tolist()
    return Block(
        b"".join(block.text for block in blocks),
        np.concatenate([block.starts + start for block, start in zip(blocks, before, strict=True)]),
        np.concatenate([block.ends + start for block, start in zip(blocks, before, strict=True)]),
        tuple(facts for block in blocks for facts in block.facts),
    )


def packed(documents: Iterable[str], block_bytes: int, facts: FileFacts) -> Iterator[Block]:
    """Put documents together to blocks; one at least, so that the facts of the file are told."""
    texts: list[bytes] = []
    size, told = 0, False
    for document in documents:
        # Lone surrogates, which some sources escape to, have no UTF-8.
        texts.append(document.encode(errors="replace"))
        size += len(texts[-1]) + 1
        if size >= block_bytes:
            yield _block_of(texts, facts)
            texts, size, told = [], 0, True
    if texts or not told:
        yield _block_of(texts, facts)


def _block_of(texts: list[bytes], facts: FileFacts) -> Block:
    lengths = np.array([len(text) for text in texts], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    return Block(b"\n".join(texts), ends - lengths, ends, (facts,))
