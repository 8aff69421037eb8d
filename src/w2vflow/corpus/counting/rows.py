"""Second stage of a count: the rows of its words, block by block, left in the work folder."""

import hashlib
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from tqdm import tqdm

from w2vflow.corpus.counting.numbering import Numbered
from w2vflow.corpus.counting.rules import CountingRule, pair_weights
from w2vflow.corpus.counting.stages import (
    RowGroup,
    RowRange,
    Run,
    Thinning,
    count_row_range,
    leave_arrays,
    open_words,
    pieces,
    task_name,
)
from w2vflow.corpus.counting.workers import Workers
from w2vflow.counts import keep_probability
from w2vflow.support.checks import argument_error
from w2vflow.support.machine import release_memory

__all__ = ["PROCESS_BYTES", "counted_runs", "kept_share", "paired_words"]

# What a process takes beside what it counts, with compiled code and the buffers of a file that is written.
PROCESS_BYTES = 270 * 10**6
# Bytes of memory per token while rows are counted: tokens of a block, all tokens, places.
_TOKEN_BYTES = 20
# Tasks for each worker where rows are shared out: those of rare words take longer.
_PARTS = 4
# Entries that are looked at together for words without pairs.
_LOOKED_AT = 2**20


def counted_runs(
    words: Sequence[str],
    numbered: Numbered,
    rule: CountingRule,
    folder: Path,
    pool: Workers,
    budget: int,
    progress: bool,
) -> tuple[np.ndarray, list[list[Path]]]:
    """Count all rows; return how often words occur, and folders of runs by rows and groups of blocks."""
    release_memory()
    share = budget // pool.count
    if len(words) * 40 > share:
        least = (PROCESS_BYTES + pool.count * len(words) * 40) // 10**6 + 1
        raise argument_error("memory", f"at least {least}MB", PROCESS_BYTES + budget)
    frequency = numbered.lexicon.occurrences(words)
    ranks = _ranks(words, numbered, folder)
    return frequency, _count(numbered, ranks, frequency, folder, rule, pool, share, progress)


def paired_words(runs: list[list[Path]], vocab_size: int) -> np.ndarray:
    """Return which words have a pair, as word or as context; reads as much of the runs as that takes."""
    paired, first = np.zeros(vocab_size, bool), 0
    opened = [[Run(folder) for folder in folders] for folders in runs]
    for several in opened:
        last = first + len(several[0].lengths)
        for run in several:
            paired[first:last] |= run.lengths > 0
        first = last
    for run in chain.from_iterable(opened):
        for start in range(0, run.entries, _LOOKED_AT):
            # Rows of frequent words come first, and have nearly all words as contexts.
            if paired.all():
                return paired
            paired[run.columns(start, min(start + _LOOKED_AT, run.entries))] = True
    return paired


def _ranks(words: Sequence[str], numbered: Numbered, folder: Path) -> list[Path]:
    """Leave the rows of its words for every token file; return these files."""
    row = numbered.lexicon.ranks(words)
    identity = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
    ranks = []
    for file in numbered.files:
        path = folder / f"ranks-{identity}-{file.name}"
        if not path.exists():
            part = open_words(file)
            rank = row[numbered.lexicon.find(part.joined, len(part.frequency))]
            leave_arrays(path, rank)
        ranks.append(path)
    return ranks


def kept_share(frequency: np.ndarray, numbered: Numbered, rule: CountingRule) -> np.ndarray:
    """Return the probability of keeping each word under subsampling."""
    return np.asarray(keep_probability(frequency / max(sum(numbered.tokens), 1), rule.subsample_threshold))


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
    thinning = Thinning(kept_share(frequency, numbered, rule), rule.seed) if sampled else None
    groups = _groups(numbered.tokens, share // (2 * _TOKEN_BYTES))
    # Groups keep all workers busy; where there are fewer, rows are shared out as well.
    parts = _PARTS * pool.count if len(groups) < pool.count else 1
    bounds = pieces(frequency, parts)
    entries = min(2**24, share // 48)
    before = np.concatenate([[0], np.cumsum(numbered.documents)])
    gaps, size = rule.out_of_vocabulary == "after", len(frequency)
    blocks = [
        RowGroup(
            tuple(numbered.files[start:end]), tuple(ranks[start:end]), int(before[start]), size, gaps,
            thinning, len(bounds) - 1,
        )
        for start, end in groups
    ]  # fmt: skip
    runs: list[list[Path]] = [[] for _ in bounds[1:]]
    tasks = []
    for index, (first, last) in enumerate(pairwise(bounds)):
        for group in blocks:
            names = [path.name for path in group.ranks]
            kept = (thinning.keep, thinning.seed, group.first_document) if thinning else ()
            one_way = () if rule.directions == "both" else (rule.directions,)
            name = task_name(names, first, last, weights, denominator, gaps, *kept, *one_way)
            runs[index].append(folder / f"run-{name}")
            tasks.append((runs[index][-1], RowRange(group, first, last, weights, entries, rule.directions)))
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
