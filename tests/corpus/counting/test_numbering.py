"""First stage of a count: blocks, and the words of a corpus as bytes."""

import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from w2vflow.corpus import count_slices, find_phrases
from w2vflow.corpus.counting import count as counting
from w2vflow.corpus.counting.count import count_to_file
from w2vflow.corpus.counting.lexicon import Lexicon
from w2vflow.corpus.counting.numbering import number_corpus
from w2vflow.corpus.counting.rules import CountingRule
from w2vflow.corpus.counting.workers import Resources, Workers
from w2vflow.corpus.reading.files import read_blocks
from w2vflow.counts import CountFile
from w2vflow.support.locks import sole_use
from w2vflow.support.seals import seal_file


def test_small_files_are_counted_together(tmp_path):
    folder, work = tmp_path / "texts", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    lines = [f"the cat {'abcdefgh'[i % 8]} sat on mat {i % 7 * 'x'}\n" for i in range(60)]
    # Some without a line break at the end, some of several documents, some empty.
    texts = ["" if i % 11 == 3 else line.rstrip() if i % 3 else 2 * line for i, line in enumerate(lines)]
    for i, text in enumerate(texts):
        (folder / f"{i:02d}").write_text(text)
    whole = tmp_path / "whole.txt"
    whole.write_text("\n".join(texts))
    for path, out in ((folder, "many"), (whole, "one")):
        count_to_file(path, tmp_path / f"{out}.npz", vocab_size=None, reader="lines")
    assert (tmp_path / "many.npz").read_bytes() == (tmp_path / "one.npz").read_bytes()
    rule = CountingRule(tokens="latin")
    with closing(Workers(1, None)) as pool:
        blocks = read_blocks(folder, "lines")
        assert len(number_corpus(blocks, work, rule, pool, None, False).files) == 1


def test_a_lexicon_counts_as_a_counter_does():
    random = np.random.default_rng(0)
    lexicon, counter = Lexicon(), Counter()
    # Some that differ in one letter, long ones, other scripts, one repeated, one that never occurs.
    words = [f"{'ä' * (i % 5)}{i:x}" for i in range(3000)] + ["日本", "日", "b" * 400, "b" * 401]
    for _ in range(5):
        block = random.choice(words, 2000).tolist()
        times = random.integers(0, 5, len(block))
        lexicon.add(np.frombuffer("\n".join(block).encode(), np.uint8), times)
        for word, count in zip(block, times.tolist(), strict=True):
            counter[word] += count
    occurring = {word: count for word, count in counter.items() if count}
    assert lexicon.frequencies() == occurring
    assert lexicon.occurring == len(occurring)
    assert len(lexicon) == len(counter)
    least = sorted(occurring.values())[-100]
    assert lexicon.frequencies(100) == {w: count for w, count in occurring.items() if count >= least}
    some = [*occurring][50:70]
    asked = [*some, "never seen", *[*occurring][:3]]
    numbers = lexicon.find(np.frombuffer("\n".join(asked).encode(), np.uint8), len(asked))
    assert (numbers[: len(some)] >= 0).all()
    assert numbers[len(some)] == -1
    ranks = lexicon.ranks(asked)
    assert ranks[numbers[numbers >= 0]].tolist() == [i for i in range(len(asked)) if i != len(some)]
    assert (ranks >= 0).sum() == len(asked) - 1
    assert lexicon.first(3) == [*counter][:3]


def test_an_empty_lexicon_has_no_words():
    lexicon = Lexicon()
    lexicon.add(np.zeros(0, np.uint8), np.zeros(0, np.int64))
    assert (len(lexicon), lexicon.frequencies(), lexicon.first(2)) == (0, {}, [])
    assert lexicon.occurrences(["a", "b"]).tolist() == [0, 0]
    assert lexicon.ranks(["a"]).tolist() == []


def test_two_counts_into_one_file_are_told_apart(tmp_path):
    text, out = tmp_path / "t.txt", tmp_path / "o.npz"
    text.write_text("the cat sat\nthe dog sat\n" * 3)
    work = tmp_path / "o.npz.work"
    work.mkdir()
    busy = "`out` must be a folder that no other run is at work on"
    with sole_use(work, "out"), pytest.raises(ValueError, match=busy):
        count_to_file(text, out, vocab_size=3)
    count_to_file(text, out, vocab_size=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.npz", "t.txt"]


@pytest.mark.parametrize(
    ("text", "settings"), [("a b a b\n", {"min_count": 9}), ("", {}), ("one\ntwo\n", {}), ("\0", {})]
)
def test_a_refused_count_leaves_nothing(tmp_path, text, settings):
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(ValueError, match="must be"):
        count_to_file(tmp_path / "t.txt", tmp_path / "o.npz", **settings)
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]


def test_a_refused_count_keeps_what_an_earlier_one_left(tmp_path):
    (tmp_path / "t.txt").write_text("a b a b\n")
    left = tmp_path / "o.npz.work" / "tokens-of-yesterday"
    left.parent.mkdir()
    left.write_text("hours of work")
    seal_file(left)
    with pytest.raises(ValueError, match="min_count"):
        count_to_file(tmp_path / "t.txt", tmp_path / "o.npz", min_count=9)
    assert left.read_text().startswith("hours of work")


def test_two_lambdas_are_two_rules(tmp_path):
    text, own = tmp_path / "t.txt", Resources(work_dir=tmp_path, workers=1)
    text.write_text("a-b a-b c d\n")

    def killed(tokens):
        with pytest.raises(OSError, match="no room"):
            count_to_file(text, tmp_path / "no" / "o.npz", rule=CountingRule(tokens=tokens), resources=own)

    for tokens, words in (
        (lambda t: t.split(), 3),
        (lambda t: t.split("-"), 3),
        (re.compile("[a-z]").findall, 4),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(counting, "write_counts", no_room)
            killed(tokens)
        out = tmp_path / "o.npz"
        count_to_file(text, out, rule=CountingRule(tokens=tokens), resources=own)
        assert len(CountFile(out).words) == words


def no_room(*_):
    raise OSError("no room")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_read_from_its_beginning(tmp_path):
    """What "auto" looks into is not lost for what reads it, whatever counts."""
    text = "".join(f"new york is {i % 9 * 'x'} a town\n" for i in range(9000))
    file, pipe = tmp_path / "t.txt", tmp_path / "pipe"
    file.write_text(text)
    os.mkfifo(pipe)
    for found in (
        lambda path: find_phrases(path, threshold=0.1).scores,
        lambda path: count_slices(path, by=lambda _: "all")["all"].sha256,
    ):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(pipe.write_text, text)
            assert found(pipe) == found(file)
