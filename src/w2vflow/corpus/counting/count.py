"""Exact counting of co-occurrences, in bounded memory, resumable, on any number of workers."""

import hashlib
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from tqdm import tqdm

from w2vflow.corpus.counting.numbering import Numbered, number_corpus
from w2vflow.corpus.counting.rules import CountingRule, pair_weights
from w2vflow.corpus.counting.sizes import memory_bytes, text_bytes
from w2vflow.corpus.counting.stages import (
    RowRange,
    Thinning,
    count_row_range,
    open_run,
    open_words,
    pieces,
    task_name,
)
from w2vflow.corpus.counting.vocabulary import Tokenizer, choose_words
from w2vflow.corpus.counting.workers import Resources, Workers, worker_count
from w2vflow.corpus.reading.files import BLOCK_BYTES, read_blocks
from w2vflow.corpus.reading.guesses import suggested
from w2vflow.corpus.reading.sources import PathLike, text_sources
from w2vflow.counts import (
    LonelyWordsError,
    RowBlock,
    keep_probability,
    write_count_file,
)
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import atomic_path
from w2vflow.support.checks import argument_error

if TYPE_CHECKING:
    from w2vflow.counts import CooccurrenceStatistics

__all__ = ["count", "count_to_file"]

# Bytes of memory per token while rows are counted: tokens of a block, all tokens, places.
_TOKEN_BYTES = 20
_LEAST_MEMORY = 2**26


@checked
def count(
    paths: PathLike | Iterable[PathLike],
    *,
    vocab_size: int | None = 10_000,
    min_count: int | None = None,
    vocabulary: Sequence[str] | None = None,
    window: int = 16,
    weighting: str = "linear",
    out_of_vocabulary: str = "before",
    min_document_words: int = 0,
    tokens: str | Tokenizer = "auto",
    subsampling: str = "none",
    subsample_threshold: float = 1e-4,
    seed: int = 0,
    reader: str = "auto",
    column: str | None = None,
    encoding: str = "auto",
    bad_utf8: str = "replace",
    source: str = "",
    memory: str | int = "4GB",
    workers: int | None = None,
    executor: Executor | None = None,
    work_dir: PathLike | None = None,
    progress: bool = False,
) -> "CooccurrenceStatistics":
    """Return the exact co-occurrence counts of some text, in bounded memory.

    Args:
        paths: text; see `read_blocks` for formats, `column`, `encoding` and `bad_utf8`.
        vocab_size: at most so many words, the most frequent; ties are broken by the word. None: all.
        min_count: only words that occur as often; None: all.
        vocabulary: these words, in place of a choice by count.
        window: largest distance of a pair, in words.
        weighting: weight of a pair by its distance r: `"linear"` (window + 1 - r), `"harmonic"` (1/r) or
            `"flat"` (1).
        out_of_vocabulary: whether other words leave `"before"` or `"after"` windows are laid.
        min_document_words: documents with fewer words are left out.
        tokens: how text is cut into words: `"auto"`, `"latin"`, `"unicode"`, a regular expression or a
            function; see `tokenizer`.
        subsampling, subsample_threshold, seed: thinning of frequent words; see `CountingRule`.
        reader: how files split into documents. `"auto"` looks into them: lines, or paragraphs of wrapped
            lines.
        source: what the text is and its licence, kept in the metadata.
        memory, workers, executor: see `Resources`.
        work_dir: folder for what a killed count can go on from; temporary by default.
        progress: show progress bars.

    Raises:
        ValueError, RuntimeError, OSError: as `count_to_file`.

    Warns:
        RuntimeWarning: words that never stand beside another were left out.
    """
    rule = CountingRule(
        window,
        weighting,
        out_of_vocabulary,
        min_document_words,
        tokens,
        subsampling,
        subsample_threshold,
        seed,
    )
    with tempfile.TemporaryDirectory(prefix="w2vflow-") as folder:
        file, work = Path(folder) / "counts.npz", work_dir or Path(folder) / "work"
        lonely = count_to_file(
            paths,
            file,
            vocab_size=vocab_size,
            min_count=min_count,
            vocabulary=vocabulary,
            rule=rule,
            reader=reader,
            column=column,
            encoding=encoding,
            bad_utf8=bad_utf8,
            source=source,
            resources=Resources(memory=memory, workers=workers, executor=executor, work_dir=work),
            progress=progress,
        )
        if lonely:
            shown = ", ".join(lonely[:5]) + (" ..." if lonely[5:] else "")
            message = "left out, because they never stand beside another word"
            warnings.warn(f"{message}: {len(lonely)} ({shown})", RuntimeWarning, stacklevel=3)
        from w2vflow.counts import CooccurrenceStatistics  # here: it takes JAX, which counting does without

        return CooccurrenceStatistics.load(file)


@checked
def count_to_file(
    paths: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    vocab_size: int | None = 10_000,
    min_count: int | None = None,
    vocabulary: Sequence[str] | None = None,
    rule: CountingRule = CountingRule(),
    reader: str = "auto",
    column: str | None = None,
    encoding: str = "auto",
    bad_utf8: str = "replace",
    source: str = "",
    resources: Resources = Resources(),
    progress: bool = False,
) -> tuple[str, ...]:
    """Count the co-occurrences of some text into a statistics file, in bounded memory.

    First every block of text is numbered, then the vocabulary is chosen, then rows of the count matrix are
    counted. What is done is kept in the work folder until the file is whole: a count that was killed goes on
    from there. The bytes of the file do not depend on workers, blocks or memory.

    Args:
        paths: text; see `read_blocks`, also for `column`, `encoding` and `bad_utf8`.
        out: the file to write.
        vocab_size, min_count, vocabulary, reader, source, progress: see `count`.
        rule: what is counted, and how text is cut into words.
        resources: what the count may use.

    Returns:
        The words that were left out, because they never stand beside another.

    Raises:
        ValueError: a bad argument, an empty corpus, no word that stands beside another, or too
            little memory (the message says the least).
        RuntimeError: a task lost its worker again and again.
        OSError: something cannot be read or written; what was counted is kept.
    """
    given = text_sources(paths, reader)
    reader, tokens = suggested(given, reader, rule.tokens, column=column, encoding=encoding)
    rule = replace(rule, tokens=tokens)
    budget = memory_bytes(resources.memory)
    if budget < _LEAST_MEMORY:
        raise argument_error("memory", f"at least {_LEAST_MEMORY // 10**6 + 1}MB", resources.memory)
    # A folder of our own, because it is removed at the end.
    work = resources.work_dir
    folder = Path(work) / "w2vflow-count" if work is not None else Path(f"{out}.work")
    folder.mkdir(parents=True, exist_ok=True)
    text = text_bytes(given, reader)
    with closing(Workers(worker_count(resources.workers), resources.executor)) as pool:
        share = budget // pool.count
        size = min(BLOCK_BYTES, share // 16)
        blocks = read_blocks(
            given, reader, column=column, encoding=encoding, bad_utf8=bad_utf8, block_bytes=size
        )
        numbered = number_corpus(blocks, folder, rule, pool, text, progress)

        def write(words: Sequence[str]) -> None:
            if len(words) * 40 > share:
                least = f"at least {pool.count * len(words) * 40 // 10**6 + 1}MB"
                raise argument_error("memory", least, resources.memory)
            ranks = _ranks(words, numbered, folder)
            frequency = np.array([numbered.frequency[word] for word in words], np.int64)
            runs = _count(numbered, ranks, frequency, folder, rule, pool, share, progress)
            rows = _merged(runs, len(words), budget)
            denominator = pair_weights(rule.weighting, rule.window)[1]
            if rule.subsampling == "expected":
                rows, denominator = _expected(rows, _keep(frequency, numbered, rule), denominator), 0
            metadata = {"source": source, **rule.describe(), **numbered.facts(rule.tokens_name, words)}
            write_count_file(out, words, frequency, rows, metadata, denominator)

        words = choose_words(numbered.frequency, vocab_size, min_count, vocabulary)
        lonely: tuple[str, ...] = ()
        try:
            write(words)
        except LonelyWordsError as error:
            if vocabulary is not None:
                raise
            if len(error.others) < 2:
                shutil.rmtree(folder, ignore_errors=True)
                expected = "text in which words stand beside others"
                raise argument_error("paths", expected, "documents of one word each") from error
            lonely = tuple(error.words)
            write(error.others)
    _discard(folder)
    return lonely


def _discard(folder: Path) -> None:
    """Remove a work folder; if that is interrupted, nothing is left that looks like results."""
    done = folder.with_name(f"{folder.name}.done")
    shutil.rmtree(done, ignore_errors=True)
    folder.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def _ranks(words: Sequence[str], numbered: Numbered, folder: Path) -> list[Path]:
    """Leave the rows of its words for every token file; return these files."""
    row = {word: index for index, word in enumerate(words)}
    identity = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
    ranks = []
    for file in numbered.files:
        path = folder / f"ranks-{identity}-{file.name}"
        if not path.exists():
            rank = np.array([row.get(word, -1) for word in open_words(file).words], np.int32)
            with atomic_path(path) as temporary, temporary.open("wb") as stream:
                np.save(stream, rank, allow_pickle=False)
        ranks.append(path)
    return ranks


def _keep(frequency: np.ndarray, numbered: Numbered, rule: CountingRule) -> np.ndarray:
    return np.asarray(keep_probability(frequency / sum(numbered.tokens), rule.subsample_threshold))


def _count(
    numbered: Numbered,
    ranks: list[Path],
    frequency: np.ndarray,
    folder: Path,
    rule: CountingRule,
    pool: Workers,
    share: int,
    progress: bool,
) -> list[list[Path]]:
    """Count all rows; return folders of runs by rows and, within, by group of blocks."""
    weights, denominator = pair_weights(rule.weighting, rule.window)
    if 4 * rule.window * int(frequency.max()) * int(weights.max()) >= 2**63:
        expected = "one whose counts fit into 64 bits"
        raise argument_error("weighting", expected, rule.weighting, "Use 'linear'.")
    sampled = rule.subsampling == "sampled"
    thinning = Thinning(_keep(frequency, numbered, rule), rule.seed) if sampled else None
    groups = _groups(numbered.tokens, share // (2 * _TOKEN_BYTES))
    # Groups keep all workers busy; where there are fewer, rows are shared out as well.
    bounds = pieces(frequency, max(1, pool.count if len(groups) < pool.count else 1))
    entries = min(2**24, share // 48)
    before = np.concatenate([[0], np.cumsum(numbered.documents)])
    runs: list[list[Path]] = [[] for _ in bounds[1:]]
    tasks = []
    for index, (first, last) in enumerate(pairwise(bounds)):
        for start, end in groups:
            files, rows = tuple(numbered.files[start:end]), tuple(ranks[start:end])
            gaps = rule.out_of_vocabulary == "after"
            task = RowRange(
                files, rows, int(before[start]), first, last, len(frequency), weights, gaps, thinning, entries
            )
            names = [path.name for path in task.ranks]
            kept = (thinning.keep, thinning.seed, int(before[start])) if thinning else ()
            name = task_name(names, first, last, weights, denominator, task.keeps_gaps, *kept)
            runs[index].append(folder / f"run-{name}")
            tasks.append((runs[index][-1], task))
    # Every place of a word is one of its row: tokens say how far the work is.
    load = sum(numbered.tokens)
    with tqdm(total=load, desc="counting", unit=" tokens", unit_scale=True, disable=not progress) as bar:
        for _ in pool.run(count_row_range, tasks):
            bar.update(load / len(tasks))
    return runs


def _groups(tokens: list[int], most: int) -> list[tuple[int, int]]:
    """Return ranges of blocks of at most `most` tokens together; a single block may have more."""
    groups, start, load = [], 0, 0
    for index, size in enumerate(tokens):
        if load and load + size > most:
            groups.append((start, index))
            start, load = index, 0
        load += size
    return [*groups, (start, len(tokens))]


def _merged(runs: list[list[Path]], vocab_size: int, budget: int) -> Iterator[RowBlock]:
    """Yield all rows in order, a few at a time, the runs of different groups added up."""
    most = max(budget // 200, 2**16)
    for folders in runs:
        opened = [open_run(folder) for folder in folders]
        ends = [np.concatenate([[0], np.cumsum(lengths)]) for lengths, _, _ in opened]
        total = np.sum(ends, axis=0)
        first = 0
        while first < len(total) - 1:
            last = max(first + 1, int(np.searchsorted(total, total[first] + most, side="right")) - 1)
            parts = []
            for (lengths, columns, counts), end in zip(opened, ends, strict=True):
                entries = slice(int(end[first]), int(end[last]))
                parts.append(RowBlock(lengths[first:last], columns[entries], counts[entries]))
            yield parts[0] if len(parts) == 1 else _added(parts, vocab_size)
            first = last


def _added(parts: list[RowBlock], vocab_size: int) -> RowBlock:
    shape = (len(parts[0].row_lengths), vocab_size)
    matrices = []
    for lengths, columns, counts in parts:
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        matrices.append(sparse.csr_array((np.asarray(counts), np.asarray(columns), indptr), shape=shape))
    total = reduce(add, matrices)
    total.sort_indices()
    return RowBlock(np.diff(total.indptr).astype(np.int64), total.indices, total.data)


def _expected(rows: Iterator[RowBlock], keep: np.ndarray, denominator: int) -> Iterator[RowBlock]:
    """Yield the counts times the probabilities of keeping both words, as float64 bit patterns."""
    first = 0
    for lengths, columns, counts in rows:
        own = np.repeat(keep[first : first + len(lengths)], lengths)
        values = counts / denominator * (own * keep[columns])
        yield RowBlock(lengths, columns, values.view(np.int64))
        first += len(lengths)
