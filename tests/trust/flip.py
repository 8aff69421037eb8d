"""Damage to small files of every format: bits flipped, ends cut off, pieces exchanged; then they are loaded.

    python -m tests.trust.flip [FORMAT ...] [--flips 200] [--truncations 50] [--exchanges 20] [--seed 0]

Of each damage the table counts: refused, by an error that names the argument and the file; harmless, the same
numbers, words and metadata; different ones without a word; no end in 30 seconds; a crash; another error.
Formats of others cannot carry a checksum: different numbers in these are counted, and no failure. A count's
work folder and states are damaged and then gone on from. The exit status is 1 where anything failed.
"""

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.trust import samples
from tests.trust.children import Outcome, Worker
from tests.trust.tables import print_row

from w2vflow.corpus.counting import count

KINDS = ("refused", "harmless", "different", "hang", "crash", "bare error")
UNPROTECTED = ("word2vec-text", "word2vec-binary", "packed vectors", "tensorboard")
SECONDS = 30.0
# Bytes of a piece that is exchanged for another.
PIECE = 64


def write_sample(name: str, path: Path, folder: Path) -> None:
    samples.WRITERS[name][1](path, samples.kept(folder, 0))


def write_state(name: str, path: Path, folder: Path) -> None:
    samples.save_state(path, samples.kept(folder, 0))


def write_tokens(name: str, path: Path, folder: Path) -> None:
    samples.write_tokens(path, folder / "text-0.txt")


def write_work(name: str, path: Path, folder: Path) -> None:
    """Leave the work folder of a count that was stopped before its file was written, beside its text."""

    def stopped(*given: Any) -> None:
        raise InterruptedError

    path.mkdir()
    shutil.copy(folder / "text-0.txt", folder / "counted.txt")
    count.write_counts, write = stopped, count.write_counts
    try:
        samples.write_counts(path / "counts.npz", folder / "counted.txt")
    except InterruptedError:
        pass
    finally:
        count.write_counts = write
    (path / "counts.npz.work" / ".lock").unlink()


def read_work(path: Path) -> bytes:
    """Go on with a count; return the bytes of its file."""
    samples.write_counts(path / "counts.npz", path.parent / "counted.txt")
    return (path / "counts.npz").read_bytes()


WRITE = {"checkpoint": write_state, "token file": write_tokens, "count's work folder": write_work}
FORMATS = [name for name in samples.READERS if name not in UNPROTECTED] + ["count's work folder"]
FORMATS += list(UNPROTECTED)


def write(name: str, path: Path, folder: Path) -> None:
    WRITE.get(name, write_sample)(name, path, folder)


def read(name: str, path: Path) -> str:
    """Return the fingerprint of what is at a path."""
    if name == "count's work folder":
        return samples.fingerprint(list(read_work(path)))
    return samples.fingerprint(samples.READERS[name](path))


Content = dict[str, bytes]


def content_of(path: Path) -> Content:
    """Return the bytes of a file, or of all files in a folder, by their names in it."""
    if path.is_file():
        return {"": path.read_bytes()}
    files = sorted(part for part in path.rglob("*") if part.is_file() and part.name != ".lock")
    return {str(part.relative_to(path)): part.read_bytes() for part in files}


def put(path: Path, content: Content) -> None:
    """Leave these bytes at a path, and nothing else."""
    if path.is_dir():
        shutil.rmtree(path)
    for name, part in content.items():
        file = path / name if name else path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(part)


def damages(content: Content, how: dict[str, int], seed: int) -> Iterator[Content]:
    """Yield the content with one damage at a time, of files in turn."""
    rng = np.random.default_rng(seed)
    names = [name for name, part in content.items() if part]
    for kind, times in how.items():
        for number in range(times):
            name = names[number % len(names)]
            yield {**content, name: DAMAGES[kind](content[name], rng)}


def flipped(whole: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(whole)
    damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
    return bytes(damaged)


def cut(whole: bytes, rng: np.random.Generator) -> bytes:
    # Half of them by a few bytes alone.
    most = len(whole) if rng.random() < 0.5 else min(len(whole), 100)
    return whole[: len(whole) - int(rng.integers(1, most + 1))]


def exchanged(whole: bytes, rng: np.random.Generator) -> bytes:
    """Two pieces exchanged that differ; of a file without two such pieces, a bit flipped."""
    size = min(PIECE, len(whole) // 3)
    for _ in range(100):
        one, other = sorted(rng.integers(0, len(whole) - size + 1, 2).tolist())
        first, second = whole[one : one + size], whole[other : other + size]
        if other - one >= size and first != second:
            return whole[:one] + second + whole[one + size : other] + first + whole[other + size :]
    return flipped(whole, rng)


DAMAGES = {"flips": flipped, "truncations": cut, "exchanges": exchanged}


def kind_of(found: Outcome, expected: str) -> str:
    if found.kind == "value":
        return "harmless" if found.value == expected else "different"
    if found.kind == "error":
        return "refused" if found.is_clear else "bare error"
    return found.kind


def attack(name: str, folder: Path, how: dict[str, int], seed: int) -> tuple[Counter[str], list[str]]:
    """Return how often a format came to what, and examples of what failed."""
    suffix = samples.WRITERS.get(name, ("",))[0]
    path = folder / f"{name.replace(' ', '-')}{suffix}"
    found: Counter[str] = Counter()
    examples: list[str] = []
    with Worker() as worker:
        worker.call(write, name, path, folder, seconds=300).require()
        content = content_of(path)
        expected = worker.call(read, name, path, seconds=300).require().value
        for damaged in damages(content, how, seed):
            put(path, damaged)
            outcome = worker.call(read, name, path, seconds=SECONDS)
            kind = kind_of(outcome, expected)
            found[kind] += 1
            if kind not in ("refused", "harmless"):
                where = next(part for part in content if damaged[part] != content[part])
                examples.append(f"{name} {where}: {kind} {' '.join(outcome.error)}".replace(str(folder), ""))
    return found, examples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=", ".join(FORMATS))
    for kind, number in (("flips", 200), ("truncations", 50), ("exchanges", 20)):
        parser.add_argument(f"--{kind}", type=int, default=number)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    how = {kind: getattr(a, kind) for kind in DAMAGES}
    failed: list[str] = []
    print_row(["format", *KINDS, ""], header=True)
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        with Worker() as worker:
            worker.call(samples.keep, folder, seconds=600).require()
        for name in a.formats or FORMATS:
            found, examples = attack(name, folder, how, a.seed)
            note = "no checksum: a format of others" if name in UNPROTECTED else ""
            print_row([name, *(found[kind] for kind in KINDS), note])
            failed += [one for one in examples if not (note and ": different" in one)]
    for one in failed[:40]:
        print(one)
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
