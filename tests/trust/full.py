"""Every writer on a disk that is really full: a small one of its own, in memory, filled to the brim and less.

    python -m tests.trust.full [NAME ...]

An older file or folder stands where the new one is to be. Room is left for none of the new one, a third, two
thirds, and all but a page; in a second turn the writer is told of more room than there is. Asked are an
`OSError` with the path, what is needed and what is free; the old one whole, and nothing beside it; and after
room was made, the new one, with nothing beside it. Where no disk can be mounted, files may be no longer than
that (`RLIMIT_FSIZE`), of which the system says something else. The exit status is 1 where anything failed.
"""

import argparse
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.trust import samples
from tests.trust.children import Worker
from tests.trust.flip import Content, content_of
from tests.trust.kill import WRITERS, names, write
from tests.trust.tables import print_row

from w2vflow.support import atomic_files

SHARES = (0.0, 1 / 3, 2 / 3, 1.0)
PAGE = 4096
TEXTS = {"statistics of a text": samples.write_counts, "token file": samples.write_tokens}
# What leaves parts of the new state where the old one is, until the next is written.
IN_PLACE = ("checkpoint", "statistics of a text", "run folder")


@contextmanager
def disk(size: int) -> Iterator[Path | None]:
    """Yield a folder on a disk of so many bytes; None where none can be mounted."""
    with tempfile.TemporaryDirectory() as kept:
        options = f"size={size},mode=700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", kept]
        try:
            mounted = not subprocess.run(command, capture_output=True, check=False).returncode
        except FileNotFoundError:
            mounted = False
        try:
            yield Path(kept) if mounted else None
        finally:
            if mounted:
                subprocess.run(["umount", kept], check=True)


def fill(filler: Path, left: int) -> None:
    """Leave so many bytes free on a disk."""
    filler.write_bytes(bytes(max(0, shutil.disk_usage(filler.parent).free - left)))


def put(name: str, path: Path, folder: Path, number: int) -> None:
    if name in TEXTS:
        if name == "token file" and path.exists():
            shutil.rmtree(path)
        TEXTS[name](path, folder / f"text-{number}.txt")
    else:
        write(name, path, folder, number)


def put_late(name: str, path: Path, folder: Path, number: int) -> None:
    """Write where the disk is full only once it was looked at."""
    found, looks = atomic_files.available_disk, []

    def first_all(place: Path) -> int:
        looks.append(place)
        return 10**15 if len(looks) == 1 else found(place)

    atomic_files.available_disk = first_all
    try:
        put(name, path, folder, number)
    finally:
        atomic_files.available_disk = found


def put_short(name: str, path: Path, folder: Path, number: int, most: int) -> None:
    """Write where no file may be longer than so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    try:
        put(name, path, folder, number)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def is_whole(name: str, path: Path, old: Content, worker: Worker) -> bool:
    """Return whether the old one is there, of a state by what it holds."""
    if name == "checkpoint":
        return worker.call(samples.load_state, path).kind == "value"
    return path.exists() and content_of(path) == old


def attack(name: str, folder: Path) -> tuple[Counter[str], list[str]]:
    """Return what came of a writer where there is too little room, and what failed."""
    found: Counter[str] = Counter()
    failed: list[str] = []
    suffix = samples.WRITERS.get(name, (".npz" if name in IN_PLACE[1:2] else "",))[0]
    with Worker() as worker:
        scratch = folder / "new"
        scratch.mkdir()
        worker.call(put, name, scratch / f"it{suffix}", folder, 1).require()
        new = content_of(scratch / f"it{suffix}")
        shutil.rmtree(scratch)
        # What a text is counted in takes more than its counts.
        size = max(sum(map(len, new.values())), 32 * PAGE * (name in TEXTS))
        # The old one, the new one, a page of each file and folder, and what tmpfs itself takes.
        for writer in (put, put_late):
            for share in SHARES:
                with disk(3 * size + 64 * PAGE) as mounted:
                    how = found if mounted else None
                    place = mounted or folder / f"limited-{writer.__name__}-{share:.1f}"
                    place.mkdir(exist_ok=True)
                    path, filler = place / f"it{suffix}", place / "filler"
                    worker.call(put, name, path, folder, 0).require()
                    old = content_of(path)
                    filler.touch()
                    free = max(0, int(share * size) - (PAGE if share == 1 else 0)) // PAGE * PAGE
                    before = names(place)
                    if how is None:
                        outcome = worker.call(put_short, name, path, folder, 1, free)
                    else:
                        fill(filler, free)
                        outcome = worker.call(writer, name, path, folder, 1)
                    kind, message = outcome.error
                    told = str(place) in message and " needed, " in message and " free" in message
                    clear = outcome.kind == "error" and kind == "OSError" and (told or how is None)
                    found["clear" if clear else "fitted" if outcome.kind == "value" else outcome.kind] += 1
                    if not clear and outcome.kind != "value":
                        failed.append(f"{name}: {outcome.kind} {kind} {message}")
                    whole = outcome.kind == "value" or name == "token file"
                    whole = whole or is_whole(name, path, old, worker)
                    found["old whole"] += whole
                    clean = names(place) <= before or name in IN_PLACE
                    if not (whole and clean):
                        failed.append(f"{name}: whole {whole}, beside it {sorted(names(place) - before)}")
                    os.unlink(filler)
                    worker.call(put, name, path, folder, 1).require()
                    right = name == "checkpoint" or content_of(path) == new
                    found["new after"] += right and names(place) == {path.name}
                    if not (right and names(place) == {path.name}):
                        failed.append(f"{name}: then right {right}, {sorted(names(place))}")
    return found, failed


def main() -> int:
    every = [*WRITERS, *TEXTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every))
    a = parser.parse_args()
    with disk(PAGE) as mounted:
        print("A disk in memory, mounted." if mounted else "No disk can be mounted: RLIMIT_FSIZE instead.")
    failed: list[str] = []
    columns = ("clear", "fitted", "error", "hang", "crash", "old whole", "new after")
    print_row(["writer", "tries", *columns], header=True)
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        with Worker() as worker:
            worker.call(samples.keep, folder, seconds=600).require()
        for name in a.names or every:
            found, worse = attack(name, folder)
            print_row([name, 2 * len(SHARES), *(found[column] for column in columns)])
            failed += worse
    for one in failed[:40]:
        print(one)
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
