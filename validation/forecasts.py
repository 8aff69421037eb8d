"""What commands were expected to take beside what they took: seconds, memory, disk.

    python validation/forecasts.py [--text TEXT] [NAME ...]

Runs each command in a process of its own, on a machine that should have nothing else to do: five minutes on
two cores. With a text, of 10 MB or more, counting too. `NAME`: only commands whose line contains it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from w2vflow.corpus.plan import plan_count
from w2vflow.experiment import Ablation, Experiment
from w2vflow.forecast import plan_ablation, plan_embed, plan_experiment, plan_spectrum
from w2vflow.resources import Plan, readable_bytes

BUNDLED = "enwiki15k-v3000"
PAIRS = 4_223_234


class Case(NamedTuple):
    """A command, with `OUT` for where it writes, and its plan."""

    command: str
    plan: Callable[[], Plan]


def cases(text: str | None) -> list[Case]:
    """Return the commands: experiments at three sizes, and one or two of each other kind."""
    found = [
        Case(
            f"demo --vocab-size {size} --dim {dim} --seeds {seeds} --out OUT",
            lambda size=size, dim=dim, seeds=seeds: plan_experiment(
                Experiment(vocab_size=size, dim=dim, seeds=seeds)
            ),
        )
        for size, dim, seeds in ((300, 8, 2), (1000, 16, 4), (1000, 50, 2), (2000, 16, 8), (3000, 16, 4))
    ]
    found += [
        Case(
            f"run ablation --vocab-size {size} --pairs {pairs} --out OUT",
            lambda size=size, pairs=pairs: plan_ablation(Ablation(vocab_size=size, pairs=pairs)),
        )
        for size, pairs in ((300, 20_000_000), (1000, 100_000_000))
    ]
    found += [
        Case(f"spectrum {BUNDLED} --k {k} --out OUT.nc", lambda k=k: plan_spectrum(3000, PAIRS, k))
        for k in (8, 90)
    ]
    found += [
        Case(
            f"embed {BUNDLED} --dim {dim} --out OUT.safetensors",
            lambda dim=dim: plan_embed(3000, PAIRS, dim),
        )
        for dim in (50, 200)
    ]
    if text is not None:
        found += [
            Case(
                f"count {text} --vocab-size {size} --out OUT.npz",
                lambda size=size: plan_count([text], "auto", size, 16),
            )
            for size in (2000, 10_000)
        ]
    return found


class Taken(NamedTuple):
    """What a command took: seconds, those of all cores, and bytes at the most.

    Memory is that of its largest process.
    """

    seconds: float
    of_cores: float
    memory: int
    disk: int


def taken(command: list[str], folder: Path) -> Taken:
    """Run a command that writes into a folder, and return what it took."""
    start, disk = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        ended = 0
        while not ended:
            time.sleep(0.05)
            disk = max(disk, size_of(folder))
            ended, status, use = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    seconds = time.perf_counter() - start
    return Taken(seconds, use.ru_utime + use.ru_stime, use.ru_maxrss * 1024, max(disk, size_of(folder)))


def size_of(path: Path) -> int:
    """Return the bytes of all files in a folder, in which others may come and go meanwhile."""
    total = 0
    for place, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def main() -> None:
    """Print a line for each command: planned, measured, and planned over measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--text")
    parser.add_argument("names", nargs="*")
    settings = parser.parse_args()
    print(f"{'planned':<26}{'measured (seconds of all cores)':<32} seconds  memory    disk   command")
    for case in cases(settings.text):
        if settings.names and not any(name in case.command for name in settings.names):
            continue
        plan = case.plan()
        with tempfile.TemporaryDirectory() as folder:
            command = case.command.replace("OUT", f"{folder}/out").split()
            took = taken([sys.executable, "-m", "w2vflow.cli", *command], Path(folder))
        planned = f"{plan.seconds:.0f} s  {readable_bytes(plan.memory)}  {readable_bytes(plan.disk)}"
        measured = (
            f"{took.seconds:.0f} s ({took.of_cores:.0f})  {readable_bytes(took.memory)}  "
            f"{readable_bytes(took.disk)}"
        )
        pairs = (plan.seconds, took.seconds), (plan.memory, took.memory), (plan.disk, took.disk)
        ratios = "".join(f"{one / other:8.2f}" for one, other in pairs)
        print(f"{planned:<26}{measured:<32}{ratios}   {case.command}", flush=True)


if __name__ == "__main__":
    main()
