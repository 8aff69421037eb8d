"""Phrases: pairs of adjacent words that are read as one word."""

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from w2vflow.corpus.counting.rules import CountingRule
from w2vflow.corpus.counting.tokenizers import Tokenizer, tokenizer
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import write_json
from w2vflow.support.checks import argument_error
from w2vflow.support.seals import has_its_digest, read_record, with_digest
from w2vflow.support.sources import PathLike

__all__ = ["PHRASES_FORMAT", "Phrases"]

PHRASES_FORMAT = "w2vflow-phrases"
# 1: without a digest.
_VERSION, _SEALED = 2, 2


@checked
@dataclass(frozen=True, repr=False)
class Phrases:
    """Pairs of words to be read as one, and a function from text to words in which they are.

    `phrases(text)` cuts a text into words and joins pairs by `_`, from left to right, each word into one
    phrase at most, as word2phrase does. So `count(paths, tokens=phrases)` counts phrases as words, and
    `find_phrases(paths, tokens=phrases)` finds longer ones.

    Attributes:
        pairs: the pairs, best first.
        scores: of each pair.
        tokens: how text is cut into words first; see `tokenizer`.
        rule: score, threshold, least count and discount by which they were found. JSON values.

    Example:
        >>> phrases = Phrases((("new", "york"),), (150.0,), "latin")
        >>> phrases("In New York, new New York laws")
        ['in', 'new_york', 'new', 'new_york', 'laws']
    """

    _made_by = "`find_phrases(paths)` or `Phrases.load(path)`"

    pairs: tuple[tuple[str, str], ...]
    scores: tuple[float, ...]
    tokens: str | Tokenizer
    rule: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.pairs):
            raise argument_error("scores", f"one for each of the {len(self.pairs)} pairs", len(self.scores))

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text, pairs joined."""
        return self.join(self._cut(text))

    def join(self, words: Iterable[str]) -> list[str]:
        """Return words with the pairs among them joined."""
        found: list[str] = []
        # The word before, as long as it may still be the first of a pair.
        open_word: str | None = None
        for word in words:
            if open_word is not None and (open_word, word) in self._known:
                found[-1] = f"{open_word}_{word}"
                open_word = None
            else:
                found.append(word)
                open_word = word
        return found

    @cached_property
    def _known(self) -> frozenset[tuple[str, str]]:
        return frozenset(self.pairs)

    @cached_property
    def _cut(self) -> Tokenizer:
        return tokenizer(self.tokens)

    def __repr__(self) -> str:
        """Return the number of pairs and a SHA-256 of what they do to a text, by which counts know them."""
        content = json.dumps([self.pairs, CountingRule(tokens=self.tokens).tokens_name])
        return f"Phrases({len(self.pairs)} pairs, SHA-256 {hashlib.sha256(content.encode()).hexdigest()})"

    def save(self, path: PathLike) -> None:
        """Write the phrases as JSON, atomically; the path, which ends in `.json`, is then a rule of tokens.

        Raises:
            ValueError: another ending, or words cut by a function, which a file cannot hold.
            OSError: the file cannot be written.
        """
        if not str(path).endswith(".json"):
            raise argument_error("path", "a file name ending in .json", path)
        record = {"format": PHRASES_FORMAT, "version": _VERSION, **self._record()}
        write_json(path, with_digest(record))

    def _record(self) -> dict[str, Any]:
        tokens: Any = self.tokens._record() if isinstance(self.tokens, Phrases) else self.tokens
        if callable(tokens):
            remedy = "Name a rule or a regular expression in `tokens` when they are found."
            raise argument_error("tokens", "a rule by name, to be saved", "a function", remedy)
        pairs = [[*pair, score] for pair, score in zip(self.pairs, self.scores, strict=True)]
        return {"rule": dict(self.rule), "tokens": tokens, "pairs": pairs}

    @classmethod
    def load(cls, path: PathLike) -> "Phrases":
        """Read phrases that `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged or not one of ours.

        Warns:
            RuntimeWarning: it is of an earlier version, without a checksum.
        """
        try:
            record = read_record(path)
            if record["format"] != PHRASES_FORMAT or record["version"] not in range(1, _VERSION + 1):
                raise ValueError(f"format {record['format']!r}, version {record['version']!r}")
            if record["version"] >= _SEALED and not has_its_digest(record):
                raise ValueError("its checksum is another")
            found = cls._of(record)
        except (KeyError, TypeError, ValueError) as error:
            got = f"{path}, which is damaged or of another kind ({error})"
            raise argument_error("path", "a file written by `Phrases.save`", got) from error
        if record["version"] < _SEALED:
            warnings.warn(
                f"{path} is of an earlier version, without a checksum: damage to it cannot be told. Save "
                "what was loaded to have one.",
                RuntimeWarning,
                stacklevel=2,
            )
        return found

    @classmethod
    def _of(cls, record: dict[str, Any]) -> "Phrases":
        tokens = record["tokens"]
        pairs = tuple((str(one), str(other)) for one, other, _ in record["pairs"])
        scores = tuple(float(score) for _, _, score in record["pairs"])
        return cls(pairs, scores, cls._of(tokens) if isinstance(tokens, dict) else tokens, record["rule"])
