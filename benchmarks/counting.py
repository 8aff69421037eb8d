"""Counting a corpus, from text to file, beside a plain double loop.

    python benchmarks/counting.py TEXT [--vocab-size 10000] [--window 16] [--workers 2] [--all-words]
                                      [--min-document-words 50] [--memory 4GB] [--turns 3]
                                      [--megabytes 1 10 50]
                                      [--glove FOLDER | --within 400MB:8 1GB:2 | --files 4352]

TEXT is plain or WikiExtractor text, packed or not; unpack it first to leave that out. Prints the
whole count (tokenising, vocabulary, counting, writing) in a process of its own, without imports and
with compiled code in numba's cache, by `latin` and by `unicode` words, with the peak of memory of the
process; the kernel alone on one core; and a plain single-threaded double loop over a V x V matrix on
the same tokens, with the ratios. `--all-words` counts every word of the text as well; `--megabytes`
the beginnings of the text, on one worker and on all.

In place of all that, each on the first of `--megabytes` if given, else on the whole text:

- `--glove FOLDER`: beside GloVe's `vocab_count` and `cooccur`, which you have built there, on the same
  file of a-z words, one document a line, with harmonic weights: seconds, and all numbers compared.
- `--within SIZE:WORKERS ...`: what the process takes at most, seen from outside by psutil and told by the
  system, where it was to take no more than SIZE.
- `--files N`: the text in N files of one folder beside the same text in one file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import psutil
from scipy import sparse

from w2vflow.corpus import CountingRule, count_to_file, read_blocks
from w2vflow.corpus.counting.sizes import memory_bytes
from w2vflow.corpus.counting.stages import counted_rows, word_places
from w2vflow.corpus.counting.text_kernel import LETTERS, SPAN_LATIN, lower_latin, number_words
from w2vflow.counts import CooccurrenceStatistics, CountFile


@numba.njit
def double_loop(tokens, weights, counts):
    for i in range(len(tokens)):
        if tokens[i] >= 0:
            for r in range(1, len(weights) + 1):
                if i + r >= len(tokens) or tokens[i + r] < 0:
                    break
                counts[tokens[i], tokens[i + r]] += weights[r - 1]


def taken_memory(pid):
    """Bytes of memory of a process and all below it, and the most that the system has seen of the first."""
    try:
        process = psutil.Process(pid)
        now = sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        lines = []
    return max(now, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


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
rule = CountingRule(
    given["window"], given["weighting"], tokens=tokens, min_document_words=given["shortest"]
)
start = time.perf_counter(), time.process_time()
count_to_file(text, out, vocab_size=given["vocab_size"], rule=rule, resources=resources)
print(time.perf_counter() - start[0], time.process_time() - start[1])
"""


def whole_count(text, out, **given):
    """Count in a process of its own; return seconds, peak memory of it and all below, seconds of cores."""
    told = json.dumps([str(text), str(out), {"weighting": "linear", **given}])
    process = subprocess.Popen([sys.executable, "-c", WHOLE, told], stdout=subprocess.PIPE, text=True)
    peak, done = 0, threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, taken_memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = process.communicate()
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(process.returncode)
    seconds, of_cores = map(float, said.split())
    return seconds, peak, of_cores


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


def write_articles(text, out, shortest):
    """Write the words of a-z of a text, one document a line, as GloVe reads them."""
    with out.open("wb") as file:
        for block in read_blocks(text):
            letters, ends = lower_latin(
                np.frombuffer(block.text, np.uint8), block.starts, block.ends, LETTERS
            )
            letters = letters.tobytes().replace(b"\0", b" ")
            for start, end in pairwise([0, *ends.tolist()]):
                words = letters[start:end].split()
                if len(words) >= shortest:
                    file.write(b" ".join(words) + b"\n")


def glove_count(programs, articles, folder, vocab_size, window):
    """Count with GloVe's programs; return the seconds of each."""
    vocabulary, counts, seconds = folder / "vocab.txt", folder / "cooccurrence.bin", []
    order = ["-window-size", window, "-memory", 8.0, "-vocab-file", vocabulary]
    order += ["-overflow-file", folder / "overflow"]
    for program, given, out in (
        ("vocab_count", ["-max-vocab", vocab_size], vocabulary),
        ("cooccur", order, counts),
    ):
        command = [str(Path(programs) / program), "-verbose", "0", *map(str, given)]
        with articles.open("rb") as text, out.open("wb") as file:
            seconds.append(timed(command, stdin=text, stdout=file))
    return seconds


def timed(command, **streams):
    """Run a command; return its seconds, and seconds of cores."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(command, stderr=subprocess.DEVNULL, check=True, **streams)
    seconds, after = time.perf_counter() - start, os.times()
    user, system = (after[k] - before[k] for k in (2, 3))
    return np.array([seconds, user + system])


def largest_difference(folder, articles, window):
    """Return how many numbers GloVe wrote, and the largest relative difference from ours for its words."""
    # GloVe takes any of the rarest words that are equally frequent.
    words = [line.split()[0].decode() for line in (folder / "vocab.txt").read_bytes().splitlines()]
    rule = CountingRule(window, "harmonic", tokens="latin")
    count_to_file(articles, folder / "same.npz", vocabulary=words, rule=rule, reader="lines")
    stats = CooccurrenceStatistics.load(folder / "same.npz")
    kind = np.dtype([("row", "<i4"), ("column", "<i4"), ("value", "<f8")])
    records = np.fromfile(folder / "cooccurrence.bin", kind)
    shape, places = stats.counts.shape, (records["row"] - 1, records["column"] - 1)
    theirs, ours = sparse.csr_array((records["value"], places), shape=shape), stats.counts
    theirs.sort_indices()
    assert stats.words == tuple(words), "the same words"
    assert np.array_equal(theirs.indptr, ours.indptr), "the same pairs"
    assert np.array_equal(theirs.indices, ours.indices), "the same pairs"
    ratio = theirs.data / ours.data
    # Where its overflow is empty, as of few words, `cooccur` adds its first number once more.
    ratio[0] /= 2 if records["value"][0] > 1.5 * ours.data[0] else 1
    return len(records), float(np.max(np.abs(ratio - 1)))


def shown(took):
    return f"{took[0]:.2f} s ({took[1]:.2f} s of cores)"


def beside_glove(a, text, folder):
    articles, out = folder / "articles.txt", folder / "out.npz"
    write_articles(text, articles, a.min_document_words)
    given = {"window": a.window, "memory": a.memory, "shortest": 0, "tokens": "latin"}
    given |= {"weighting": "harmonic", "vocab_size": a.vocab_size}
    print(f"{articles.stat().st_size / 1e6:.1f} MB of words, V = {a.vocab_size:,}, window {a.window}")
    for turn in range(1, a.turns + 1):
        took = glove_count(a.glove, articles, folder, a.vocab_size, a.window)
        said = [f"GloVe {shown(sum(took))} ({took[0][0]:.2f} + {took[1][0]:.2f})"]
        for workers in sorted({1, a.workers}):
            seconds, _, of_cores = whole_count(articles, out, **given, workers=workers)
            command = ["count", articles, "--out", out, "--vocab-size", a.vocab_size, "--window", a.window]
            command += ["--weighting", "harmonic", "--tokens", "latin", "--reader", "lines"]
            command += ["--workers", workers, "--memory", a.memory]
            out.unlink()
            whole = timed([sys.executable, "-m", "w2vflow", *map(str, command)], stdout=subprocess.DEVNULL)
            said.append(f"w2vflow on {workers} {shown((seconds, of_cores))}, as a command {shown(whole)}")
        print(f"run {turn}: {'; '.join(said)}; load {os.getloadavg()[0]:.1f}", flush=True)
    numbers, difference = largest_difference(folder, articles, a.window)
    print(f"{numbers:,} numbers of each, largest relative difference {difference:.1e}")


def within(a, text, folder):
    given = {"window": a.window, "shortest": a.min_document_words, "vocab_size": a.vocab_size}
    for promise in a.within:
        size, _, workers = promise.partition(":")
        for tokens in ("latin", "unicode"):
            more = {"memory": size, "workers": int(workers or a.workers), "tokens": tokens}
            seconds, peak, _ = whole_count(text, folder / "out.npz", **given, **more)
            kept = "kept" if peak <= memory_bytes(size) else "NOT KEPT"
            print(
                f"memory={size}, {more['workers']} workers, {tokens}: {peak / 1e6:.0f} MB at most, {kept}; "
                f"{seconds:.1f} s; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


def small_files(a, text, folder):
    many, one = folder / "many", folder / "one.txt"
    write_articles(text, one, a.min_document_words)
    lines = one.read_bytes().splitlines(keepends=True)
    bounds = np.linspace(0, len(lines), a.files + 1).astype(int).tolist()
    many.mkdir()
    for number, (start, end) in enumerate(pairwise(bounds)):
        (many / f"{number:06}.txt").write_bytes(b"".join(lines[start:end]))
    given = {"window": a.window, "memory": a.memory, "shortest": 0, "tokens": "latin"}
    given |= {"vocab_size": a.vocab_size, "workers": a.workers}
    for turn in range(1, a.turns + 1):
        single, *_ = whole_count(one, folder / "one.npz", **given)
        several, *_ = whole_count(many, folder / "many.npz", **given)
        print(
            f"run {turn}: {one.stat().st_size / 1e6:.1f} MB in one file {single:.2f} s, "
            f"in {a.files:,} {several:.2f} s; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    same = np.array_equal(*(CooccurrenceStatistics.load(folder / f"{n}.npz").values for n in ("one", "many")))
    assert same, "the same counts"


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
    parser.add_argument("--turns", type=int, default=3)
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--glove")
    parts.add_argument("--within", nargs="+", metavar="SIZE:WORKERS")
    parts.add_argument("--files", type=int)
    a = parser.parse_args()
    part = beside_glove if a.glove else within if a.within else small_files if a.files else None
    if part is None:
        return beside_double_loop(a)
    with tempfile.TemporaryDirectory() as folder:
        text = beginnings(a.text, a.megabytes[:1], folder).popitem()[1] if a.megabytes else a.text
        part(a, text, Path(folder))


def beside_double_loop(a):
    given = {"window": a.window, "memory": a.memory, "shortest": a.min_document_words}
    taken = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npz"
        for tokens in ("latin", "unicode"):
            more = {"tokens": tokens, "workers": a.workers, "vocab_size": a.vocab_size}
            runs = [whole_count(a.text, out, **given, **more) for _ in range(a.turns)]
            taken[tokens], peak = float(np.median([r[0] for r in runs])), max(r[1] for r in runs)
            print(
                f"whole, V = {a.vocab_size:,}, {tokens}: {taken[tokens]:.1f} s, median of {a.turns}; "
                f"peak {peak / 1e9:.2f} GB; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        if a.all_words:
            more = {"tokens": "latin", "workers": a.workers, "vocab_size": None}
            taken["all words"], peak, _ = whole_count(a.text, out, **given, **more)
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
