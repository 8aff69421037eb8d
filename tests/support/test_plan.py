"""Plans: how they are told, added up, and held against what the machine has."""

import json

import pytest

from w2vflow.support import machine, plan
from w2vflow.support.machine import available_disk, readable_bytes
from w2vflow.support.plan import Plan


def test_a_plan_says_what_is_lacking(monkeypatch, tmp_path):
    large = Plan(3 * 10**9, 2 * 10**7, 1.5e12, 300.0, ("most of it: waiting",))
    monkeypatch.setattr(plan, "available_memory", lambda: 10**9)
    lines = large.lines(tmp_path / "not" / "yet")
    assert lines[:5] == [
        "memory      3.0 GB at most",
        "disk        20 MB",
        "operations  1.5e12",
        "time        about 5 minutes on this machine",
        "  most of it: waiting",
    ]
    assert lines[5:] == ["Not enough memory: 3.0 GB needed, 1.0 GB is free on this machine."]
    monkeypatch.setattr(plan, "available_disk", lambda folder: 10**6)
    assert [line.split(":")[0] for line in large.lacking(tmp_path)] == [
        "Not enough memory",
        "Not enough disk",
    ]
    monkeypatch.undo()
    assert Plan(1, 1, 1.0, 1.0).lacking(tmp_path) == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.5, "0.5 s"), (3.3, "3 s"), (14.2, "14 s"), (119, "119 s"), (300, "5 minutes"), (9000, "2.5 hours")],
)
def test_times_are_told_as_people_tell_them(seconds, said):
    assert Plan(1000, 2000, 3e9, seconds).lines()[3] == f"time        about {said} on this machine"


def test_one_after_the_other_takes_the_memory_of_the_larger():
    both = Plan(5, 10, 100.0, 1.0, ("one",)).then(Plan(3, 20, 200.0, 2.0, ("two",)))
    assert both == Plan(5, 30, 300.0, 3.0, ("one", "two"))
    assert Plan(3, 0, 0.0, 0.0).then(Plan(5, 0, 0.0, 0.0)).memory == 5


def test_a_plan_is_json():
    record = Plan(1000, 2000, 3e9, 0.5, ("one", "two")).record()
    assert json.loads(json.dumps(record)) == record
    assert record["notes"] == ["one", "two"]


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path):
    assert available_disk(tmp_path / "a" / "b") == pytest.approx(available_disk(tmp_path), rel=0.1)
    assert readable_bytes(0) == "0 bytes"
    assert readable_bytes(3.2e12) == "3.2 TB"
    assert machine.available_memory() > 0
