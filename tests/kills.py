"""Runs that are killed, and what is left of them."""

import json
from pathlib import Path

import numpy as np

from w2vflow.sgd.journal import Journal


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def same(one, other):
    for name in ("ts", "singular_values", "loss", "embeddings"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.metadata == other.metadata


class Killed(BaseException):
    """What a kill is to the code that it hits."""


def killed_at(monkeypatch, step):
    """Let the run die when it is to go on from this step or a later one."""
    chunk = Journal.chunk

    def until(self, ahead):
        if self.next_observation - ahead >= step:
            raise Killed
        return chunk(self, ahead)

    monkeypatch.setattr(Journal, "chunk", until)
