"""`w2vflow evaluate`: word vectors from any program, by analogies and by similarity."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import tyro

import w2vflow as wf
from w2vflow.cli.console import OptionalInt, Settings, check_files, number, percent
from w2vflow.support.checks import argument_error

__all__ = ["Evaluate"]


@dataclass(frozen=True)
class Evaluate:
    """Score word vectors by analogies, a is to b as c is to what, and by people's ratings of similarity.

    Vectors may come from any program: word2vec text and binary, as gensim writes them, GloVe, fastText
    text, safetensors, TensorBoard. Several files are set beside each other, one row each:

        w2vflow evaluate mine.bin glove.txt --questions questions-words.txt --pairs wordsim353.txt

    Questions with an unknown word are counted and, in the column `of all`, are wrong: models with
    different vocabularies can be compared by that column only. Similarity is Spearman's correlation.
    """

    vectors: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="VECTORS ...")]]
    """Files of vectors, here or at an address such as https:// or s3://; TensorBoard's by their folder."""
    questions: tuple[str, ...] = ()
    """Files in the format of Google's questions-words.txt, or folders in that of BATS."""
    pairs: tuple[str, ...] = ()
    """Files of word pairs with ratings, as the authors of WordSim-353, SimLex-999, MEN or RW publish them."""
    method: Literal["3CosAdd", "3CosMul"] = "3CosAdd"
    """Rule that answers a question: sums of cosines or products."""
    restrict_vocab: OptionalInt = None
    """Only the first so many words of each file, the most frequent in most; no others are read."""
    by_category: bool = False
    """Show every category of questions."""
    keep: Literal["first"] | None = None
    """What to do with words that come twice: stop, or keep the first vector."""
    errors: Literal["strict", "backslashreplace"] = "strict"
    """What to do with words that are not UTF-8: stop, or write their bytes out."""
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Score every file and print the tables."""
        self._check_files()
        console = self.output.console()
        questions = {path: wf.semantics.read_questions(path) for path in self.questions}
        if self.output.dry_run:
            asked = sum(map(len, questions.values()))
            return console.plan(wf.experiments.plan_vectors(list(map(Path, self.vectors)), asked))
        results = [self._score(path, questions) for path in self.vectors]
        width = max(len("vectors"), *(len(str(result.path)) for result in results))
        lines: list[str] = []
        for path in questions:
            lines += [f"{path}: analogies, {self.method}", *_analogies(results, path, width)]
            if self.by_category:
                lines += [f"\n{result.path}\n{result.analogies[path]}" for result in results]
            lines.append("")
        for path in self.pairs:
            rated_by = results[0].similarity[path].rated_by
            lines += [f"{path}: similarity, ratings of {rated_by}", *_similarity(results, path, width), ""]
        if questions:
            lines.append("unknown: questions with a word that has no vector; of all: these counted as wrong")
        settings = {"method": self.method, "restrict_vocab": self.restrict_vocab}
        console.result(lines, settings | {"results": [result.record() for result in results]})

    def _check_files(self) -> None:
        """Raise where something is missing or in the way."""
        if not self.vectors:
            raise argument_error("vectors", "at least one file of vectors", "none")
        if not self.questions and not self.pairs:
            remedy = (
                "Google's are questions-words.txt, beside the source of word2vec (Mikolov et al. 2013) and "
                "in gensim's test data; WordSim-353, SimLex-999, MEN and BATS come from their authors: "
                "`--questions questions-words.txt --pairs wordsim353.txt`."
            )
            raise argument_error("questions", "given, or `--pairs`", "neither", remedy)
        for name in ("vectors", "questions", "pairs"):
            check_files(name, getattr(self, name))

    def _score(self, path: str, questions: "dict[str, wf.semantics.Questions]") -> "_Result":
        # Of a number that is none, what the evaluations say.
        limit = None if self.restrict_vocab is None else max(1, self.restrict_vocab)
        words, vectors = wf.import_vectors(path, limit=limit, keep=self.keep, errors=self.errors)
        size = len(words) if self.restrict_vocab is None else self.restrict_vocab
        within = {"restrict_vocab": self.restrict_vocab}
        try:
            analogies = {
                name: wf.evaluate_analogies(vectors, words, asked, method=self.method, **within)
                for name, asked in questions.items()
            }
            similarity = {name: wf.evaluate_similarity(vectors, words, name, **within) for name in self.pairs}
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return _Result(path, size, vectors.shape[1], analogies, similarity)


class _Result(NamedTuple):
    """All scores of one file of vectors."""

    path: str
    words: int
    dim: int
    analogies: "dict[str, wf.semantics.AnalogyScore]"
    similarity: "dict[str, wf.semantics.SimilarityScore]"

    def record(self) -> dict[str, Any]:
        """Return everything by name."""
        return {
            "vectors": str(self.path),
            "words": self.words,
            "dim": self.dim,
            "analogies": {
                str(path): _record(score)
                | {"by_category": {name: _record(one) for name, one in score.by_category.items()}}
                for path, score in self.analogies.items()
            },
            "similarity": {
                str(path): _named(score, "spearman", "pearson", "total", "out_of_vocabulary", "rated_by")
                for path, score in self.similarity.items()
            },
        }


def _record(score: "wf.semantics.AnalogyScore") -> dict[str, Any]:
    return _named(score, "correct", "total", "out_of_vocabulary", "accuracy", "accuracy_of_all")


def _named(score: object, *names: str) -> dict[str, Any]:
    return {name: getattr(score, name) for name in names}


def _analogies(results: list[_Result], path: str, width: int) -> list[str]:
    lines = [
        f"{'vectors':<{width}}{'words':>9}{'dim':>5}{'correct':>9}{'total':>8}{'unknown':>9}"
        f"{'accuracy':>10}{'of all':>8}"
    ]
    for result in results:
        score = result.analogies[path]
        shares = percent(score.accuracy), percent(score.accuracy_of_all)
        lines.append(
            f"{result.path!s:<{width}}{result.words:>9}{result.dim:>5}{score.correct:>9}{score.total:>8}"
            f"{score.out_of_vocabulary:>9}{shares[0]:>10}{shares[1]:>8}"
        )
    return lines


def _similarity(results: list[_Result], path: str, width: int) -> list[str]:
    lines = [f"{'vectors':<{width}}{'words':>9}{'dim':>5}{'total':>8}{'unknown':>9}{'Spearman':>10}"]
    for result in results:
        score = result.similarity[path]
        lines.append(
            f"{result.path!s:<{width}}{result.words:>9}{result.dim:>5}{score.total:>8}"
            f"{score.out_of_vocabulary:>9}{number(score.spearman):>10}"
        )
    return lines
