"""`w2vflow phrases`: pairs of words that are read as one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

import w2vflow as wf
from w2vflow.cli.console import OptionalFloat, OptionalInt, Output, on_terminal
from w2vflow.cli.sources import Reader, found_texts
from w2vflow.support.checks import argument_error
from w2vflow.support.display import shown_words

__all__ = ["FindPhrases"]

# Phrases that are shown.
_SHOWN = 20


@dataclass(frozen=True)
class FindPhrases:
    """Find pairs of words that stand side by side more often than by chance, such as new_york.

    The file is a rule of tokens, for counts in which phrases are words, or to find longer ones:

        w2vflow phrases my-texts/ --out phrases.json
        w2vflow count my-texts/ --tokens phrases.json --out counts.npz
    """

    paths: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH ...")]]
    """Files, folders, patterns, - for standard input, or names of `w2vflow datasets`."""
    out: Path
    """File to write, ending in .json."""
    score: Literal["word2phrase", "npmi"] = "word2phrase"
    """word2phrase's, or normalised pointwise mutual information, -1 to 1."""
    threshold: OptionalFloat = None
    """Least score of a phrase; by default 100 of word2phrase, 0.5 of npmi."""
    min_count: int = 5
    """Only words and pairs that occur as often."""
    tokens: str = "auto"
    """How text is cut into words, as for `w2vflow count`."""
    reader: Reader = "auto"
    """How files split into documents, as for `w2vflow count`."""
    column: str | None = None
    """Of tables, JSON and datasets: text, or the only one of text, by default."""
    encoding: str = "auto"
    """Of text: auto (UTF-8, and UTF-16 or UTF-32 if they show), or a name such as cp1252."""
    bad_utf8: Literal["replace", "error"] = "replace"
    """What to do with bytes that the encoding does not have."""
    memory: str = "4GB"
    """How much the whole process may use, as 512MB or 4GB."""
    workers: OptionalInt = None
    """Threads; as many as cores by default."""
    output: tyro.conf.OmitArgPrefixes[Output] = field(default_factory=Output)

    def run(self) -> None:
        """Find the phrases, write them and show the best."""
        console = self.output.console()
        if not self.paths:
            raise argument_error(
                "paths", "at least one text", "none", "Name a file, or - for standard input."
            )
        if self.out.suffix != ".json":
            raise argument_error("out", "a file name ending in .json", self.out)
        texts = found_texts(self.paths, self.reader, fetching=True)
        console.folder(self.out.parent)
        console("pairs of words")
        phrases = wf.corpus.find_phrases(
            texts,
            score=self.score,
            threshold=self.threshold,
            min_count=self.min_count,
            tokens=self.tokens,
            reader=self.reader,
            column=self.column,
            encoding=self.encoding,
            bad_utf8=self.bad_utf8,
            resources=wf.corpus.Resources(memory=self.memory, workers=self.workers),
            progress=on_terminal(),
        )
        phrases.save(self.out)
        best = list(zip(phrases.pairs, phrases.scores, strict=True))[:_SHOWN]
        lines = [f"  {score:10.3g}  {shown_words(pair, ' ')}" for pair, score in best]
        shown = [{"phrase": "_".join(pair), "score": score} for pair, score in best]
        record = {"phrases": len(phrases.pairs), "rule": dict(phrases.rule), "best": shown}
        console.result([f"{len(phrases.pairs):,} phrases", *lines], record, [self.out])
