"""What two details of the published word2vec make of the first growth rates: skipped negatives, windows.

    python validation/published_word2vec.py STATISTICS [--text TEXT] [--vocab-size 2000] [--negatives 5]

Growth rates are those of `s_k^2` of small tied weights, twice the leading eigenvalues of the symmetric part
of `A - B` (mean of `A + B` 1), so that the times of the first steps are as their inverses.

1. Negatives that are the pair's own context are skipped, or not: `Mikolov(skip_target=)`.
2. With a text: words are dropped before windows are laid, as a stream of its pairs has them, or after, as
   `Mikolov` weights of its counts suppose.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import w2vflow as wf
from w2vflow.sgd import PairStream

WINDOW = 5
SHOWN = 4
# Pairs of a stream: rates are then right to about a thousandth.
PAIRS = 2**24


def growth_rates(A, B):
    """Return the leading growth rates of `s^2`, falling."""
    difference = (A - B) / np.mean(A + B)
    return np.linalg.eigvalsh(difference + difference.T)[::-1][:SHOWN]


def listed(rates, others):
    """Return both lists of rates, and how many per cent the second are off the first."""
    off = 100 * (others / rates - 1)
    return f"{rates.round(1).tolist()} against {others.round(1).tolist()}: {off.round(2).tolist()} %"


def skipped(stats, negatives):
    """Print growth rates with negatives skipped and not."""
    for subsample in (0.0, 1e-4):
        rates = {
            skip: growth_rates(
                *wf.Mikolov(subsample, 0.75, negatives, skip_target=skip).pair_weights(stats).dense()
            )
            for skip in (True, False)
        }
        print(f"subsample {subsample:g}, skipped or not: {listed(rates[True], rates[False])}")


def windows(tokens, negatives):
    """Print growth rates with words dropped before windows are laid and after."""
    stats = wf.corpus.count_documents(tokens, window=WINDOW)
    for subsample in (1e-3, 1e-4):
        weighting = wf.Mikolov(subsample, 0.75, negatives)
        weights = weighting.pair_weights(stats)
        size, A = stats.vocab_size, np.zeros((stats.vocab_size,) * 2)
        with PairStream(tokens, 2**20, window=WINDOW, subsample=subsample) as stream:
            while stream.pairs < PAIRS:
                rows, columns = next(stream)
                A += np.bincount(rows.astype(np.int64) * size + columns, minlength=size**2).reshape(
                    size, size
                )
        A = (A + A.T) / 2
        q = weights.right[:, 0]
        B = negatives * q * (A.sum(axis=1, keepdims=True) - A)
        print(
            f"subsample {subsample:g}, dropped before windows or after: "
            f"{listed(growth_rates(A, B), growth_rates(*weights.dense()))}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("statistics")
    parser.add_argument("--text")
    parser.add_argument("--vocab-size", type=int, default=2000)
    parser.add_argument("--negatives", type=int, default=5)
    a = parser.parse_args()
    stats = wf.load_statistics(a.statistics)
    skipped(stats.most_frequent(min(a.vocab_size, stats.vocab_size)), a.negatives)
    if a.text:
        with tempfile.TemporaryDirectory() as folder:
            tokens = Path(folder) / "tokens"
            wf.tokenize(a.text, tokens, vocab_size=a.vocab_size)
            windows(wf.TokenFile.load(tokens), a.negatives)


if __name__ == "__main__":
    main()
