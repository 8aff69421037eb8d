"""Counting a corpus, from text to file, beside a plain double loop.

    python benchmarks/counting.py TEXT [--vocab-size 10000] [--window 16] [--workers 2] [--all-words]
                                      [--min-document-words 50] [--memory 4GB] [--megabytes 1 10 50]

TEXT is plain or WikiExtractor text, packed or not; unpack it first to leave that out. Prints the
whole count (tokenising, vocabulary, counting, writing) in a process of its own, without imports and
with compiled code in numba's cache, by `latin` and by `unicode` words, with the peak of memory of the
process; the kernel alone on one core; and a plain single-threaded double loop over a V x V matrix on
the same tokens, with the ratios. `--all-words` counts every word of the text as well; `--megabytes`
the beginnings of the text, on one worker and on all.

GloVe 1.2's `vocab_count` and `cooccur` (C, -O3) took 3.6 s + 28 s on enwiki15k, lower-cased `[a-z]+`
tokens, one article a line, V = 10,000, window 16, on two cores of the machine this was written on.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numba
import numpy as np

from w2vflow.corpus import read_blocks
from w2vflow.corpus.counting.stages import counted_rows, word_places
from w2vflow.corpus.counting.text_kernel import LETTERS, SPAN_LATIN, lower_latin, number_words
from w2vflow.counts import CountFile

GLOVE_SECONDS = 31.6


@numba.njit
def double_loop(tokens, weights, counts):
    for i in range(len(tokens)):
        if tokens[i] >= 0:
            for r in range(1, len(weights) + 1):
                if i + r >= len(tokens) or tokens[i + r] < 0:
                    break
                counts[tokens[i], tokens[i + r]] += weights[r - 1]


def resident(process):
    """Bytes of memory of a process and all below it."""
    total, waiting = 0, [process]
    while waiting:
        pid = waiting.pop()
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, IndexError):
            continue
    return total


WHOLE = """
import json, sys, tempfile, time
from pathlib import Path
from w2vflow.corpus import CountingRule, Resources, count_to_file
text, out, given = json.loads(sys.argv[1])
tokens, resources = given["tokens"], Resources(memory=given["memory"], workers=given["workers"])
with tempfile.TemporaryDirectory() as folder:
    # Loads compiled code.
    small = Path(folder) / "small.txt"
    small.write_text("the cat sat on the mat\\n" * 100)
    count_to_file(small, Path(folder) / "small.npz", rule=CountingRule(tokens=tokens))
rule = CountingRule(given["window"], tokens=tokens, min_document_words=given["shortest"])
start = time.perf_counter()
count_to_file(text, out, vocab_size=given["vocab_size"], rule=rule, resources=resources)
print(time.perf_counter() - start)
"""


def whole_count(text, out, **given):
    """Count in a process of its own; return seconds and peak memory of it and all below it."""
    told = json.dumps([str(text), str(out), given])
    process = subprocess.Popen([sys.executable, "-c", WHOLE, told], stdout=subprocess.PIPE, text=True)
    peak, done = 0, threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = process.communicate()
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(process.returncode)
    return float(said), peak


def beginnings(text, megabytes, folder):
    """Write the first so many megabytes of a plain text; return their files by size."""
    files = {}
    for size in megabytes:
        files[size] = Path(folder) / f"{size}.txt"
        with Path(text).open("rb") as stream:
            start = stream.read(int(size * 1e6))
        end = start.rfind(b"\n</doc>\n") + 8 if b"\n</doc>\n" in start else start.rfind(b"\n")
        files[size].write_bytes(start[: end + 1])
    return files


def row_tokens(text, vocab_size, shortest):
    """The corpus as row numbers with -1 between documents, and how often each row occurs."""
    blocks = list(read_blocks(text, block_bytes=2**30))
    (block,) = blocks
    letters, ends = lower_latin(np.frombuffer(block.text, np.uint8), block.starts, block.ends, LETTERS)
    tokens, places, lengths, frequency, _ = number_words(letters, ends, shortest, SPAN_LATIN)
    low = letters.tobytes()
    words = [low[p : p + n] for p, n in zip(places.tolist(), lengths.tolist(), strict=True)]
    order = sorted(range(len(words)), key=lambda i: (-frequency[i], words[i]))[:vocab_size]
    rank = np.full(len(words) + 1, vocab_size, np.int32)
    rank[order], rank[-1] = np.arange(vocab_size), -1
    rows = rank[tokens]
    return np.append(np.int32(-1), rows[rows != vocab_size]), frequency[order]


def kernel_seconds(tokens, frequency, window):
    start = time.perf_counter()
    places, weights = word_places(tokens, frequency), np.arange(window, 0, -1)
    total = sum(int(block.counts.sum()) for block in counted_rows(places, 0, len(frequency), weights, 2**24))
    return time.perf_counter() - start, total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--vocab-size", type=int, default=10_000)
    parser.add_argument("--window", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--min-document-words", type=int, default=50)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--all-words", action="store_true")
    parser.add_argument("--megabytes", type=float, nargs="*", default=[])
    a = parser.parse_args()
    given = {"window": a.window, "memory": a.memory, "shortest": a.min_document_words}
    taken = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npz"
        for tokens in ("latin", "unicode"):
            more = {"tokens": tokens, "workers": a.workers, "vocab_size": a.vocab_size}
            runs = [whole_count(a.text, out, **given, **more) for _ in range(3)]
            taken[tokens], peak = float(np.median([r[0] for r in runs])), max(r[1] for r in runs)
            print(
                f"whole, V = {a.vocab_size:,}, {tokens}: {taken[tokens]:.1f} s, median of 3; "
                f"peak {peak / 1e9:.2f} GB; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        print(f"  GloVe's {GLOVE_SECONDS} s on enwiki15k, over that: {GLOVE_SECONDS / taken['latin']:.1f}")
        if a.all_words:
            more = {"tokens": "latin", "workers": a.workers, "vocab_size": None}
            taken["all words"], peak = whole_count(a.text, out, **given, **more)
            file = CountFile(out)
            print(
                f"whole, all {len(file.words):,} words: {taken['all words']:.1f} s, {file.pairs:,} pairs; "
                f"peak {peak / 1e9:.2f} GB; file {out.stat().st_size / 1e6:.0f} MB",
                flush=True,
            )
        for size, part in beginnings(a.text, a.megabytes, folder).items():
            more = {"tokens": "latin", "vocab_size": a.vocab_size}
            one, all_ = (whole_count(part, out, **given, **more, workers=n)[0] for n in (1, a.workers))
            print(f"{size:g} MB: {one:.2f} s on one worker, {all_:.2f} s on {a.workers}", flush=True)
    tokens, frequency = row_tokens(a.text, a.vocab_size, a.min_document_words)
    counts = np.zeros((a.vocab_size, a.vocab_size), np.int64)
    double_loop(tokens[:100], np.arange(a.window, 0, -1), counts)
    counts[:] = 0
    start = time.perf_counter()
    double_loop(tokens, np.arange(a.window, 0, -1), counts)
    plain = time.perf_counter() - start
    seconds, total = min(kernel_seconds(tokens, frequency, a.window) for _ in range(3))
    upper = int(np.triu(counts + counts.T).sum())
    assert total == upper, "the kernel and the double loop disagree"
    pairs = a.window * len(tokens) / 1e6
    print(f"kernel, one core: {seconds:.2f} s, {pairs / seconds:.0f} million pairs a second")
    print(f"double loop, one core: {plain:.2f} s, {pairs / plain:.0f} million pairs a second")
    print(f"  kernel over double loop: {plain / seconds:.1f}")
    for name, took in taken.items():
        print(f"  whole count, {name}, over double loop: {took / plain:.2f}")


if __name__ == "__main__":
    main()
