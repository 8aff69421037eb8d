"""What counting will take, before it starts."""

from itertools import pairwise

import numpy as np
import pytest
from texts import random_text

from w2vflow.corpus.counting import stages as shards
from w2vflow.corpus.counting.cost import plan_count
from w2vflow.support.machine import Speed

SPEED = Speed(products=1e11, rows=1e9, turns=1e7, cores=2)


def test_plan_counts_files_and_tokens(tmp_path):
    random_text(tmp_path / "a.txt", 100, seed=0)
    tokens = len((tmp_path / "a.txt").read_text().split())
    plan = plan_count([tmp_path], "auto", 1000, 5, 2, speed=SPEED)
    assert plan.notes[0].startswith("1 file, about ")
    # Words of this text are shorter than those of a language, of 6.3 bytes with the space.
    text = (tmp_path / "a.txt").stat().st_size
    assert plan.operations == pytest.approx(text / 6.3 * 5 + text)
    assert plan.operations < tokens * 5 + text
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes((tmp_path / "a.txt").read_bytes())
    twice = plan_count([tmp_path / "a.txt", packed], "auto", 1000, 5, 2, speed=SPEED)
    assert twice.operations == pytest.approx(5 * plan.operations)


def test_plan_of_a_count_grows_with_the_work(tmp_path):
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(10**9)  # a hole: nothing is read
    settings = {"reader": "auto", "vocab_size": 1000, "window": 5, "workers": 2, "speed": SPEED}

    def plan(**other):
        return plan_count([path], **(settings | other))

    base = plan()
    assert plan(window=10).seconds > base.seconds
    assert plan(window=10).operations > base.operations
    assert plan(workers=1).seconds == pytest.approx(2 * base.seconds, rel=0.2)
    for more in (plan(vocab_size=10_000), plan(vocab_size=100_000)):
        assert more.memory > base.memory
        assert more.disk > base.disk
    # Memory is bounded, beside 200 MB for each process.
    assert plan(vocab_size=100_000, memory="1GB").memory == 1_400_000_000
    slow = SPEED._replace(rows=SPEED.rows / 10)
    assert plan(speed=slow).seconds > 5 * base.seconds


def test_plan_of_text_that_comes_says_that_nothing_is_known():
    plan = plan_count(["-"], "auto", 1000, 5, 2, speed=SPEED)
    assert any("not known" in note for note in plan.notes)


def test_rows_are_shared_out_evenly():
    loads = np.array([50, 30, 10, 5, 5, 5, 5])
    for parts in (1, 2, 3, 7, 20):
        bounds = shards.pieces(loads, parts)
        assert bounds[0] == 0
        assert bounds[-1] == len(loads)
        assert all(a < b for a, b in pairwise(bounds))
    assert shards.pieces(loads, 2) == [0, 2, 7]
