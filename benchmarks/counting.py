"""Counting a corpus, from text to file, beside a plain double loop.

    python benchmarks/counting.py TEXT [--vocab-size 10000] [--window 16] [--workers 2] [--all-words]
                                      [--min-document-words 50] [--memory 4GB]

TEXT is plain or WikiExtractor text, packed or not; unpack it first to leave that out. Prints, each
in a process of its own where that matters: the whole count (tokenising, vocabulary, counting,
writing; compiled code already in numba's cache) with the peak of memory of all its processes; the
kernel alone on one core; and a plain single-threaded double loop over a V x V matrix on the same
tokens, with the ratio. `--all-words` counts every word of the text as well.

GloVe 1.2's `vocab_count` and `cooccur` (C, -O3) took 3.6 s + 28 s on enwiki15k, lower-cased `[a-z]+`
tokens, one article a line, V = 10,000, window 16, on two cores of the machine this was written on.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numba
import numpy as np

from w2vflow.corpus import Resources, count_to_file, read_blocks
from w2vflow.corpus.counting.kernel import count_rows, fill_positions
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


def whole_count(arguments, out):
    """Run the count as a command; return seconds and peak memory of all its processes."""
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen([sys.executable, "-m", "w2vflow", "count", *map(str, arguments), "--out", out])
    done = threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    if code:
        raise SystemExit(code)
    return seconds, peak


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
    size = len(frequency)
    offsets = np.concatenate([[0], np.cumsum(frequency)])
    weights, row, lengths = np.arange(window, 0, -1), np.zeros(size + 1, np.int64), np.empty(size, np.int64)
    columns, counts = np.empty(2**24, np.int32), np.empty(2**24, np.int64)
    positions = np.empty(offsets[-1], np.int32)
    start, first, total = time.perf_counter(), 0, 0
    fill_positions(tokens, offsets[:-1].copy(), positions)
    while first < size:
        rows, used = count_rows(
            tokens, weights, size, first, offsets[first:], positions, row, lengths[first:], columns, counts,
            True, True,
        )  # fmt: skip
        first, total = first + rows, total + int(counts[:used].sum())
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
    a = parser.parse_args()
    shared = [
        a.text, "--window", a.window, "--workers", a.workers, "--memory", a.memory,
        "--min-document-words", a.min_document_words,
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npz"
        # Once for numba's cache and the page cache.
        count_to_file(a.text, out, vocab_size=min(100, a.vocab_size), resources=Resources(workers=1))
        runs = [whole_count([*shared, "--vocab-size", a.vocab_size], out) for _ in range(3)]
        seconds, peak = float(np.median([r[0] for r in runs])), max(r[1] for r in runs)
        print(f"whole, V = {a.vocab_size:,}: {seconds:.1f} s, median of 3; peak {peak / 1e9:.2f} GB in all")
        print(f"  GloVe's {GLOVE_SECONDS} s on enwiki15k, over that: {GLOVE_SECONDS / seconds:.1f}")
        if a.all_words:
            seconds, peak = whole_count([*shared, "--vocab-size", None], out)
            file = CountFile(out)
            print(
                f"whole, all {len(file.words):,} words: {seconds:.1f} s, {file.pairs:,} pairs; "
                f"peak {peak / 1e9:.2f} GB in all processes; file {out.stat().st_size / 1e6:.0f} MB"
            )
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


if __name__ == "__main__":
    main()
