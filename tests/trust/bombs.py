"""Hostile files, read by the public functions: refused in time and memory, with nothing run and nothing made.

    python -m tests.trust.bombs [--seconds 2] [--megabytes 200] [--only WORD ...]

Each file is read by a process of its own, which has read a good one of its kind before and may take 1.5 GB
more than it has. Asked is an error that names the argument, within the seconds and with no more memory at its
peak than the megabytes above what there was. The exit status is 1 where one is not refused so.
"""

import argparse
import resource
import shutil
import tempfile
from pathlib import Path

from tests.trust import samples
from tests.trust.children import Outcome, Worker
from tests.trust.hostile_files import HOSTILE
from tests.trust.tables import print_row

# What a reader may take before it is stopped; and how long it may run.
MOST_MEMORY, MOST_SECONDS = 1_500_000_000, 30.0


def make(name: str, folder: Path, kept: Path) -> tuple[Path, Path]:
    """Make a good file and the hostile one, each in a folder of its own; return their paths."""
    good = HOSTILE[name].good(folder / "good", samples.kept(kept, 0))
    other = HOSTILE[name].good(folder / "bad", samples.kept(kept, 0))
    return good, HOSTILE[name].make(other)


def read_good(name: str, path: Path) -> None:
    """Read a good file, and let this process take no more memory than it may."""
    HOSTILE[name].read(path)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_MEMORY, resource.RLIM_INFINITY))


def read_bad(name: str, path: Path) -> None:
    """Read a hostile file; what it held is of no interest."""
    HOSTILE[name].read(path)


def attack(name: str, folder: Path, kept: Path) -> tuple[Outcome, bool]:
    """Return what came of a hostile file, and whether it left anything anywhere."""
    for part in ("good", "bad"):
        (folder / part).mkdir(parents=True)
    with Worker() as maker:
        good, bad = maker.call(make, name, folder, kept, seconds=300).require().value
    with Worker() as reader:
        reader.call(read_good, name, good, seconds=300).require()
        before = sorted(folder.rglob("*"))
        outcome = reader.call(read_bad, name, bad, seconds=MOST_SECONDS)
    made = [path for path in folder.rglob("*") if path not in before and path.name != ".lock"]
    return outcome, bool(made) or any(folder.parent.glob("ran"))


def verdict(outcome: Outcome, made: bool, harmless: bool, seconds: float, memory: float) -> str:
    """Return "refused", "harmless", or what is the matter."""
    if made:
        return "MADE SOMETHING"
    if outcome.kind == "value" and not harmless:
        return "LOADED"
    if outcome.kind in ("hang", "crash"):
        return f"{outcome.kind.upper()}: {outcome.error[1]}"
    if outcome.kind == "error" and not outcome.is_clear:
        return f"BARE {outcome.error[0]}"
    if outcome.seconds > seconds or outcome.memory > memory * 1e6:
        return "TOO LATE" if outcome.seconds > seconds else "TOO LARGE"
    return "refused" if outcome.kind == "error" else "harmless"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--megabytes", type=float, default=200.0)
    parser.add_argument("--only", nargs="*", default=[""], help="those with one of these words in their name")
    a = parser.parse_args()
    failed = []
    print_row(["file", "verdict", "seconds", "MB", "message"], header=True)
    with tempfile.TemporaryDirectory() as kept:
        with Worker() as worker:
            worker.call(samples.keep, Path(kept), seconds=600).require()
        for name, hostile in HOSTILE.items():
            if not any(word in name for word in a.only):
                continue
            folder = Path(kept) / "place" / "within"
            outcome, made = attack(name, folder, Path(kept))
            said = verdict(outcome, made, hostile.harmless, a.seconds, a.megabytes)
            message = " ".join(outcome.error[1].replace(str(folder), "").split())
            shown = message if len(message) <= 160 else f"{message[:157]}..."
            print_row([name, said, f"{outcome.seconds:.2f}", f"{outcome.memory / 1e6:.0f}", shown])
            if said not in ("refused", "harmless"):
                failed.append(name)
            shutil.rmtree(folder.parent)
    print(f"\n{len(failed)} not refused as asked.")
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
