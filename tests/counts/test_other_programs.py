"""GloVe's vocabulary: words end at its spaces and newlines alone."""

import numpy as np
import pytest

from w2vflow.counts import from_glove
from w2vflow.counts.other_programs import _RECORD


def counted(tmp_path, vocabulary, pairs):
    np.array(pairs, _RECORD).tofile(tmp_path / "cooccurrence.bin")
    (tmp_path / "vocab.txt").write_bytes(vocabulary)
    return from_glove(tmp_path / "cooccurrence.bin", tmp_path / "vocab.txt")


def test_words_with_line_ends_of_other_kinds_and_marks(tmp_path):
    times = {"a\x85b": 5, "c\u2028": 6, "\x1cd": 7, "e\u00a0f": 8}
    text = "\ufeff" + "".join(f"{word} {n}\r\n" for word, n in times.items())
    stats = counted(tmp_path, text.encode(), [(n, 5 - n, 1.0) for n in range(1, 5)])
    assert dict(zip(stats.words, stats.unigram.tolist(), strict=True)) == times


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (b"a 5\n\nb\n", "a word and its count in every line, but got line 3 of .*, b'b'"),
        (b"a 5\nb \xc2\xb2\n", "a word and its count in every line, but got line 2"),
        (b"a 5\n\xff 3\n", "`vocabulary` must be UTF-8, but got line 2 of"),
        (b"a 5\n", "of the 1 words of `vocabulary`, but got word 2"),
    ],
)
def test_lines_that_are_none(tmp_path, vocabulary, message):
    with pytest.raises(ValueError, match=message):
        counted(tmp_path, vocabulary, [(1, 2, 3.0), (2, 1, 3.0)])
