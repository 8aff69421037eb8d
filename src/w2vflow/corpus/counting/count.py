"""Exact counting of co-occurrences, in bounded memory, resumable, on any number of workers."""

import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import reduce
from itertools import compress
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from w2vflow.corpus.counting.numbering import Numbered, number_corpus
from w2vflow.corpus.counting.rows import PROCESS_BYTES, counted_runs, kept_share, paired_words
from w2vflow.corpus.counting.rules import CountingRule, pair_weights
from w2vflow.corpus.counting.sizes import memory_bytes, text_bytes
from w2vflow.corpus.counting.stages import Run, discard_damaged
from w2vflow.corpus.counting.tokenizers import Tokenizer
from w2vflow.corpus.counting.vocabulary import words_without_pairs_note
from w2vflow.corpus.counting.workers import Resources, Workers, worker_count
from w2vflow.corpus.reading.blocks import BLOCK_BYTES
from w2vflow.corpus.reading.files import read_blocks
from w2vflow.corpus.reading.guesses import suggested
from w2vflow.corpus.reading.sources import text_sources
from w2vflow.counts import RowBlock, write_count_file
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.display import shown_words
from w2vflow.support.locks import sole_use
from w2vflow.support.machine import release_memory
from w2vflow.support.sources import PathLike

if TYPE_CHECKING:
    from w2vflow.counts import CooccurrenceStatistics

__all__ = ["count", "count_to_file", "work_folder", "write_counts"]

_LEAST_MEMORY = 400 * 10**6


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
    directions: str = "both",
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
        vocabulary: these words, in place of a choice by count; those without pairs are kept, so that parts
            of a corpus can be counted one by one and merged.
        window: largest distance of a pair, in words.
        weighting: weight of a pair by its distance r: `"linear"` (window + 1 - r), `"harmonic"` (1/r) or
            `"flat"` (1).
        out_of_vocabulary: whether other words leave `"before"` or `"after"` windows are laid.
        min_document_words: documents with fewer words are left out.
        tokens: how text is cut into words: `"auto"`, `"latin"`, `"unicode"`, a regular expression or a
            function; see `tokenizer`.
        subsampling, subsample_threshold, seed: thinning of frequent words; see `CountingRule`.
        directions: contexts on `"both"` sides of a word, or on its `"left"` or `"right"` alone.
        reader: how files split into documents. `"auto"` looks into them: lines, or paragraphs of wrapped
            lines.
        source: what the text is and its licence, kept in the metadata.
        memory, workers, executor: see `Resources`.
        work_dir: folder for what a killed count can go on from; temporary by default.
        progress: show progress bars.

    Raises:
        ValueError, RuntimeError, OSError: as `count_to_file`.

    Warns:
        RuntimeWarning: words that never stand beside another were left out, or are kept as they were given.
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
        directions,
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
        from w2vflow.counts import CooccurrenceStatistics  # here: it takes JAX, which counting does without

        stats = CooccurrenceStatistics.load(file)
        if lonely and vocabulary is not None:
            absent = int((stats.unigram == 0).sum())
            note = words_without_pairs_note(lonely, absent, stats.vocab_size)
            warnings.warn(note, RuntimeWarning, stacklevel=3)
        elif lonely:
            shown = shown_words(lonely[:5]) + (" ..." if lonely[5:] else "")
            message = "left out, because they never stand beside another word"
            warnings.warn(f"{message}: {len(lonely)} ({shown})", RuntimeWarning, stacklevel=3)
        return stats


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
        The words that never stand beside another: left out, or kept with counts of 0 if `vocabulary` was
        given.

    Raises:
        ValueError: a bad argument, an empty corpus, no word that stands beside another, or too
            little memory (the message says the least).
        RuntimeError: a task lost its worker again and again.
        OSError: something cannot be read or written; what was counted is kept.
    """
    given = text_sources(paths, reader)
    reader, tokens = suggested(given, reader, rule.tokens, column=column, encoding=encoding)
    rule = replace(rule, tokens=tokens)
    text = text_bytes(given, reader)
    with (
        work_folder(resources, out) as (budget, folder),
        closing(Workers(worker_count(resources.workers), resources.executor)) as pool,
    ):
        size = min(BLOCK_BYTES, budget // pool.count // 16)
        blocks = read_blocks(
            given, reader, column=column, encoding=encoding, bad_utf8=bad_utf8, block_bytes=size
        )
        numbered = number_corpus(blocks, folder, rule, pool, text, progress)
        words = numbered.choose_words(vocab_size, min_count, vocabulary)
        counted = counted_runs(words, numbered, rule, folder, pool, budget, progress)
        paired = paired_words(counted[1], len(words))
        lonely = tuple(compress(words, ~paired))
        if lonely and vocabulary is None:
            if not paired.any():
                expected = "text in which words stand beside others"
                raise argument_error("paths", expected, "documents of one word each")
            # Anew: where windows are laid depends on which words there are.
            words = list(compress(words, paired))
            counted = counted_runs(words, numbered, rule, folder, pool, budget, progress)
        write_counts(out, words, *counted, numbered, rule, budget, source)
    return lonely


@contextmanager
def work_folder(resources: Resources, out: PathLike) -> Iterator[tuple[int, Path]]:
    """Yield how many bytes there are to count in, and the folder for what a killed count can go on from.

    It is removed after a count that ended, and after one that was refused, unless an earlier one left it.
    """
    budget = memory_bytes(resources.memory)
    if budget < _LEAST_MEMORY:
        raise argument_error("memory", f"at least {_LEAST_MEMORY // 10**6}MB", resources.memory)
    # A folder of our own, because it is removed at the end.
    work = resources.work_dir
    folder = Path(work) / "w2vflow-count" if work is not None else Path(f"{out}.work")
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with sole_use(folder, "out" if work is None else "work_dir"):
        discard_damaged(folder)
        try:
            yield budget - PROCESS_BYTES, folder
        except ValueError:
            if is_new:
                _discard(folder)
            raise
        _discard(folder)


def write_counts(
    out: PathLike,
    words: Sequence[str],
    frequency: np.ndarray,
    runs: list[list[Path]],
    numbered: Numbered,
    rule: CountingRule,
    budget: int,
    source: str,
) -> None:
    """Write the counts of `counted_runs` to a file."""
    release_memory()
    rows = _merged(runs, len(words), budget)
    denominator = pair_weights(rule.weighting, rule.window)[1]
    if rule.subsampling == "expected":
        rows, denominator = _expected(rows, kept_share(frequency, numbered, rule), denominator), 0
    metadata = {"source": source, **rule.describe(), **numbered.facts(rule.tokens_name, words)}
    write_count_file(out, words, frequency, rows, metadata, denominator, rule.directions)


def _discard(folder: Path) -> None:
    """Remove a work folder; if that is interrupted, nothing is left that looks like results."""
    done = folder.with_name(f"{folder.name}.done")
    shutil.rmtree(done, ignore_errors=True)
    folder.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def _merged(runs: list[list[Path]], vocab_size: int, budget: int) -> Iterator[RowBlock]:
    """Yield all rows in order, a few at a time, the runs of different groups added up."""
    most = max(budget // 800, 2**16)
    for folders in runs:
        opened = [Run(folder) for folder in folders]
        ends = [np.concatenate([[0], np.cumsum(run.lengths)]) for run in opened]
        total = np.sum(ends, axis=0)
        first = 0
        while first < len(total) - 1:
            last = max(first + 1, int(np.searchsorted(total, total[first] + most, side="right")) - 1)
            parts = []
            for run, end in zip(opened, ends, strict=True):
                entries = int(end[first]), int(end[last])
                parts.append(RowBlock(run.lengths[first:last], run.columns(*entries), run.counts(*entries)))
            yield parts[0] if len(parts) == 1 else _added(parts, vocab_size)
            first = last


def _added(parts: list[RowBlock], vocab_size: int) -> RowBlock:
    shape = (len(parts[0].row_lengths), vocab_size)
    matrices = []
    for lengths, columns, counts in parts:
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        wide = np.asarray(counts, np.int64)
        matrices.append(sparse.csr_array((wide, np.asarray(columns), indptr), shape=shape))
    total = reduce(add, matrices)
    total.sort_indices()
    # Blocks wait to be packed: half the bytes, where counts allow it.
    kind = np.uint32 if total.data.max(initial=0) < 2**32 else np.int64
    return RowBlock(
        np.diff(total.indptr).astype(np.int64), total.indices, total.data.astype(kind, copy=False)
    )


def _expected(rows: Iterator[RowBlock], keep: np.ndarray, denominator: int) -> Iterator[RowBlock]:
    """Yield the counts times the probabilities of keeping both words, as float64 bit patterns."""
    first = 0
    for lengths, columns, counts in rows:
        own = np.repeat(keep[first : first + len(lengths)], lengths)
        values = counts / denominator * (own * keep[columns])
        yield RowBlock(lengths, columns, values.view(np.int64))
        first += len(lengths)
