"""gensim's word2vec on the same words, and its evaluator of analogies beside this package's.

    python benchmarks/gensim_sgns.py QUESTIONS --text TEXT [--save runs/gensim] [--vocab-size 10000]
        [--min-document-words 50] [--dim 200] [--epochs 5] [--workers 2]
    python benchmarks/gensim_sgns.py QUESTIONS --vectors FOLDER

TEXT is what `w2vflow count` reads, and is cut into words as `--tokens latin --min-document-words 50`
does; the vocabulary is the `--vocab-size` most frequent words, a sentence is a document (of which
gensim reads the first 10,000 words that its subsampling leaves). The folder `--save` gets `words.txt`,
and after the first and the last epoch the word vectors `W_epoch<n>.npy` and context vectors
`C_epoch<n>.npy`, in place of those of an earlier run.
(The learning rate falls to 0 over all epochs: the first of five is not what `--epochs 1` gives.)
Prints seconds, words per second as gensim counts them (raw: of the text; effective: in the
vocabulary and left by subsampling) and the accuracy by both evaluators, which must agree on every
category.

Needs gensim: `pip install gensim`. With two workers gensim's result differs from run to run.
"""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from w2vflow.corpus import read_blocks, tokenizer
from w2vflow.corpus.counting.vocabulary import choose_words
from w2vflow.semantics import evaluate_analogies

try:
    import gensim
    from gensim.models import KeyedVectors, Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec
    from gensim.models.word2vec import FAST_VERSION
except ImportError:
    sys.exit("This benchmark needs gensim, which the package itself does not: `pip install gensim`.")


class Record(CallbackAny2Vec):
    """Saves the vectors after some epochs, and prints what each epoch took."""

    def __init__(self, folder, epochs):
        self.folder, self.epochs, self.epoch, self.begun = folder, epochs, 0, time.perf_counter()

    def on_epoch_end(self, model):
        self.epoch += 1
        now = time.perf_counter()
        print(f"epoch {self.epoch}: {now - self.begun:.1f} s, load {os.getloadavg()[0]:.1f}", flush=True)
        if self.epoch in self.epochs:
            np.save(self.folder / f"W_epoch{self.epoch}.npy", model.wv.vectors.astype(np.float32))
            np.save(self.folder / f"C_epoch{self.epoch}.npy", model.syn1neg.astype(np.float32))
        self.begun = time.perf_counter()


def train(a):
    """Train as the arguments say and save the vectors; return the seconds, on the clock and of the cores."""
    begun, cut = time.perf_counter(), tokenizer("latin")
    documents = [
        list(map(sys.intern, cut(block.text[start:end].decode())))
        for block in read_blocks(a.text)
        for start, end in zip(block.starts, block.ends, strict=True)
    ]
    documents = [words for words in documents if len(words) >= a.min_document_words]
    frequency = Counter(word for words in documents for word in words)
    chosen = choose_words(frequency, a.vocab_size, None, None)
    print(
        f"{len(documents):,} documents, {frequency.total():,} words of {len(frequency):,} kinds, "
        f"{sum(frequency[w] for w in chosen):,} known; read in {time.perf_counter() - begun:.1f} s"
    )
    model = Word2Vec(
        sg=1, vector_size=a.dim, window=a.window, negative=a.negatives, sample=a.sample, alpha=a.rate,
        epochs=a.epochs, workers=a.workers, seed=a.seed, min_count=1, sorted_vocab=0,
    )  # fmt: skip
    # Its own sorting would put words of equal count in another order than `w2vflow count`.
    model.build_vocab_from_freq({w: frequency[w] for w in chosen}, corpus_count=len(documents))
    assert model.wv.index_to_key == chosen
    a.save.mkdir(parents=True, exist_ok=True)
    # Vectors of an earlier run belong to its own words, and may be of epochs that this one does not have.
    for old in a.save.glob("[WC]_epoch*.npy"):
        old.unlink()
    (a.save / "words.txt").write_text("\n".join(chosen) + "\n")
    print(f"gensim {gensim.__version__}, fast version {FAST_VERSION}, {a.workers} workers", flush=True)
    processor = time.process_time()
    effective, raw = model.train(
        documents,
        total_examples=len(documents),
        epochs=a.epochs,
        callbacks=[Record(a.save, {1, a.epochs})],
    )
    processor = time.process_time() - processor
    seconds = model.total_train_time
    print(
        f"{a.epochs} epochs: {seconds:.1f} s, {processor:.1f} s of cores, {raw / seconds:,.0f} raw words/s, "
        f"{effective / seconds:,.0f} effective words/s ({effective / a.epochs:,.0f} an epoch)"
    )
    return seconds, processor


def gensim_scores(vectors, words, questions):
    """Return (correct, total) of every category by gensim's evaluator, `total` last."""
    loaded = KeyedVectors(vectors.shape[1])
    loaded.add_vectors(words, vectors)
    _, sections = loaded.evaluate_word_analogies(questions, restrict_vocab=len(words), case_insensitive=True)
    return {s["section"]: (len(s["correct"]), len(s["correct"]) + len(s["incorrect"])) for s in sections}


def evaluate(folder, questions):
    """Print the accuracy of all saved vectors, by both evaluators."""
    files = sorted(folder.glob("W_epoch*.npy"), key=lambda file: int(file.stem.removeprefix("W_epoch")))
    if not files:
        sys.exit(f"{folder} has no vectors `W_epoch<n>.npy`: make them with `--text TEXT --save {folder}`.")
    words = (folder / "words.txt").read_text().split("\n")[:-1]
    for file in files:
        vectors = np.load(file)
        begun = time.perf_counter()
        theirs = gensim_scores(vectors, words, questions)
        their_seconds = time.perf_counter() - begun
        correct, total = theirs.pop("Total accuracy")
        begun = time.perf_counter()
        score = evaluate_analogies(vectors, words, questions)
        seconds = time.perf_counter() - begun
        print(f"\n{file.stem}: {correct / total:.2%} of {total}, {their_seconds:.1f} s, by gensim; "
              f"{score.accuracy:.2%} of {score.total}, {seconds:.1f} s, by this package")  # fmt: skip
        print(score)
        print(f"3CosMul: {evaluate_analogies(vectors, words, questions, method='3CosMul').accuracy:.2%}")
        ours = {name: (part.correct, part.total) for name, part in score.by_category.items()}
        assert (score.correct, score.total) == (correct, total), "the evaluators disagree"
        # gensim drops a category of which it knows no question.
        assert {n: p for n, p in ours.items() if p[1]} == {n: p for n, p in theirs.items() if p[1]}


def arguments(given=None):
    """Return the arguments given, or those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("questions")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text")
    source.add_argument("--vectors", type=Path)
    parser.add_argument("--save", type=Path, default=Path("runs/gensim"))
    parser.add_argument("--vocab-size", type=int, default=10_000)
    parser.add_argument("--min-document-words", type=int, default=50)
    parser.add_argument("--dim", type=int, default=200)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--negatives", type=int, default=5)
    parser.add_argument("--sample", type=float, default=1e-4)
    parser.add_argument("--rate", type=float, default=0.025)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


def main():
    a = arguments()
    if a.text:
        train(a)
    evaluate(a.vectors or a.save, a.questions)


if __name__ == "__main__":
    main()
