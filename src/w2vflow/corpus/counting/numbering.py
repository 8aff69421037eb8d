"""First stage of a count: the words of a text as numbers, block by block."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from w2vflow.corpus.counting.lexicon import Lexicon
from w2vflow.corpus.counting.rules import CountingRule
from w2vflow.corpus.counting.stages import number_block, open_words, task_name
from w2vflow.corpus.counting.vocabulary import choose_words
from w2vflow.corpus.counting.workers import Workers
from w2vflow.corpus.reading.blocks import Block
from w2vflow.corpus.reading.facts import ReadingFacts, summary
from w2vflow.corpus.segmenters import phrases_note, unspaced_script
from w2vflow.support.checks import argument_error

__all__ = ["Numbered", "number_corpus", "numbered_files"]

# Words in which phrases are looked for.
_LOOKED_AT = 20_000


@dataclass
class Numbered:
    """A corpus after its words are numbered.

    Attributes:
        files: a token file for every block of text, in order; see `open_tokens`.
        documents, tokens: how many each of them has.
        lexicon: all words, and how often each occurs.
        reading: how it was read.
    """

    files: list[Path]
    documents: list[int]
    tokens: list[int]
    lexicon: Lexicon
    reading: ReadingFacts

    def choose_words(
        self, vocab_size: int | None, min_count: int | None, vocabulary: Sequence[str] | None
    ) -> list[str]:
        """Return the vocabulary in row order; see the function of that name."""
        # Of a choice by count, only as many words are made strings as may be chosen.
        most = vocab_size if vocabulary is None else None
        return choose_words(self.lexicon.frequencies(most), vocab_size, min_count, vocabulary)

    def facts(self, tokens: str, words: Sequence[str]) -> dict[str, Any]:
        """Return how the corpus was read and how large it is, for the metadata.

        Args:
            tokens: name of the way it was cut into words.
            words: of the vocabulary, in order.
        """
        facts = {
            "corpus_documents": sum(self.documents),
            "corpus_tokens": sum(self.tokens),
            "corpus_distinct_words": self.lexicon.occurring,
            **self.reading.metadata(),
        }
        return {**facts, "corpus_summary": summary(facts, tokens, words)}


def number_corpus(
    blocks: Iterator[Block],
    folder: Path,
    rule: CountingRule,
    pool: Workers,
    total: int | None,
    progress: bool,
) -> Numbered:
    """Number every block, each left in a file named by its content; return these files and all words."""
    files: list[Path] = []
    bar = tqdm(total=total, desc="reading", unit="B", unit_scale=True, disable=not progress)
    reading = ReadingFacts()

    cut = rule.tokens_name, *_code(rule.tokens)

    def tasks() -> Iterator[tuple[Any, ...]]:
        for block in blocks:
            name = task_name(block.text, block.starts, block.ends, *cut, rule.min_document_words)
            files.append(folder / f"tokens-{name}")
            reading.add(block.facts)
            bar.update(len(block.text))
            yield files[-1], block, rule.tokens, rule.min_document_words

    for _ in pool.run(number_block, tasks()):
        pass
    bar.close()
    found = numbered_files(files, reading)
    if not found.lexicon.occurring:
        expected = f"text with words in documents of at least {rule.min_document_words} words"
        remedy = "Check the path, the reader, `min_document_words` and `tokens`; `unicode` is of any script."
        raise argument_error("paths", expected, "none", remedy)
    _warn_of_phrases(found.lexicon, rule)
    return found


def numbered_files(files: list[Path], reading: ReadingFacts) -> Numbered:
    """Return the corpus that some token files hold."""
    found = Numbered(files, [], [], Lexicon(), reading)
    for file in files:
        part = open_words(file)
        found.documents.append(part.documents)
        found.tokens.append(int(part.frequency.sum()))
        found.lexicon.add(part.joined, part.frequency)
    return found


def _code(tokens: Any) -> tuple[object, ...]:
    """Return what tells two functions of one name apart, such as lambdas; of methods, what they are of."""
    code = getattr(tokens, "__code__", None)
    own = (code.co_code, repr(code.co_consts), code.co_names) if code is not None else ()
    return (*own, repr(getattr(tokens, "__self__", None)))


def _warn_of_phrases(lexicon: Lexicon, rule: CountingRule) -> None:
    if rule.tokens != "unicode":
        return
    words = lexicon.first(_LOOKED_AT)
    script = unspaced_script(words)
    if script is not None:
        warnings.warn(phrases_note(script, words), RuntimeWarning, stacklevel=3)
