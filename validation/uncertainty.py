"""Predictions of what a corpus leaves open, and of what its documents do, on enwiki15k at 2,000 words.

    W2VFLOW_TEST_DATA=FOLDER python validation/uncertainty.py [--small]

`FOLDER/enwiki15k.txt.xz` is the text, of which `--small` reads the first articles alone. Some four minutes.
"""

import lzma
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from table import Points, Row, run_part

import w2vflow as wf
from w2vflow.corpus import count_documents
from w2vflow.theory import (
    SamplingUncertainty,
    changed_spectrum,
    changed_step_times,
    document_influence,
    document_uncertainty,
    poisson_uncertainty,
    rare_pair_bias,
    strongest_influences,
)

SCALE = 1e-8


@dataclass(frozen=True)
class Size:
    """How large the model and the corpus are.

    Attributes:
        words: of the vocabulary.
        concepts: looked at.
        held: eigenpairs, and the embedding dimension.
        removed: documents taken out at a time.
        resampled: corpora drawn from the documents.
        documents: only so many, from the beginning of the text.
    """

    words: int = 2000
    concepts: int = 8
    held: int = 16
    removed: int = 100
    resampled: int = 30
    documents: int | None = None


SMALL = Size(60, 3, 6, 10, 4, 300)


class Corpus(NamedTuple):
    """The text, and what was solved of it."""

    size: Size
    tokens: wf.TokenFile
    problem: wf.Problem
    spectrum: wf.Spectrum
    times: np.ndarray
    bars: SamplingUncertainty
    conditions: str


def first_documents(text: Path, documents: int | None, folder: Path) -> Path:
    """Return a text with the first documents of another, which is read no further: itself where all are."""
    if documents is None:
        return text
    part = folder / text.stem
    with lzma.open(text) as whole, part.open("wb") as beginning:
        for line in whole:
            beginning.write(line)
            documents -= line.startswith(b"</doc>")
            if not documents:
                break
    return part


def rows(size: Size) -> Iterator[Row]:
    """Yield the rows."""
    words, held = wf.load_statistics("enwiki15k-v3000").words[: size.words], size.held
    whole = Path(os.environ["W2VFLOW_TEST_DATA"]) / "enwiki15k.txt.xz"
    with tempfile.TemporaryDirectory() as folder:
        text = first_documents(whole, size.documents, Path(folder))
        wf.tokenize(text, Path(folder) / "tokens", vocabulary=words, min_document_words=50)
        tokens = wf.TokenFile.load(Path(folder) / "tokens")
        problem = wf.Problem.from_statistics(count_documents(tokens))
        spectrum = wf.leading_eigenpairs(problem, held)
        times, _ = wf.step_time_law(problem, held, SCALE, spectrum=spectrum)
        conditions = (
            f"V = {problem.vocab_size:,}, d = {held}, scale {SCALE:g}, tied, mean over seeds; "
            f"{tokens.documents:,} articles; {held} eigenpairs held"
        )
        with warnings.catch_warnings():
            # Of a bias: a row of its own.
            warnings.simplefilter("ignore")
            bars = document_uncertainty(problem, spectrum, tokens)
        corpus = Corpus(size, tokens, problem, spectrum, times, bars, conditions)
        yield from _removals(corpus)
        yield from _error_bars(corpus)
        yield from _biases(corpus)
        yield from _smaller_corpora(corpus)


def _removals(corpus: Corpus) -> Iterator[Row]:
    """Remove the strongest documents of each concept and predict again."""
    size, tokens, spectrum = corpus.size, corpus.tokens, corpus.spectrum
    started = time.perf_counter()
    influence = document_influence(corpus.problem, spectrum, tokens)
    seconds = time.perf_counter() - started
    _name_documents(corpus, influence)
    W0 = np.asarray(wf.gaussian_init(jax.random.key(0), corpus.problem.vocab_size, size.held, SCALE))
    exact, first, second, seed_exact, seed_second = _without_documents(corpus, influence, W0)
    removed = (
        f"{size.removed} articles that most hasten, or most delay, each of concepts 1 to {size.concepts}, "
        "removed; "
    )
    measured = f"{_spread(exact)} by counting and solving again"
    yield Row(
        "change of a step time on removing documents: `changed_spectrum`",
        removed + corpus.conditions,
        _spread(second),
        measured,
        _errors(second, exact),
        "grows towards the last eigenpairs held",
        subject="Step times, articles removed",
        short="eigenpairs corrected",
        off=_shortly(second, exact),
        points=(_changes(second, exact),),
    )
    yield Row(
        "the same for one seed, whose overlaps turn as well: `changed_spectrum`, `predict_step_times`",
        removed + corpus.conditions.replace("mean over seeds", "seed 0"),
        _spread(seed_second),
        f"{_spread(seed_exact)} by counting and solving again",
        _errors(seed_second, seed_exact),
        "concepts nearly as strong as a neighbour (7 and 8) turn in their common plane: use `predict`",
        subject="Step times, articles removed",
        short="the same, one seed",
        off=_shortly(seed_second, seed_exact),
        points=(_changes(seed_second, seed_exact),),
    )
    yield Row(
        "the same, influences added up: `document_influence`",
        removed
        + corpus.conditions
        + f"; one pass over {len(tokens.tokens) / 1e6:.1f} million words, {seconds:.0f} s",
        _spread(first),
        measured,
        _errors(first, exact),
        "first order in the share removed; concepts with nearly equal eigenvalues",
        subject="Step times, articles removed",
        short="influences added up",
        off=_shortly(first, exact),
        points=(_changes(first, exact),),
    )


def _without_documents(corpus: Corpus, influence: np.ndarray, W0: np.ndarray) -> list[list[float]]:
    """Return what taking documents out changes each concept's step time by, relative to it.

    Over seeds: by counting and solving again, by influences added up, by eigenpairs corrected; for one seed:
    by counting and solving again, by eigenpairs corrected.
    """
    size, tokens, spectrum = corpus.size, corpus.tokens, corpus.spectrum
    of_seed = wf.predict_step_times(corpus.problem, W0, spectrum=spectrum)
    exact, first, second, seed_exact, seed_second = [], [], [], [], []
    for concept in range(size.concepts):
        for documents in strongest_influences(influence[:, concept], size.removed):
            weights = np.ones(tokens.documents, int)
            weights[documents] = 0
            changed = wf.Problem.from_statistics(count_documents(tokens, weights=weights))
            recomputed = wf.leading_eigenpairs(changed, size.held, tol=1e-8)
            predicted = changed_spectrum(changed, spectrum)
            summed = spectrum.eigenvalues - influence[documents].sum(axis=0)
            for found, values in (
                (exact, recomputed.eigenvalues),
                (first, summed),
                (second, predicted.eigenvalues),
            ):
                new = changed_step_times(spectrum.eigenvalues, corpus.times, values)
                found.append((new / corpus.times - 1)[concept])
            for found, pairs in ((seed_exact, recomputed), (seed_second, predicted)):
                new = wf.predict_step_times(changed, W0, spectrum=pairs)
                found.append((new / of_seed - 1)[concept])
    return [exact, first, second, seed_exact, seed_second]


def _name_documents(corpus: Corpus, influence: np.ndarray) -> None:
    """Print who most hastens and delays two concepts."""
    features = wf.label_features(corpus.spectrum, corpus.tokens.words)
    for concept in (0, 2):
        print(f"concept {concept + 1}: {features[concept].positive} against {features[concept].negative}")
        strongest = strongest_influences(influence[:, concept], 5)
        for name, documents in zip(strongest._fields, strongest, strict=True):
            for document in documents:
                share = influence[document, concept] / corpus.spectrum.eigenvalues[concept]
                print(f"  {name} ({share:+.3%}): {corpus.tokens.opening(document, 10)} ...")


def _error_bars(corpus: Corpus) -> Iterator[Row]:
    """Resample documents and compare standard deviations, directions and shifts."""
    spectrum, concepts = corpus.spectrum, corpus.size.concepts
    resampled = corpus.size.resampled
    by_document, by_count = corpus.bars, poisson_uncertainty(corpus.problem, spectrum)
    values, tangents = _resampled(corpus)
    some = slice(0, concepts)
    own = corpus.times[some]
    times = changed_step_times(spectrum.eigenvalues[some], own, values)
    measured = times.std(axis=0, ddof=1) / own
    resampling = (
        f"{resampled} resamplings of the articles, each estimate good to {1 / np.sqrt(2 * resampled):.0%}"
    )
    bursts = "a lower bound on text, where words come in bursts"
    for name, found, short, limit in (
        ("`document_uncertainty`", by_document, "from articles", "eigenvalues closer than their error bars"),
        ("`poisson_uncertainty`", by_count, "counts alone, lower bound", bursts),
    ):
        predicted = (found.step_times(corpus.times).errors / corpus.times)[some]
        yield Row(
            f"error bar of step times from the size of the corpus: {name}",
            f"concepts 1 to {concepts}; " + corpus.conditions,
            _range(predicted),
            f"{_range(measured)} over {resampling}",
            f"predicted / measured: mean {np.mean(predicted / measured):.2f}, "
            f"{(predicted / measured).min():.2f} to {(predicted / measured).max():.2f}",
            limit,
            subject="Error bars of step times",
            short=short,
            off=f"ratio {np.mean(predicted / measured):.2f}",
            points=(
                Points.of(
                    "error bar of a step time, %",
                    100 * predicted,
                    100 * measured,
                    100 * measured / np.sqrt(2 * resampled),
                ),
            ),
        )
    ratio = (by_document.eigenvalues.errors / by_count.eigenvalues.errors)[some] ** 2
    print("over-dispersion by concept:", np.round(ratio, 1))
    turned = np.sqrt(np.mean(tangents, axis=0))
    directions = by_document.directions[some]
    yield Row(
        "angle of concepts to those of another corpus, root mean square tangent: `document_uncertainty`",
        f"concepts 1 to {concepts}; " + corpus.conditions,
        f"{directions.min():.3f} to {directions.max():.3f}",
        f"{turned.min():.3f} to {turned.max():.3f} over {resampling}",
        f"predicted / measured: {(directions / turned).min():.2f} to {(directions / turned).max():.2f}",
        "above about 0.5 only the plane shared with neighbours is known",
        subject="Angles between corpora",
        short=f"concepts 1 to {concepts}",
        off=f"ratio {(directions / turned).min():.2f} to {(directions / turned).max():.2f}",
        points=(Points.of("tangent of an angle", directions, turned, turned / np.sqrt(2 * resampled)),),
    )


def _resampled(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues of resampled corpora, and squared tangents of the angles to their eigenvectors."""
    tokens, concepts = corpus.tokens, corpus.size.concepts
    rng = np.random.default_rng(0)
    values, tangents = [], []
    for _ in range(corpus.size.resampled):
        weights = rng.multinomial(tokens.documents, np.full(tokens.documents, 1 / tokens.documents))
        drawn = wf.Problem.from_statistics(count_documents(tokens, weights=weights))
        found = wf.leading_eigenpairs(drawn, concepts + 2, tol=1e-6).leading(concepts)
        overlaps = np.einsum("ik,ik->k", found.eigenvectors, corpus.spectrum.eigenvectors[:, :concepts])
        values.append(found.eigenvalues)
        tangents.append(1 / overlaps**2 - 1)
    return np.array(values), np.array(tangents)


def _biases(corpus: Corpus) -> Iterator[Row]:
    """Compare the jackknife with what halves of the corpus have more of."""
    tokens, concepts = corpus.tokens, corpus.size.concepts
    values = corpus.spectrum.eigenvalues[:concepts]
    bias = corpus.bars.eigenvalues.bias[:concepts]
    half = np.random.default_rng(5).permutation(tokens.documents) % 2
    shifts = []
    for part in (0, 1):
        problem = wf.Problem.from_statistics(count_documents(tokens, weights=half == part))
        found = wf.leading_eigenpairs(problem, concepts + 2, tol=1e-8)
        shifts.append(found.eigenvalues[:concepts] - values)
    measured = np.mean(shifts, axis=0)
    yield Row(
        "bias of eigenvalues from the size of the corpus: `document_uncertainty`",
        f"concepts 1 to {concepts}, eigenvalues {values[-1]:.0f} to {values[0]:.0f}; " + corpus.conditions,
        _list(bias),
        f"{_list(measured)}: what both halves of the articles have more, on average",
        f"mean {bias.mean():.2f} against {measured.mean():.2f}; worst {np.abs(bias - measured).max():.2f}",
        "second order: halves of 8 million words: up to 1.7 bars off (`validation/halves.py`)",
        subject="Bias of eigenvalues",
        short=f"concepts 1 to {concepts}",
        off=f"≤{np.abs(bias - measured).max():.2f}",
        points=(Points.of("change of an eigenvalue", bias, measured, np.std(shifts, axis=0)),),
    )


def _smaller_corpora(corpus: Corpus) -> Iterator[Row]:
    """Thin the corpus to a tenth, where pairs become rare, and see how far the lowest eigenvalue falls."""
    tokens = corpus.tokens
    whole = wf.extreme_eigenpairs(corpus.problem, 1)
    part = np.random.default_rng(1).integers(0, 10, tokens.documents)
    thinned = wf.Problem.from_statistics(count_documents(tokens, weights=part == 0))
    after_pairs = wf.extreme_eigenpairs(thinned, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = rare_pair_bias(corpus.problem, whole)
        after = rare_pair_bias(thinned, after_pairs)
    predicted = after.eigenvalues[0] - before.eigenvalues[0]
    measured = after_pairs.eigenvalues[0] - whole.eigenvalues[0]
    yield Row(
        "fall of the most negative eigenvalue where pairs are too rare to be met: `rare_pair_bias`",
        f"V = {corpus.problem.vocab_size:,}; a tenth of the articles against all: pairs expected less than "
        f"3 times are {after.share:.0%} against {before.share:.0%} (it warns of a bias of "
        f"{after.eigenvalues[0]:.0f} on {after_pairs.eigenvalues[0]:.0f})",
        f"{predicted:.0f}",
        f"{measured:.0f} ({whole.eigenvalues[0]:.0f} to {after_pairs.eigenvalues[0]:.0f}) by counting again",
        f"{predicted / measured - 1:+.0%}",
        "takes words to be independent: not for leading eigenvalues",
        subject="Fall of the lowest eigenvalue",
        short="a tenth of the articles",
        off=f"{predicted / measured - 1:+.0%}",
        points=(Points.of("change of an eigenvalue", predicted, measured),),
    )


def _spread(changes: list[float]) -> str:
    """Return the ranges of the changes of both signs."""
    values = np.array(changes)
    later, earlier = values[values > 0], values[values < 0]
    return f"+{later.min():.2%} to +{later.max():.2%}, {earlier.max():.2%} to {earlier.min():.2%}"


def _errors(predicted: list[float], exact: list[float]) -> str:
    """Return median and worst error as a share of the change, and whose the worst is."""
    errors = np.abs(np.array(predicted) / np.array(exact) - 1)
    print("errors by concept, hastening and delaying:", *np.round(errors.reshape(-1, 2), 4).tolist())
    worst = int(errors.argmax())
    return (
        f"median {np.median(errors):.2%} of the change, worst of {len(errors)}: {errors[worst]:.2%} "
        f"(concept {worst // 2 + 1})"
    )


def _shortly(predicted: list[float], exact: list[float]) -> str:
    """Return the errors in a few words."""
    errors = np.abs(np.array(predicted) / np.array(exact) - 1)
    return f"{100 * np.median(errors):.2g}%, ≤{100 * errors.max():.2g}%"


def _changes(predicted: list[float], exact: list[float]) -> Points:
    return Points.of("change of a step time, %", 100 * np.array(predicted), 100 * np.array(exact))


def _list(values: np.ndarray) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def _range(values: np.ndarray) -> str:
    return f"{values.min():.2%} to {values.max():.2%}"


if __name__ == "__main__":
    run_part("uncertainty", __doc__, rows, Size(), SMALL)
