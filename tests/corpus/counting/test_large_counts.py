"""Counts of much text: the bundled ones anew, and a gigabyte in several scripts."""

from collections import Counter

import numpy as np
import pytest

import w2vflow as wf
from w2vflow.corpus.counting.count import count_to_file
from w2vflow.corpus.counting.rules import CountingRule
from w2vflow.corpus.counting.tokenizers import tokenizer
from w2vflow.counts.count_file import CountFile


@pytest.mark.slow
def test_bundled_statistics_are_rebuilt_byte_for_byte(corpus_folder, wikipedia, tmp_path):
    count_to_file(
        corpus_folder / "enwiki15k.txt.xz",
        tmp_path / "again.npz",
        vocab_size=3000,
        rule=CountingRule(min_document_words=50),
        source=wikipedia.metadata["source"],
    )
    from w2vflow.corpus import catalog

    bundled = (catalog._BUNDLED / "enwiki15k-v3000.npz").read_bytes()
    assert (tmp_path / "again.npz").read_bytes() == bundled
    assert len(bundled) <= 6_000_000


@pytest.mark.slow
def test_a_gigabyte_in_several_scripts(tmp_path):
    """Every word of 1 GB of Latin, Cyrillic, Greek, Arabic, Devanagari, Han and Hangul is found."""
    rng = np.random.default_rng(0)
    alphabets = ["abcdeéß", "абвгдё", "αβγδς", "ابتثج", "कखगिाी", "漢字仮名", "가나다라"]
    words = {
        rng.choice(list(a[:3])) + "".join(rng.choice(list(a), size=rng.integers(0, 5)))
        for a in alphabets for _ in range(150)
    }  # fmt: skip
    folded = {w: next(iter(tokenizer("unicode")(w))) for w in words}
    assert all(list(tokenizer("unicode")(w)) == [f] for w, f in folded.items())
    table = np.array(sorted(words))
    frequency, part, path = Counter(), [], tmp_path / "text.txt"
    # Drawing the words takes longer than counting them: a part of the text comes several times.
    for _ in range(8):
        drawn = rng.zipf(1.3, size=2_000_000) % len(table)
        for index, times in enumerate(np.bincount(drawn, minlength=len(table)).tolist()):
            frequency[folded[str(table[index])]] += times
        part += [" ".join(line) + "\n" for line in table[drawn].reshape(-1, 100).tolist()]
    written = "".join(part).encode()
    repeats = -(-(10**9) // len(written))
    with path.open("wb") as file:
        for _ in range(repeats):
            file.write(written)
    count_to_file(path, tmp_path / "out.npz", vocab_size=None, rule=CountingRule(2, "flat", tokens="unicode"))
    path.unlink()
    stats = wf.CooccurrenceStatistics.load(tmp_path / "out.npz")
    assert dict(zip(stats.words, stats.unigram.tolist(), strict=True)) == {
        w: repeats * n for w, n in frequency.items() if n
    }
    # Every document of 100 words has 99 + 98 pairs, in both directions.
    assert stats.counts.sum() == 2 * 197 * repeats * frequency.total() // 100
    assert CountFile(tmp_path / "out.npz").metadata["corpus_invalid_utf8_replaced"] == 0
