"""Collocations: words that stand side by side more often than by chance."""

import tempfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np

from w2vflow.corpus.counting.count import count_to_file
from w2vflow.corpus.counting.phrases import Phrases
from w2vflow.corpus.counting.rules import CountingRule
from w2vflow.corpus.counting.tokenizers import Tokenizer
from w2vflow.corpus.counting.workers import Resources
from w2vflow.corpus.reading.guesses import suggested
from w2vflow.corpus.reading.sources import text_sources
from w2vflow.counts import CountFile
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_at_least
from w2vflow.support.sources import PathLike

__all__ = ["find_phrases"]

# word2phrase's default, and half of the largest value there is.
_THRESHOLDS = {"word2phrase": 100.0, "npmi": 0.5}


@checked
def find_phrases(
    paths: PathLike | Iterable[PathLike],
    *,
    score: str = "word2phrase",
    threshold: float | None = None,
    min_count: int = 5,
    discount: float | None = None,
    tokens: str | Tokenizer = "auto",
    reader: str = "auto",
    column: str | None = None,
    encoding: str = "auto",
    bad_utf8: str = "replace",
    resources: Resources = Resources(),
    progress: bool = False,
) -> Phrases:
    """Return the pairs of adjacent words of some text that are phrases, best first, in bounded memory.

        word2phrase:  (n_ab - discount) N / (n_a n_b)
        npmi:         ln(p_ab / (p_a p_b)) / -ln p_ab,   p = n / N

    with `n_ab` how often b stands right after a in a document, `n_a` and `n_b` how often they occur, N the
    tokens of the corpus. All are exact counts.

    Args:
        paths: text; see `read_blocks` for formats, `column`, `encoding` and `bad_utf8`.
        score: `"word2phrase"`, or `"npmi"`: -1 to 1, 0 of independent words.
        threshold: pairs of a higher score are phrases; by default 100 of word2phrase, 0.5 of NPMI.
        min_count: words and pairs that occur less often are in none.
        discount: of word2phrase, so that pairs of rare words are not preferred; by default `min_count`, as
            there.
        tokens: how text is cut into words; see `count`. Phrases found before: longer ones are found.
        reader, progress: see `count`.
        resources: what the count may use.

    Raises:
        ValueError: a bad argument, an empty corpus, no word that occurs as often, or no words side by side.
        RuntimeError, OSError: as `count_to_file`.

    References:
        Mikolov et al. (2013), arXiv 1310.4546, section 4, and word2phrase.c; Bouma (2009), Normalized
        (pointwise) mutual information in collocation extraction.
    """
    if score not in _THRESHOLDS:
        raise argument_error("score", f"one of {sorted(_THRESHOLDS)}", repr(score))
    check_at_least("min_count", 1, min_count)
    threshold = _THRESHOLDS[score] if threshold is None else threshold
    discount = float(min_count if discount is None else discount)
    for name, value in (("threshold", threshold), ("discount", discount)):
        if not np.isfinite(value):
            raise argument_error(name, "finite", value)
    given = text_sources(paths, reader)
    reader, tokens = suggested(given, reader, tokens, column=column, encoding=encoding)
    # Rarer words keep their places: what stands on either side of one does not stand side by side.
    rule = CountingRule(1, "flat", "after", tokens=tokens, directions="right")
    with tempfile.TemporaryDirectory(prefix="w2vflow-") as folder:
        file = Path(folder) / "counts.npz"
        count_to_file(
            given,
            file,
            vocab_size=None,
            min_count=min_count,
            rule=rule,
            reader=reader,
            column=column,
            encoding=encoding,
            bad_utf8=bad_utf8,
            resources=resources,
            progress=progress,
        )
        found = list(chain.from_iterable(_scored(CountFile(file), score, threshold, min_count, discount)))
    found.sort(key=lambda one: (-one[1], one[0]))
    about = {"score": score, "threshold": threshold, "min_count": min_count}
    about |= {"discount": discount} if score == "word2phrase" else {}
    return Phrases(tuple(pair for pair, _ in found), tuple(value for _, value in found), tokens, about)


def _scored(
    file: CountFile, score: str, threshold: float, min_count: int, discount: float
) -> Iterable[list[tuple[tuple[str, str], float]]]:
    """Yield the pairs above the threshold with their scores, block by block."""
    total, first = float(file.metadata["corpus_tokens"]), 0
    for lengths, columns, counts in file.blocks():
        rows = np.repeat(np.arange(first, first + len(lengths)), lengths)
        first += len(lengths)
        often = counts >= min_count
        rows, columns, pair = rows[often], columns[often], counts[often].astype(np.float64)
        chance = file.unigram[rows].astype(np.float64) * file.unigram[columns]
        if score == "word2phrase":
            values = (pair - discount) / chance * total
        else:
            values = np.log(pair * total / chance) / -np.log(pair / total)
        above = values > threshold
        pairs = [(file.words[a], file.words[b]) for a, b in zip(rows[above], columns[above], strict=True)]
        yield list(zip(pairs, values[above].tolist(), strict=True))
