"""Bias and error bars of a fifth of enwiki15k at 2,000 words, beside its halves and beside all of it.

    W2VFLOW_TEST_DATA=FOLDER python validation/halves.py [--small]

`FOLDER/enwiki15k.txt.xz` is the text, of which `--small` reads the first articles alone. Ten minutes.
"""

import argparse
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from uncertainty import first_documents

import w2vflow as wf
from w2vflow.corpus import count_documents
from w2vflow.theory import (
    SamplingUncertainty,
    document_influence,
    document_uncertainty,
    poisson_uncertainty,
    rare_pair_bias,
)


@dataclass(frozen=True)
class Size:
    """How large the model and the corpus are.

    Attributes:
        words: of the vocabulary.
        concepts: shown.
        held: eigenpairs.
        splits: of the first part into halves.
        parts: of all articles.
        documents: only so many, from the beginning of the text.
    """

    words: int = 2000
    concepts: int = 12
    held: int = 24
    splits: int = 10
    parts: int = 5
    documents: int | None = None


SMALL = Size(40, 3, 6, 2, 2, 300)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--small", action="store_true", help="few words, to see that all works: its figures mean nothing"
    )
    size = SMALL if parser.parse_args().small else Size()
    jax.config.update("jax_enable_x64", True)
    # What this is about, and what `rare_pair_bias` says of itself.
    warnings.filterwarnings("ignore", "The size of the corpus biases|`rare_pair_bias` is not|Pairs too rare")
    words = wf.load_statistics("enwiki15k-v3000").words[: size.words]
    whole = Path(os.environ["W2VFLOW_TEST_DATA"]) / "enwiki15k.txt.xz"
    with tempfile.TemporaryDirectory() as folder:
        text = first_documents(whole, size.documents, Path(folder))
        wf.tokenize(text, Path(folder) / "tokens", vocabulary=words, min_document_words=50)
        compare(wf.TokenFile.load(Path(folder) / "tokens"), size)


def compare(tokens: wf.TokenFile, size: Size) -> None:
    """Print halves beside the first part, and all parts beside the whole."""
    part = np.random.default_rng(0).permutation(tokens.documents) % size.parts
    first = chosen(tokens, part == 0)
    problem, spectrum = solved(first, size)
    found = document_uncertainty(problem, spectrum, first)
    print(f"{first.documents:,} articles, {first.unigram.sum():,} tokens of {len(first.words):,} words")
    print(f"{found.rare_pairs:.0%} of pairs expected less than 3 times\n{found}")
    counts = poisson_uncertainty(problem, spectrum)
    show("bar, over that of counts alone", found.eigenvalues.errors / counts.eigenvalues.errors, size)
    show("bar, over first order alone", found.eigenvalues.errors / first_order(first, size), size)
    split_in_halves(first, found, size)
    beside_the_whole(tokens, part, found, size)


def split_in_halves(tokens: wf.TokenFile, whole: SamplingUncertainty, size: Size) -> None:
    """Print what halves differ by, beside the bars of a half, and their shift, beside the bias."""
    values, bars, slopes, rare, lowest = [], [], [], [], []
    for split in range(size.splits):
        half = np.random.default_rng(split).permutation(tokens.documents) % 2
        for side in (0, 1):
            own = chosen(tokens, half == side)
            problem, spectrum = solved(own, size)
            values.append(spectrum.eigenvalues)
            if split == 0:
                bars.append(document_uncertainty(problem, spectrum, own).eigenvalues.errors)
                slopes.append(first_order(own, size))
                rare.append(rare_pair_bias(problem, spectrum).eigenvalues)
                lowest.append(lowest_eigenvalue(problem))
    pairs = np.array(values).reshape(size.splits, 2, -1)
    measured = np.sqrt(((pairs[:, 0] - pairs[:, 1]) ** 2).mean(axis=0) / 2)
    print(
        f"\n{size.splits} splits into halves; each standard deviation good to {(2 * size.splits) ** -0.5:.0%}"
    )
    show("measured / predicted sd of a half", measured / np.mean(bars, axis=0), size)
    show("the same, first order alone", measured / np.mean(slopes, axis=0), size)
    own, shift = whole.eigenvalues, pairs.mean(axis=(0, 1)) - whole.eigenvalues.values
    show("halves less the part", shift, size)
    show("  in bars of the part", np.abs(shift) / own.errors, size)
    show("  less its bias, in bars", np.abs(shift - own.bias) / own.errors, size)
    problem, spectrum = solved(tokens, size)
    change = np.mean(rare, axis=0) - rare_pair_bias(problem, spectrum).eigenvalues
    show("`rare_pair_bias` foresees", change, size)
    before, after = lowest_eigenvalue(problem), np.mean(lowest, axis=0)
    print(f"largest in size: {before[0]:.0f}, halves {after[0] - before[0]:+.0f} on average; ", end="")
    print(f"`rare_pair_bias` foresees {after[1] - before[1]:+.0f}")


def beside_the_whole(tokens: wf.TokenFile, part: np.ndarray, first: SamplingUncertainty, size: Size) -> None:
    """Print by how much the parts are off from all articles, as they are and without their bias."""
    problem, spectrum = solved(tokens, size)
    all_articles = document_uncertainty(problem, spectrum, tokens)
    found = [first.eigenvalues]
    for number in range(1, size.parts):
        own = chosen(tokens, part == number)
        found.append(document_uncertainty(*solved(own, size), own).eigenvalues)
    values, corrected, errors = (
        np.array([getattr(one, name) for one in found]) for name in ("values", "corrected", "errors")
    )
    print(f"\n{size.parts} parts beside all {tokens.documents:,} articles\n{all_articles}")
    bars, exact = errors.mean(axis=0), all_articles.eigenvalues.values
    show("parts less all, in bars", (values.mean(axis=0) - exact) / bars, size)
    show("  without their bias", (corrected.mean(axis=0) - exact) / bars, size)
    show("measured / predicted sd of a part", values.std(axis=0, ddof=1) / bars, size)


def chosen(tokens: wf.TokenFile, which: np.ndarray) -> wf.TokenFile:
    """Return the text of some documents."""
    lengths = np.diff(np.append(tokens.document_starts, len(tokens.tokens)))
    own = np.asarray(tokens.tokens)[np.repeat(which, lengths)]
    return wf.TokenFile(tokens.words, np.bincount(own[own >= 0], minlength=len(tokens.words)), own)


def solved(tokens: wf.TokenFile, size: Size) -> tuple[wf.Problem, wf.Spectrum]:
    problem = wf.Problem.from_statistics(count_documents(tokens))
    return problem, wf.leading_eigenpairs(problem, size.held, tol=1e-7)


def first_order(tokens: wf.TokenFile, size: Size) -> np.ndarray:
    """Return the standard deviations that influences add up to: the infinitesimal jackknife."""
    problem, spectrum = solved(tokens, size)
    return np.linalg.norm(document_influence(problem, spectrum, tokens), axis=0)


def lowest_eigenvalue(problem: wf.Problem) -> np.ndarray:
    """Return the most negative eigenvalue and its `rare_pair_bias`."""
    spectrum = wf.extreme_eigenpairs(problem, 1)
    return np.array([spectrum.eigenvalues[0], rare_pair_bias(problem, spectrum).eigenvalues[0]])


def show(name: str, values: np.ndarray, size: Size) -> None:
    """Print a number for each concept, and their mean."""
    some = values[: size.concepts]
    print(f"{name:34}", *(f"{value:6.2f}" for value in some), f"  mean {some.mean():5.2f}", flush=True)


if __name__ == "__main__":
    main()
