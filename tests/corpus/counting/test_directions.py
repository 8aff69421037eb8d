"""Contexts on one side of a word."""

from collections import Counter

import numpy as np
import pytest
from commands import as_json, refused
from texts import random_text

import w2vflow as wf
from w2vflow.corpus.counting import count as cooccurrence
from w2vflow.corpus.counting import rows
from w2vflow.corpus.counting.count import count_to_file
from w2vflow.corpus.counting.rules import CountingRule
from w2vflow.corpus.counting.workers import Resources
from w2vflow.counts.other_programs import from_glove


def counted(path, **settings):
    return {way: wf.count(path, directions=way, workers=1, **settings) for way in ("both", "left", "right")}


@pytest.mark.parametrize("weighting", ["linear", "harmonic"])
@pytest.mark.parametrize("rule", [{}, {"subsampling": "sampled", "subsample_threshold": 0.01, "seed": 3}])
def test_left_is_right_transposed_and_both_is_their_sum(tmp_path, weighting, rule):
    random_text(tmp_path / "text.txt", 150, seed=2)
    found = counted(tmp_path / "text.txt", vocab_size=60, window=4, weighting=weighting, **rule)
    left, right = (found[way].counts.toarray() for way in ("left", "right"))
    np.testing.assert_array_equal(left, right.T)
    np.testing.assert_allclose(left + right, found["both"].counts.toarray(), rtol=1e-15)
    for way in ("left", "right"):
        assert found[way].symmetrized().sha256 == found["both"].sha256
        assert found[way].symmetrized().metadata == found["both"].metadata
        assert found[way].metadata["directions"] == found[way].directions == way


def test_expected_subsampling_of_one_side(tmp_path):
    random_text(tmp_path / "text.txt", 100, seed=4)
    rule = {"vocab_size": 30, "window": 3, "out_of_vocabulary": "after", "directions": "right", "workers": 1}
    plain = wf.count(tmp_path / "text.txt", **rule)
    thin = wf.count(tmp_path / "text.txt", subsampling="expected", subsample_threshold=0.01, **rule)
    share = plain.unigram / plain.metadata["corpus_tokens"]
    keep = np.minimum(1, np.sqrt(0.01 / share) + 0.01 / share)
    np.testing.assert_allclose(
        thin.counts.toarray(), plain.counts.toarray() * np.outer(keep, keep), rtol=1e-12
    )


def test_same_bytes_for_any_workers_memory_and_blocks(tmp_path, monkeypatch):
    text = tmp_path / "text.txt"
    random_text(text, 1500, seed=0)
    rule = CountingRule(5, "harmonic", directions="left")

    def bytes_of(name, **resources):
        count_to_file(text, tmp_path / name, vocab_size=200, rule=rule, resources=Resources(**resources))
        return (tmp_path / name).read_bytes()

    whole = bytes_of("one.npz", workers=1)
    monkeypatch.setattr(cooccurrence, "BLOCK_BYTES", 30_000)
    assert bytes_of("workers.npz", workers=3) == whole
    monkeypatch.setattr(rows, "_TOKEN_BYTES", 2**14)
    assert bytes_of("groups.npz", workers=2, memory="400MB") == whole
    # Results of one direction in a work folder are not those of the other.
    kept = {"resources": Resources(workers=1, work_dir=tmp_path / "work")}
    with monkeypatch.context() as patch:
        patch.setattr(cooccurrence, "_discard", lambda folder: None)
        count_to_file(text, tmp_path / "left.npz", vocab_size=200, rule=rule, **kept)
    right = CountingRule(5, "harmonic", directions="right")
    count_to_file(text, tmp_path / "right.npz", vocab_size=200, rule=right, **kept)
    left, right = (wf.CooccurrenceStatistics.load(tmp_path / f"{way}.npz") for way in ("left", "right"))
    assert (right.counts != left.counts.T).nnz == 0
    assert (left.counts != right.counts).nnz > 0


def test_import_of_glove_counts_of_one_direction(tmp_path):
    """GloVe's own loop under -symmetric 0: the word on the left first."""
    path = tmp_path / "text.txt"
    random_text(path, 60, seed=5, words=20)
    stats = wf.count(path, vocab_size=10, weighting="harmonic", window=5, directions="right", workers=1)
    counts = Counter()
    for line in path.read_text().splitlines():
        row = [stats.words.index(w) + 1 for w in line.split() if w in stats.words]
        for j, word in enumerate(row):
            for i in range(max(0, j - 5), j):
                counts[row[i], word] += 1 / (j - i)
    np.array([(i, j, v) for (i, j), v in counts.items()], "<i4,<i4,<f8").tofile(tmp_path / "pairs.bin")
    vocab = "".join(f"{w} {n}\n" for w, n in zip(stats.words, stats.unigram, strict=True))
    (tmp_path / "vocab.txt").write_text(vocab)
    glove = from_glove(tmp_path / "pairs.bin", tmp_path / "vocab.txt", directions="right")
    np.testing.assert_allclose(glove.counts.toarray(), stats.counts.toarray(), rtol=1e-12)
    assert glove.directions == "right"


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    random_text(path, 60, seed=6, words=12)
    return wf.count(path, window=3, directions="right", workers=1)


def test_the_theory_asks_for_both_directions(right):
    match = r"`stats` must be of both directions, .* contexts on the right .* Use `stats.symmetrized\(\)`"
    for pose in (
        lambda stats: wf.Problem.from_statistics(stats),
        lambda stats: wf.Problem.from_statistics(stats, weighting=wf.Uniform()),
        lambda stats: wf.embed(stats, 2),
        wf.embeddings.log_counts,
    ):
        with pytest.raises(ValueError, match=match):
            pose(right)
        pose(right.symmetrized())


@pytest.mark.parametrize("smoothing", [1.0, 0.75, 0.0])
def test_pmi_of_one_direction_has_two_marginals(right, smoothing):
    found = wf.embeddings.pmi(right, smoothing=smoothing).toarray()
    P = right.counts.toarray() / right.counts.sum()
    contexts = P.sum(axis=0) ** smoothing
    chance = np.outer(P.sum(axis=1), contexts / contexts.sum())
    np.testing.assert_allclose(found[P > 0], np.log(P[P > 0] / chance[P > 0]), atol=1e-12)
    assert (found[P == 0] == 0).all()
    assert (wf.embeddings.ppmi(right).toarray() >= 0).all()


def test_one_direction_on_the_command_line(tmp_path, capsys):
    random_text(tmp_path / "text.txt", 30, seed=7, words=15)
    out = tmp_path / "right.npz"
    as_json("count", tmp_path / "text.txt", "--directions", "right", "--out", out, "--workers", "1")
    expected = wf.count(tmp_path / "text.txt", directions="right", workers=1)
    assert wf.load(out).sha256 == expected.sha256
    for command in (("spectrum", out), ("embed", out, "--dim", "2", "--out", tmp_path / "vectors.bin")):
        said = refused(capsys, *command)
        assert "`stats` must be of both directions" in said
