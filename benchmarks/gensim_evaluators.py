"""This package's evaluators of word vectors beside gensim's: the same verdicts, and the seconds of both.

    python benchmarks/gensim_evaluators.py VECTORS --questions QUESTIONS [...] --pairs PAIRS [...]

VECTORS is a word2vec text file, or `.npy` with its words in `words.txt` beside it, one a line.
QUESTIONS are files in Google's format: every question is compared, right or wrong by one and the
other (3CosAdd); then come the questions rebuilt of all pairs, as arXiv 2502.09863 does, and 3CosMul,
which gensim does not evaluate. PAIRS are files of two words and a rating, tabs between them:
Spearman and Pearson, and Spearman with unknown pairs at cosine 0 (gensim's `dummy4unknown`).
gensim's cosines of pairs are float32, which moves its figures by some 1e-7.

Needs gensim: `pip install gensim`.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from w2vflow.semantics import (
    Questions,
    evaluate_analogies,
    evaluate_similarity,
    pairwise_questions,
    read_pairs,
    read_questions,
)

try:
    from gensim.models import KeyedVectors
except ImportError:
    sys.exit("This benchmark needs gensim, which the package itself does not: `pip install gensim`.")


def timed(call, *arguments, **options):
    """Return what the call returns, and its seconds."""
    begun = time.perf_counter()
    result = call(*arguments, **options)
    return result, time.perf_counter() - begun


def load(path):
    """Return the vectors and words as gensim holds them."""
    if path.suffix != ".npy":
        return KeyedVectors.load_word2vec_format(str(path), binary=False)
    vectors = np.load(path)
    loaded = KeyedVectors(vectors.shape[1])
    loaded.add_vectors(path.with_name("words.txt").read_text(encoding="utf-8").split(), vectors)
    return loaded


def different_verdicts(loaded, file, sections):
    """Return how many questions one evaluator finds right and the other does not, and of how many."""
    theirs = {
        (s["section"], *map(str.casefold, question)): key == "correct"
        for s in sections[:-1]
        for key in ("correct", "incorrect")
        for question in s[key]
    }
    asked = [(name, q) for name, qs in read_questions(file).categories.items() for q in qs]
    # Each a category of its own, so that the score tells them apart.
    single = Questions({str(n): [question] for n, (_, question) in enumerate(asked)})
    ours = evaluate_analogies(loaded.vectors, loaded.index_to_key, single).by_category.values()
    known = {
        (name, *q[:3], *q.answers): s.correct == 1
        for (name, q), s in zip(asked, ours, strict=True)
        if s.total
    }
    assert known.keys() == theirs.keys(), "they know different questions"
    return sum(known[question] != theirs[question] for question in known), len(known)


def compare_analogies(loaded, file):
    """Print one file of questions by both."""
    vectors, words = loaded.vectors, loaded.index_to_key
    ours, seconds = timed(evaluate_analogies, vectors, words, file)
    (share, sections), their_seconds = timed(
        loaded.evaluate_word_analogies, str(file), restrict_vocab=len(words)
    )
    different, known = different_verdicts(loaded, file, sections)
    print(f"\n{file.name}: {ours.correct:,} of {ours.total:,} right, {ours.accuracy:.2%}; "
          f"with {ours.out_of_vocabulary:,} unknown questions {ours.accuracy_of_all:.2%}")  # fmt: skip
    print(f"gensim {share:.2%}; different verdicts: {different} of {known:,}")
    print(f"{seconds:.2f} s; gensim {their_seconds:.2f} s, {their_seconds / seconds:.0f} times as long")
    pairwise = pairwise_questions(read_pairs(file))
    for name, questions, method in (
        ("3CosMul", file, "3CosMul"),
        ("all pairs of pairs, 3CosAdd", pairwise, "3CosAdd"),
        ("all pairs of pairs, 3CosMul", pairwise, "3CosMul"),
    ):
        score, seconds = timed(evaluate_analogies, vectors, words, questions, method=method)
        print(f"{name}: {score.accuracy:.2%} of {score.total:,}, {seconds:.2f} s")
    print(ours)


def compare_similarity(loaded, file):
    """Print one file of rated pairs by both."""
    words = loaded.index_to_key
    ours, seconds = timed(evaluate_similarity, loaded.vectors, words, file)
    (pearson, spearman, _), their_seconds = timed(
        loaded.evaluate_word_pairs, str(file), restrict_vocab=len(words)
    )
    _, of_all, _ = loaded.evaluate_word_pairs(str(file), restrict_vocab=len(words), dummy4unknown=True)
    print(f"\n{file.name}: {ours}; {seconds:.3f} s")
    print(f"gensim: {spearman[0]:.3f}, {pearson[0]:.3f}; {of_all[0]:.3f}; {their_seconds:.3f} s; away by "
          f"{abs(spearman[0] - ours.spearman):.0e}, {abs(pearson[0] - ours.pearson):.0e}; "
          f"{abs(of_all[0] - ours.spearman_of_all):.0e}")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--questions", type=Path, nargs="*", default=[])
    parser.add_argument("--pairs", type=Path, nargs="*", default=[])
    a = parser.parse_args()
    loaded = load(a.vectors)
    print(f"{len(loaded.index_to_key):,} words, {loaded.vector_size} dimensions")
    for file in a.questions:
        compare_analogies(loaded, file)
    for file in a.pairs:
        compare_similarity(loaded, file)


if __name__ == "__main__":
    main()
