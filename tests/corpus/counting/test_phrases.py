"""Phrases: scores against the definition and gensim, and words with pairs joined."""

import contextlib
import json
from collections import Counter
from itertools import pairwise

import gensim
import numpy as np
import pytest
from commands import as_json, refused
from gensim.models.phrases import npmi_scorer, original_scorer

import w2vflow as wf
from w2vflow.corpus import CountingRule, Phrases, Resources, find_phrases, tokenizer

ONE = Resources(workers=1)


@pytest.fixture(scope="module")
def lines():
    """Sentences of random words in which new york and san jose stand side by side more than by chance."""
    rng = np.random.default_rng(0)
    words = [*"abcdefghij", "new york", "new york", "san jose", "new", "york"]
    return [" ".join(rng.choice(words, size=rng.integers(1, 14))) for _ in range(300)]


@pytest.fixture(scope="module")
def path(lines, tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(lines) + "\nrare words\n")
    return path


def by_the_definition(path, score, min_count, discount):
    documents = [line.split() for line in path.read_text().splitlines()]
    words = Counter(word for document in documents for word in document)
    pairs = Counter(pair for document in documents for pair in pairwise(document))
    total, found = words.total(), {}
    for (a, b), n in pairs.items():
        if min(n, words[a], words[b]) >= min_count:
            if score == "word2phrase":
                found[a, b] = (n - discount) * total / (words[a] * words[b])
            else:
                found[a, b] = np.log(n / total / (words[a] / total * words[b] / total)) / -np.log(n / total)
    return found


@pytest.mark.parametrize("score", ["word2phrase", "npmi"])
@pytest.mark.parametrize(("min_count", "discount"), [(1, 0), (3, None), (12, 4.5)])
def test_scores_are_those_of_the_definition(path, score, min_count, discount):
    rule = {"score": score, "min_count": min_count, "discount": discount, "resources": ONE}
    expected = by_the_definition(path, score, min_count, min_count if discount is None else discount)
    found = find_phrases(path, threshold=-2, **rule)
    scores = dict(zip(found.pairs, found.scores, strict=True))
    above = {pair: value for pair, value in expected.items() if value > -2}
    assert scores == pytest.approx(above, rel=1e-12)
    assert list(found.scores) == sorted(found.scores, reverse=True)
    median = float(np.median(list(scores.values())))
    fewer = find_phrases(path, threshold=median, **rule)
    assert set(fewer.pairs) == {pair for pair, value in scores.items() if value > median}


def test_scores_are_those_of_gensim(path):
    """Which multiplies word2phrase's score by the size of its vocabulary in place of the number of tokens."""
    documents = [line.split() for line in path.read_text().splitlines()]
    words = Counter(word for document in documents for word in document)
    pairs = Counter(pair for document in documents for pair in pairwise(document))
    tokens, size = words.total(), 1000
    for score, scorer, factor in (("word2phrase", original_scorer, tokens / size), ("npmi", npmi_scorer, 1)):
        found = find_phrases(path, score=score, threshold=-1, min_count=3, resources=ONE)
        assert len(found.pairs) > 50
        for (a, b), value in zip(found.pairs, found.scores, strict=True):
            theirs = scorer(words[a], words[b], pairs[a, b], size, 3, tokens)
            assert value == pytest.approx(factor * theirs, rel=1e-12)


def test_pairs_are_joined_as_gensim_joins_them(path):
    documents = [line.split() for line in path.read_text().splitlines()]
    theirs = gensim.models.phrases.Phrases(documents, min_count=3, threshold=0.15, scoring="npmi")
    ours = find_phrases(path, score="npmi", threshold=0.15, min_count=3, resources=ONE)
    assert {
        "_".join(pair): pytest.approx(score) for pair, score in zip(ours.pairs, ours.scores, strict=True)
    } == (theirs.export_phrases())
    assert {("new", "york"), ("san", "jose")} <= set(ours.pairs)
    for document in documents:
        assert ours(" ".join(document)) == theirs[document]


def test_words_are_joined_from_left_to_right_once():
    phrases = Phrases((("a", "a"), ("a", "b"), ("b", "c")), (3.0, 2.0, 1.0), "latin")
    assert phrases("A a a a a") == ["a_a", "a_a", "a"]
    assert phrases("a b c") == ["a_b", "c"]
    assert phrases("b a, b") == ["b", "a_b"]
    assert phrases("") == []
    with pytest.raises(ValueError, match="`scores` must be one for each of the 1 pairs, but got 2"):
        Phrases((("a", "b"),), (1.0, 2.0), "latin")


def test_phrases_are_counted_as_words_and_saved(path, tmp_path):
    phrases = find_phrases(path, score="npmi", threshold=0.15, resources=ONE)
    phrases.save(tmp_path / "phrases.json")
    assert Phrases.load(tmp_path / "phrases.json") == wf.load(tmp_path / "phrases.json") == phrases
    one = wf.count(path, tokens=phrases, min_count=5, workers=1)
    assert {"new_york", "san_jose", "new", "a"} <= set(one.words)
    again = wf.count(path, tokens=str(tmp_path / "phrases.json"), min_count=5, workers=1)
    assert again.sha256 == one.sha256
    assert again.metadata == one.metadata
    assert repr(phrases) == one.metadata["tokens"]
    # Longer ones, by phrases of phrases.
    longer = find_phrases(path, tokens=phrases, score="npmi", threshold=-0.5, min_count=2, resources=ONE)
    assert any("new_york" in pair for pair in longer.pairs)
    longer.save(tmp_path / "longer.json")
    assert Phrases.load(tmp_path / "longer.json")("in new york a") == longer("in new york a")


def test_phrases_of_a_text_in_another_encoding(path, tmp_path):
    text = path.read_text().replace("new", "für").replace("york", "größe") * 2
    (tmp_path / "latin.txt").write_text(text, encoding="cp1252")
    (tmp_path / "utf8.txt").write_text(text, encoding="utf-8")
    rule = {"score": "npmi", "threshold": 0.15, "resources": ONE}
    with pytest.raises(ValueError, match=r"pass `encoding=\"cp1252\"`"):
        find_phrases(tmp_path / "latin.txt", **rule)
    found = find_phrases(tmp_path / "latin.txt", encoding="cp1252", **rule)
    assert ("für", "größe") in found.pairs
    assert found == find_phrases(tmp_path / "utf8.txt", **rule)
    out = tmp_path / "phrases.json"
    options = ("--score", "npmi", "--threshold", "0.15", "--encoding", "cp1252")
    as_json("phrases", tmp_path / "latin.txt", "--out", out, *options)
    assert Phrases.load(out) == found


def test_another_set_of_phrases_has_another_name():
    """A count that is resumed must not mix them."""
    names = {
        CountingRule(tokens=Phrases(pairs, (1.0,) * len(pairs), tokens)).tokens_name
        for pairs in ((("a", "b"),), (("a", "c"),))
        for tokens in ("latin", "unicode")
    }
    assert len(names) == 4


def test_bad_phrases_are_refused(path, tmp_path):
    for rule, match in (
        ({"score": "pmi"}, "`score` must be one of"),
        ({"min_count": 0}, "`min_count` must be at least 1"),
        ({"min_count": 10**6}, "`min_count` must be at least 1 and reached by some word"),
        ({"threshold": np.nan}, "`threshold` must be finite"),
        ({"discount": np.inf}, "`discount` must be finite"),
    ):
        with pytest.raises(ValueError, match=match):
            find_phrases(path, resources=ONE, **rule)
    with pytest.raises(ValueError, match="`tokens` must be a rule by name, to be saved, but got a function"):
        Phrases((("a", "b"),), (1.0,), str.split).save(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"`path` must be a file name ending in .json"):
        Phrases((("a", "b"),), (1.0,), "latin").save(tmp_path / "a.txt")
    for content in ("{", "[]", '{"format": "other"}', '{"format": "w2vflow-phrases", "version": 9}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(ValueError, match=r"`path` must be a file written by `Phrases.save`"):
            Phrases.load(tmp_path / "bad.json")
        with pytest.raises(ValueError, match=r"`(tokens|path)` must be "):
            tokenizer(str(tmp_path / "bad.json"))


def test_damaged_phrases_are_told_and_earlier_ones_read(tmp_path):
    phrases, file = Phrases((("new", "york"), ("san", "jose")), (3.25, 2.5), "latin"), tmp_path / "a.json"
    phrases.save(file)
    whole = file.read_bytes()
    record = json.loads(whole)
    rng = np.random.default_rng(0)
    for place in rng.integers(len(whole), size=200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        # A space between two values may become another.
        with contextlib.suppress(ValueError):
            assert Phrases.load(file) == phrases
    file.write_text("[" * 10**5)
    with pytest.raises(ValueError, match="damaged or of another kind"):
        Phrases.load(file)
    del record["blake3"]
    file.write_text(json.dumps({**record, "version": 1}))
    with pytest.warns(RuntimeWarning, match="is of an earlier version, without a checksum"):
        assert Phrases.load(file) == phrases


def test_phrases_on_the_command_line(path, tmp_path, capsys):
    out = tmp_path / "new" / "phrases.json"
    found = as_json("phrases", path, "--out", out, "--score", "npmi", "--threshold", "0.15", "--workers", "1")
    assert found["phrases"] == len(json.loads(out.read_text())["pairs"]) > 1
    assert found["best"][0]["phrase"] in ("new_york", "san_jose")
    as_json("count", path, "--tokens", out, "--out", tmp_path / "counts.npz", "--workers", "1")
    assert "new_york" in wf.load(tmp_path / "counts.npz").words
    said = refused(capsys, "phrases", path, "--out", tmp_path / "phrases.txt")
    assert "`out` must be a file name ending in .json" in said
