"""One vocabulary and one pass over the text, but counts for every period or group of it."""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from w2vflow.corpus.counting.count import work_folder, write_counts
from w2vflow.corpus.counting.numbering import Numbered, number_corpus, numbered_files
from w2vflow.corpus.counting.rows import counted_runs, paired_words
from w2vflow.corpus.counting.rules import CountingRule
from w2vflow.corpus.counting.sizes import text_bytes
from w2vflow.corpus.counting.workers import Resources, Workers, worker_count
from w2vflow.corpus.reading.blocks import BLOCK_BYTES, Block
from w2vflow.corpus.reading.facts import ReadingFacts
from w2vflow.corpus.reading.files import read_blocks
from w2vflow.corpus.reading.guesses import suggested
from w2vflow.corpus.reading.sources import text_sources
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.sources import PathLike, Source

if TYPE_CHECKING:
    from w2vflow.counts import CooccurrenceStatistics

__all__ = ["count_slices"]

By = Callable[[str], str] | Mapping[str, PathLike | Iterable[PathLike]]


@checked
def count_slices(
    paths: PathLike | Iterable[PathLike],
    *,
    by: By,
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
) -> dict[str, "CooccurrenceStatistics"]:
    """Return the counts of every slice of a corpus, of one vocabulary, from one pass over the text.

    The words are the most frequent of all slices together. Each slice is counted as `count` with
    `vocabulary=` these words counts it alone, and `merge` of all equals the count of the whole. Words that a
    slice lacks have no pairs in it (`words_without_pairs`).

    Args:
        paths: files, folders and patterns; see `read_blocks`, also for `column`, `encoding` and
            `bad_utf8`.
        by: which slice a file belongs to: a function from its path to a label, e.g.
            `lambda path: path[-8:-4]` of `news-1990.txt`, or the paths of each label.
        vocab_size, min_count, vocabulary, reader, source, progress: see `count`.
        rule, resources: see `count_to_file`.

    Returns:
        Statistics by label, in the order of the labels of `by`, or of the files.

    Raises:
        ValueError: as `count_to_file`; a label that is no string; a file of no slice, or of two.
        RuntimeError, OSError: as `count_to_file`.

    Warns:
        RuntimeWarning: slices in which no word of the vocabulary has a pair.
    """
    files = _files_by_label(paths, by)
    given = [file for some in files.values() for file in some]
    reader, tokens = suggested(given, reader, rule.tokens, column=column, encoding=encoding)
    rule = replace(rule, tokens=tokens)
    text = text_bytes(given, reader)
    with (
        tempfile.TemporaryDirectory(prefix="w2vflow-") as results,
        work_folder(resources, Path(results) / "counts") as (budget, folder),
        closing(Workers(worker_count(resources.workers), resources.executor)) as pool,
    ):
        size = min(BLOCK_BYTES, budget // pool.count // 16)
        slices = [
            _Slice(
                label,
                read_blocks(
                    some, reader, column=column, encoding=encoding, bad_utf8=bad_utf8, block_bytes=size
                ),
            )
            for label, some in files.items()
        ]
        whole = number_corpus(_blocks(slices), folder, rule, pool, text, progress)
        parts = _parts(whole, slices)
        words = whole.choose_words(vocab_size, min_count, vocabulary)
        counted = [counted_runs(words, part, rule, folder, pool, budget, progress) for part in parts]
        paired = np.any([paired_words(runs, len(words)) for _, runs in counted], axis=0)
        if vocabulary is None and paired.any() and not paired.all():
            # As `count` does: words that stand beside no other in any slice are left out.
            words = list(compress(words, paired))
            counted = [counted_runs(words, part, rule, folder, pool, budget, progress) for part in parts]
        found = {}
        for one, part, (frequency, runs) in zip(slices, parts, counted, strict=True):
            file = Path(results) / "slice.npz"
            write_counts(file, words, frequency, runs, part, rule, budget, source)
            found[one.label] = _loaded(file)
    if empty := [label for label, stats in found.items() if not len(stats.values)]:
        note = f"no word of the vocabulary stands beside another in the slices {', '.join(empty)}"
        warnings.warn(note, RuntimeWarning, stacklevel=3)
    return found


@dataclass
class _Slice:
    """A slice: its blocks of text, how many were read, and what was found in them."""

    label: str
    blocks: Iterator[Block]
    read: int = 0
    reading: ReadingFacts = field(default_factory=ReadingFacts)


def _files_by_label(paths: PathLike | Iterable[PathLike], by: By) -> dict[str, list[Source]]:
    """Return the files of each label, each opened once if it is a pipe."""
    every = text_sources(paths)
    found: dict[str, list[Source]] = {}
    if callable(by):
        for file in every:
            label = by(os.fspath(file))
            if not isinstance(label, str):
                raise argument_error("by", "a function from a path to a string", f"{label!r} for {file}")
            found.setdefault(label, []).append(file)
        return found
    label_of: dict[str, str] = {}
    for label, some in by.items():
        found[label] = text_sources(some)
        for file in found[label]:
            place = os.path.realpath(file)
            if place in label_of:
                raise argument_error("by", "one label for each file", f"two for {file}")
            label_of[place] = label
    if different := {os.path.realpath(file) for file in every} ^ label_of.keys():
        raise argument_error("by", "the files of `paths`, each of one label", f"another: {min(different)}")
    return found


def _blocks(slices: list[_Slice]) -> Iterator[Block]:
    """Yield the blocks of all slices, noting how many each has."""
    for one in slices:
        for block in one.blocks:
            one.read += 1
            one.reading.add(block.facts)
            yield block


def _parts(whole: Numbered, slices: list[_Slice]) -> list[Numbered]:
    """Return every slice of a corpus that was numbered."""
    parts, start = [], 0
    for one in slices:
        parts.append(numbered_files(whole.files[start : start + one.read], one.reading))
        start += one.read
    return parts


def _loaded(file: Path) -> "CooccurrenceStatistics":
    from w2vflow.counts import CooccurrenceStatistics  # here: it takes JAX, which counting does without

    return CooccurrenceStatistics.load(file)
