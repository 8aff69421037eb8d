"""The paper's table of embeddings remade on Wikipedia: word2vec, the quartic model and closed forms.

    W2VFLOW_TEST_DATA=FOLDER python benchmarks/embeddings.py [--anew] [--page docs/embeddings.md]
        [--keep runs/embeddings] [--vocab-size 10000] [--dim 200] [--min-document-words 50]
        [--sgd-steps 1800] [--sgd-batch 2097152]

FOLDER holds `enwiki15k.txt.xz` and the test sets in `eval/`. Counts the text (10,000 words, window 16),
makes vectors of 200 dimensions of each kind, judges them by Google's questions, MEN and WordSim-353, and
writes the page; 15 minutes on two cores, six of them gensim's. Needs gensim. Rows are kept in
`rows.json` of the folder `--keep` as they come, and what is there is not made again but with `--anew`:
other sizes want another folder.
"""

import argparse
import json
import os
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax

import w2vflow as wf
from w2vflow.support.atomic_files import write_json, write_text

HERE = Path(__file__).parent

INTRODUCTION = """# Embeddings from counts, and how good they are

15,044 articles of the English Wikipedia (40 million words), {vocab_size:,} words, {dim} dimensions. Google's
questions as published, 3CosAdd, {total:,} of {asked:,} with all words known; MEN and WordSim-353 by
Spearman's correlation over {men:,} and {ws} known pairs. Seconds on two cores of an AMD EPYC at 2.6 GHz,
beside {counting:.0f} s of counting, which gensim does not need (its own reading of the text is left out).
`embed`, the best of counts, has [a page of its own](embed.md). "Published" is what the
authors' [`fig3.ipynb`](https://github.com/dkarkada/qwem/blob/main/notebooks/fig3.ipynb) printed for
[Karkada et al. 2025](https://arxiv.org/abs/2502.09863), of a far larger corpus. The text of the paper has an
earlier run: 68.0 (SGNS), 65.1 (SGD), 66.3 (`M*`), 50.6 (PPMI) and 8.4 (PMI).
This page is written by

```sh
W2VFLOW_TEST_DATA=FOLDER python benchmarks/embeddings.py
```

"""


def gensim_sgns(text, questions, a):
    """Train gensim's word2vec on the text; return vectors and seconds of training."""
    import gensim_sgns

    folder = a.keep / "gensim"
    given = [
        questions, "--text", text, "--save", folder, "--vocab-size", a.vocab_size, "--dim", a.dim,
        "--min-document-words", a.min_document_words,
    ]  # fmt: skip
    seconds, _ = gensim_sgns.train(gensim_sgns.arguments([str(argument) for argument in given]))
    return np.load(folder / "W_epoch5.npy"), seconds


def quartic_by_sgd(problem, dim, steps, batch_size):
    """Return the quartic model of tied weights, trained from small random ones."""
    rate = 5e-5
    falling = optax.linear_schedule(rate, rate / 50, steps // 2, transition_begin=steps // 2)
    end = float(sum(map(falling, range(steps))))
    W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, dim, 1e-2)
    run = wf.run_sgd(
        problem, W0, [end], key=jax.random.key(1), learning_rate=falling, batch_size=batch_size,
        sampler="blocks", recording=wf.Recording(save_embeddings=True),
    )  # fmt: skip
    return run.embeddings[0]


def closed_form(stats, alpha, dim):
    """Return the minimum of the quartic loss of tied weights at `G = g g^T`, `g = p^alpha`, up to lengths.

    Rows of `V Lambda^(1/2)` of `D^(1/2) M* D^(1/2)`, `D = diag(g)`; each word's is then scaled by
    `g^(-1/2)`, which no cosine sees.
    """
    target = np.array(wf.Problem.from_statistics(stats, matrix="dense").target())
    root = (stats.word_probability * stats.vocab_size) ** (alpha / 2)
    target *= root[:, None]
    target *= root
    return wf.embeddings.factor_embedding(target, dim)


def timed(make, *arguments):
    """Return what a function makes, and seconds."""
    begun = time.perf_counter()
    return make(*arguments), time.perf_counter() - begun


def scores(vectors, words, data):
    """Return Google's score, and Spearman's correlations with MEN and WordSim-353."""
    google = wf.evaluate_analogies(vectors, words, data / "eval" / "questions-words.txt")
    similar = [
        wf.evaluate_similarity(vectors, words, data / "eval" / name)
        for name in ("EN-MEN-TR-3k.txt", "EN-WS-353-ALL.txt")
    ]
    return google, *similar


def kinds(stats, text, questions, a):
    """Return published accuracy and maker of every kind of vectors; gensim's maker tells its own seconds."""
    problem = wf.Problem.from_statistics(stats)

    def factors(of):
        return wf.embeddings.factor_embedding(of(stats), a.dim)

    return {
        "word2vec (SGNS) by gensim, 5 epochs, window 5": ("67.9", lambda: gensim_sgns(text, questions, a)),
        "quartic model at constant `G`, by SGD": (
            "65.0",
            lambda: timed(quartic_by_sgd, problem, a.dim, a.sgd_steps, a.sgd_batch),
        ),
        "`M*` at constant `G`, closed form": ("66.5", lambda: timed(closed_form, stats, 0.0, a.dim)),
        "`M*`, `RankOne(0.5)`, closed form": ("", lambda: timed(closed_form, stats, 0.5, a.dim)),
        "PPMI": ("50.7", lambda: timed(factors, wf.embeddings.ppmi)),
        "PMI, 0 where never seen": ("8.6", lambda: timed(factors, wf.embeddings.pmi)),
        "log counts less their biases (GloVe)": ("", lambda: timed(factors, wf.embeddings.log_counts)),
    }


def kept_rows(rows, file, name, make):
    """Return a line of a table, its cells made and kept in the file where they are not in `rows`."""
    if name not in rows:
        rows[name] = make()
        write_json(file, rows)
    line = f"| {name} | {' | '.join(rows[name])} |"
    print(line, flush=True)
    return line


def judged(published, make, words, data):
    """Return the cells of one kind of vectors."""
    vectors, seconds = make()
    google, men, ws = scores(vectors, words, data)
    return [
        f"{google.accuracy:.1%}", published, f"{men.spearman:.3f}", f"{ws.spearman:.3f}", f"{seconds:.0f}"
    ]  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs" / "embeddings.md")
    parser.add_argument("--keep", type=Path, default=Path("runs/embeddings"))
    parser.add_argument("--vocab-size", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--min-document-words", type=int, default=50)
    parser.add_argument("--sgd-steps", type=int, default=1800)
    parser.add_argument("--sgd-batch", type=int, default=2**21, help="pairs in a step of the quartic model")
    return parser.parse_args()


def introduction(stats, data, dim, counting):
    """Return the prose above the table of vectors."""
    google, men, ws = scores(np.random.default_rng(0).normal(size=(len(stats.words), 2)), stats.words, data)
    return INTRODUCTION.format(
        vocab_size=len(stats.words),
        dim=dim,
        total=google.total,
        asked=google.total + google.out_of_vocabulary,
        men=men.total,
        ws=ws.total,
        counting=counting,
    )


def main():
    a = arguments()
    jax.config.update("jax_enable_x64", True)
    data = Path(os.environ["W2VFLOW_TEST_DATA"])
    text, questions = data / "enwiki15k.txt.xz", data / "eval" / "questions-words.txt"
    file = a.keep / "rows.json"
    rows = {} if a.anew or not file.exists() else json.loads(file.read_text())
    counted = {"vocab_size": a.vocab_size, "min_document_words": a.min_document_words}
    stats, counting = timed(lambda: wf.count([text], window=16, **counted))
    page = introduction(stats, data, a.dim, counting)
    lines = ["| vectors | Google | published | MEN | WS-353 | seconds |", "|---|---|---|---|---|---|"]
    for name, (published, make) in kinds(stats, text, questions, a).items():
        lines.append(kept_rows(rows, file, name, partial(judged, published, make, stats.words, data)))
    write_text(a.page, page + "\n".join(lines) + "\n")
    print(f"Written: {a.page}")


if __name__ == "__main__":
    main()
