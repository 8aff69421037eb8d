"""Small texts."""

import numpy as np

from w2vflow.corpus.reading.files import read_blocks


def random_text(path, documents, seed, words=400):
    rng = np.random.default_rng(seed)
    vocabulary = ["".join(rng.choice(list("abcdefghij"), size=rng.integers(1, 9))) for _ in range(words)]
    shares = rng.permutation(1 / np.arange(1, words + 1))
    drawn = rng.choice(np.array(vocabulary), p=shares / shares.sum(), size=(documents, 60))
    path.write_text("".join(" ".join(line) + "\n" for line in drawn.tolist()))


def write_text(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def themed_text(path, documents=300, seed=0):
    """Documents of 40 words, each on one of four themes."""
    rng = np.random.default_rng(seed)
    words = np.array([f"{a}{b}" for a in "abcdefgh" for b in "vwxyz"])
    weights = rng.gamma(0.3, size=(4, len(words))) + 0.02
    weights /= weights.sum(axis=1, keepdims=True)
    lines = (" ".join(rng.choice(words, 40, p=weights[rng.integers(4)])) for _ in range(documents))
    path.write_text("\n".join(lines) + "\n")


def read_documents(paths, reader="auto"):
    """The documents of text files, one by one."""
    for block in read_blocks(paths, reader):
        for start, end in zip(block.starts, block.ends, strict=True):
            yield block.text[start:end].decode()
