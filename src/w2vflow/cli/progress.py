"""`w2vflow progress`: the place of a trained model on the theory's axis of time."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

import w2vflow as wf
from w2vflow.cli.console import OptionalInt, OptionalPath, Settings, check_files, set_up_jax
from w2vflow.cli.sources import load_counts, size_of_counts
from w2vflow.support.atomic_files import check_writable_folder
from w2vflow.support.checks import argument_error
from w2vflow.support.display import shown_words

__all__ = ["HowFar"]

# Of `Progress`, everything but the curve of similarity.
_SHOWN = (
    *("common_words", "similarity", "ceiling", "time", "interval"),
    *("concepts_learned", "eigenvalues", "step_times", "strengths"),
)


@dataclass(frozen=True)
class HowFar:
    """Say how far a model has got: the time at which the theory's embedding is most like it.

    The model may be any set of word vectors, of any program, rotation and scale. The theory learns one
    concept after another from the counts of a corpus, best of that which the model was trained on:

        w2vflow count my-texts/ --out counts.npz
        w2vflow progress epoch1.bin epoch5.bin --statistics counts.npz

    Similarity is that of inner products of words (linear CKA); `at most` is what it would be if every
    concept had the strength that fits the model best.
    """

    vectors: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="VECTORS ...")]]
    """Files of vectors, in any format that `w2vflow evaluate` reads."""
    statistics: str
    """File of `w2vflow count`, or statistics that `w2vflow datasets` lists."""
    vocab_size: OptionalInt = None
    """How many of the most frequent words of the statistics to use; all by default."""
    untied: bool = False
    """Compare with a theory in which words have two vectors, as in word2vec, and not one."""
    concepts: int = 10
    """How many concepts to list, with the share of its final strength that each has reached."""
    figure: OptionalPath = None
    """Write the curve of similarity over time as this .png and .svg."""
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Fit every file and print times and concepts."""
        if not self.vectors:
            raise argument_error("vectors", "at least one file of vectors", "none")
        check_files("vectors", self.vectors)
        if self.concepts < 0:
            raise argument_error("concepts", "0 or more", self.concepts)
        if self.figure is not None and not self.output.dry_run:
            check_writable_folder(self.figure.parent, "figure")
        console = self.output.console()
        set_up_jax()
        console("counts and vectors")
        stats = load_counts(self.statistics, self.vocab_size)
        models = {path: wf.import_vectors(path) for path in self.vectors}
        dim = max(model.vectors.shape[1] for model in models.values())
        if self.output.dry_run:
            size, pairs = size_of_counts(self.statistics, self.vocab_size)
            return console.plan(wf.experiments.plan_spectrum(size, pairs, min(dim, size)))
        console(f"concepts of {stats.vocab_size:,} words")
        tied = not self.untied
        problem = wf.Problem.from_statistics(stats, tied=tied)
        spectrum = wf.spectrum.learned_eigenpairs(problem, min(dim, problem.vocab_size), tol=1e-6)
        fits = {}
        for path, (words, vectors) in models.items():
            try:
                fits[path] = wf.semantics.fit_progress(vectors, words, spectrum, stats.words, tied=tied)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        lines = ["", *_table(fits), *_concepts(fits, spectrum, stats.words, self.concepts)]
        files = [] if self.figure is None else _draw(fits, self.figure)
        records = [
            {"file": str(p)} | {name: getattr(fit, name) for name in _SHOWN} for p, fit in fits.items()
        ]
        console.result(lines, {"vectors": records}, files)


def _table(fits: "dict[str, wf.semantics.Progress]") -> list[str]:
    width = max(len("vectors"), *(len(str(path)) for path in fits))
    lines = [
        f"{'vectors':<{width}}{'common words':>14}{'similarity':>12}{'at most':>9}{'time':>10}"
        f"{'as good to 1%':>20}{'concepts learned':>18}"
    ]
    for path, fit in fits.items():
        interval = "{:.4g} .. {:.4g}".format(*fit.interval)
        learned = f"{fit.concepts_learned} of {len(fit.step_times)}"
        lines.append(
            f"{path!s:<{width}}{fit.common_words:>14,}{fit.similarity:>12.3f}{fit.ceiling:>9.3f}"
            f"{fit.time:>10.4g}{interval:>20}{learned:>18}"
        )
    return lines


def _concepts(
    fits: "dict[str, wf.semantics.Progress]", spectrum: "wf.Spectrum", words: tuple[str, ...], listed: int
) -> list[str]:
    """Return a table of the first concepts: step times, and the share of each that each file has."""
    # Of the model with most dimensions: it has learned, or will, all that the others have.
    most = max(fits.values(), key=lambda fit: len(fit.step_times))
    listed = min(listed, len(most.step_times))
    if not listed:
        return []
    features = wf.label_features(spectrum.leading(listed), words, n=min(4, len(words)))
    marks = [f"({number})" for number in range(1, len(fits) + 1)]
    lines = [
        "",
        "Share of its final strength that each concept has in the files, in their order:",
        "concept   step time" + "".join(f"{mark:>8}" for mark in marks) + "  words at its ends",
    ]
    for k, feature in enumerate(features):
        shares = [
            f"{fit.strengths[k] / fit.eigenvalues[k]:.2f}" if k < len(fit.strengths) else "-"
            for fit in fits.values()
        ]
        ends = " <-> ".join(shown_words(end, " ") for end in (feature.positive, feature.negative))
        columns = "".join(f"{share:>8}" for share in shares)
        lines.append(f"{k + 1:>7}{most.step_times[k]:>12.4g}{columns}  {ends}")
    return lines


def _draw(fits: "dict[str, wf.semantics.Progress]", figure: Path) -> list[Path]:
    panels, (curve, strengths) = wf.plotting.new_figure(2)
    labels = [Path(path).name for path in fits]
    wf.plotting.plot_progress(*fits.values(), labels=labels, ax=curve)
    wf.plotting.plot_strengths(*fits.values(), labels=labels, ax=strengths)
    return wf.plotting.save_figure(panels, figure)
