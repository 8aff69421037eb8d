"""What commands were expected to take beside what they took: seconds, memory, disk.

    python validation/forecasts.py [--text TEXT] [NAME ...] [--small]

Runs each command in a process of its own, on a machine that should have nothing else to do: five minutes on
two cores. With a text, of 10 MB or more, counting too. `NAME`: only commands whose line contains it.
`--small`: one run of few words, and a count of few words in a text of any size.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from table import read_options

from w2vflow.experiments import (
    Ablation,
    Experiment,
    plan_ablation,
    plan_count,
    plan_embed,
    plan_experiment,
    plan_spectrum,
)
from w2vflow.support.machine import readable_bytes
from w2vflow.support.plan import Plan

BUNDLED = "enwiki15k-v3000"
PAIRS = 4_223_234


@dataclass(frozen=True)
class Size:
    """What is run.

    Attributes:
        experiments: words, dimension and seeds of each.
        ablations: words, and pairs that each run of SGD draws.
        spectra: eigenpairs of the bundled statistics.
        embeddings: dimensions of vectors from them.
        counts: words counted in a text.
    """

    experiments: tuple[tuple[int, int, int], ...] = (
        (300, 8, 2),
        (1000, 16, 4),
        (1000, 50, 2),
        (2000, 16, 8),
        (3000, 16, 4),
    )
    ablations: tuple[tuple[int, int], ...] = ((300, 20_000_000), (1000, 100_000_000))
    spectra: tuple[int, ...] = (8, 90)
    embeddings: tuple[int, ...] = (50, 200)
    counts: tuple[int, ...] = (2000, 10_000)


SMALL = Size(experiments=((30, 3, 1),), ablations=(), spectra=(), embeddings=(), counts=(30,))


class Case(NamedTuple):
    """A command, with `OUT` for where it writes, and its plan."""

    command: str
    plan: Callable[[], Plan]


def cases(text: str | None, size: Size) -> list[Case]:
    """Return the commands."""
    found = [
        Case(
            f"demo --vocab-size {words} --dim {dim} --seeds {seeds} --out OUT",
            lambda words=words, dim=dim, seeds=seeds: plan_experiment(
                Experiment(vocab_size=words, dim=dim, seeds=seeds)
            ),
        )
        for words, dim, seeds in size.experiments
    ]
    found += [
        Case(
            f"run ablation --vocab-size {words} --pairs {pairs} --out OUT",
            lambda words=words, pairs=pairs: plan_ablation(Ablation(vocab_size=words, pairs=pairs)),
        )
        for words, pairs in size.ablations
    ]
    found += [
        Case(f"spectrum {BUNDLED} --k {k} --out OUT.nc", lambda k=k: plan_spectrum(3000, PAIRS, k))
        for k in size.spectra
    ]
    found += [
        Case(
            f"embed {BUNDLED} --dim {dim} --out OUT.safetensors",
            lambda dim=dim: plan_embed(3000, PAIRS, dim),
        )
        for dim in size.embeddings
    ]
    if text is not None:
        found += [
            Case(
                f"count {text} --vocab-size {words} --out OUT.npz",
                lambda words=words: plan_count([text], "auto", words, 16),
            )
            for words in size.counts
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
    asked = read_options(parser)
    print(f"{'planned':<26}{'measured (seconds of all cores)':<32} seconds  memory    disk   command")
    for case in cases(asked.text, SMALL if asked.small else Size()):
        if asked.names and not any(name in case.command for name in asked.names):
            continue
        plan = case.plan()
        with tempfile.TemporaryDirectory() as folder:
            command = case.command.replace("OUT", f"{folder}/out").split()
            took = taken([sys.executable, "-m", "w2vflow", *command], Path(folder))
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
