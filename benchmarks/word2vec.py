"""word2vec itself, trained by the library's SGD, judged by analogies: to be held against gensim's.

    w2vflow count TEXT --vocab-size 10000 --window 5 --min-document-words 50 --out counts.npz
    python benchmarks/word2vec.py counts.npz questions-words.txt [--epochs 8] [--metrics FILE]
                                  [--dim 200] [--positives 10240]

Weights `Mikolov(1e-4, 0.75, 5)`, logistic loss, untied, contexts at zero: what word2vec.c optimises.
The learning rate falls linearly to 0, as there; `alpha` is word2vec's rate of a single pair, and an
epoch has as many positive pairs as the text has in expectation. gensim drops words before it lays
windows, which then reach further: its five epochs have 577 million positive pairs, eight of these 479.
The same questions and settings for gensim: `benchmarks/gensim_sgns.py`.
"""

import argparse
import time

import jax
import numpy as np
import optax

import w2vflow as wf
from w2vflow.counts import keep_probability


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("statistics")
    parser.add_argument("questions")
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--alpha", type=float, default=0.025)
    parser.add_argument("--positives", type=int, default=10_240, help="positive pairs in a batch")
    parser.add_argument("--metrics", help="file for lines of JSON")
    a = parser.parse_args()
    stats = wf.CooccurrenceStatistics.load(a.statistics)
    weighting = wf.Mikolov(subsample=1e-4, power=0.75, negatives=5)
    problem = wf.Problem.from_statistics(
        stats, weighting=weighting, loss="logistic", tied=False, matrix="dense"
    )
    keep = keep_probability(stats.unigram / stats.unigram.sum(), weighting.subsample)
    pairs = keep @ (stats.counts @ keep) / stats.metadata["window"]
    steps = int(a.epochs * pairs / a.positives)
    # The positive loss of a pair has weight V^2 / (1 + k) / positives here, and twice the logistic scale.
    rate = a.alpha * a.positives * (1 + weighting.negatives) / (2 * stats.vocab_size**2)
    schedule = optax.linear_schedule(rate, 0.0, steps)
    W0 = wf.untied_init(jax.random.key(0), stats.vocab_size, a.dim, 0.02, contexts="zero")
    ends = np.linspace(0.2, 1, 5)
    ts = rate * steps * (ends - ends**2 / 2)
    print(f"{pairs / 1e6:.1f} million positive pairs an epoch, {steps} steps, time {ts[-1]:.4g}", flush=True)
    start = time.perf_counter()
    run = wf.run_sgd(
        problem,
        W0,
        ts,
        key=jax.random.key(1),
        learning_rate=schedule,
        batch_size=27 * a.positives,
        sampler="shared",
        recording=wf.Recording(save_embeddings=True, metrics=a.metrics),
    )
    seconds = time.perf_counter() - start
    made = steps * a.positives / seconds / 1e6
    print(f"{seconds:.0f} s: {made:.2f} million positive pairs a second, with 26 negative ones to each")
    for share, loss, W in zip(ends, run.loss, run.embeddings, strict=True):
        score = wf.evaluate_analogies(W, stats.words, a.questions)
        print(
            f"after {share * a.epochs:.1f} epochs: loss {loss:.6g}, "
            f"{score.accuracy:.2%} of {score.total} questions"
        )


if __name__ == "__main__":
    main()
