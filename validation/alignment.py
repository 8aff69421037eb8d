"""Alignment of embeddings with the concepts of a corpus: its own, of the other half of its text, and others.

    W2VFLOW_TEST_DATA=FOLDER python validation/alignment.py [--small]

`FOLDER/enwiki15k.txt.xz` is the text, split by articles; the other corpus are the docstrings of the Python
packages that are installed. Prints what `fit_progress` says of each, and the extremes, between which it draws
its line.
"""

import argparse
import ast
import os
import sysconfig
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from halves import chosen
from uncertainty import first_documents

import w2vflow as wf
from w2vflow.corpus import count_documents
from w2vflow.embeddings import factor_embedding, ppmi
from w2vflow.semantics import fit_progress


@dataclass(frozen=True)
class Size:
    """How large models and texts are.

    Attributes:
        words: of each vocabulary.
        dim: of embeddings.
        articles: from the beginning of the text.
        docstrings: so many bytes of them.
        after: how many concepts embeddings have learned.
    """

    words: int = 2000
    dim: int = 100
    articles: int = 5000
    docstrings: int = 15_000_000
    after: tuple[int, ...] = (4, 16, 100)


SMALL = Size(60, 6, 300, 60_000, (2, 6))


def docstrings(size: int) -> Iterator[str]:
    """Yield the docstrings of installed packages in turn, until there are so many bytes."""
    for file in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = (ast.get_docstring(node) or "").replace("\0", " ")
                size -= len(text)
                yield " ".join(text.split())
        if size < 0:
            return


def embeddings(stats: wf.CooccurrenceStatistics, size: Size) -> Iterator[tuple[str, np.ndarray]]:
    """Yield embeddings of a corpus: along the exact trajectory, with noise, of PPMI and of `embed`."""
    problem = wf.Problem.from_statistics(stats)
    spectrum = wf.leading_eigenpairs(problem, size.dim, tol=1e-6)
    W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, size.dim, 1e-2)
    times = np.nan_to_num(wf.step_time_law(problem, size.dim, 1e-2, spectrum=spectrum).mean)
    ts = [1.02 * np.sort(times)[after - 1] for after in size.after]
    found = wf.predict(problem, W0, ts, spectrum=spectrum, save_embeddings=True).embeddings
    for after, vectors in zip(size.after, found, strict=True):
        yield f"after {after} steps", vectors
        noise = np.random.default_rng(0).normal(size=vectors.shape)
        yield "  with as much noise", vectors + vectors.std() * noise
    yield "PPMI", factor_embedding(ppmi(stats), size.dim)
    yield "embed", wf.embed(stats, size.dim)


def main() -> None:
    """Print all alignments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--small", action="store_true", help="few words: figures mean nothing")
    size = SMALL if parser.parse_args().small else Size()
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore", RuntimeWarning)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        whole = Path(os.environ["W2VFLOW_TEST_DATA"]) / "enwiki15k.txt.xz"
        text = first_documents(whole, size.articles, folder)
        wf.tokenize(text, folder / "tokens", vocab_size=size.words, min_document_words=50)
        tokens = wf.TokenFile.load(folder / "tokens")
        halves = [count_documents(chosen(tokens, np.arange(tokens.documents) % 2 == i)) for i in (0, 1)]
        other = folder / "docstrings.txt"
        other.write_text("\n".join(docstrings(size.docstrings)), encoding="utf-8")
        foreign = wf.count(other, vocab_size=size.words, window=16, reader="lines")
    judge({"its own": halves[0], "the other half": halves[1], "docstrings": foreign}, size)


def judge(corpora: dict[str, wf.CooccurrenceStatistics], size: Size) -> None:
    """Print what `fit_progress` says of the embeddings of each corpus, beside the first one's concepts."""
    problem = wf.Problem.from_statistics(corpora["its own"])
    spectra = (
        (True, wf.leading_eigenpairs(problem, size.dim)),
        (False, wf.extreme_eigenpairs(problem, size.dim)),
    )
    for name, stats in corpora.items():
        print(f"{name}: {' '.join(stats.words[:8])} ...\n{'':22}alignment, tied untied  similarity")
        alignments = []
        for kind, vectors in embeddings(stats, size):
            found = [
                fit_progress(vectors, stats.words, spectrum, problem.statistics.words, tied=tied)
                for tied, spectrum in spectra
            ]
            alignments.extend(one.alignment for one in found)
            tied, untied = found
            print(
                f"  {kind:20} {tied.alignment:15.3f} {untied.alignment:6.3f} {tied.similarity:11.3f}",
                flush=True,
            )
        print(f"  {min(alignments):.2f} to {max(alignments):.2f}\n")


if __name__ == "__main__":
    main()
