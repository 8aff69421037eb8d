"""Documents one by one, against loops over them in plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import w2vflow as wf
from w2vflow.corpus.documents import documents
from w2vflow.corpus.documents.documents import count_documents, document_sums
from w2vflow.corpus.documents.token_file import TokenFile
from w2vflow.counts.merging import merge


def text_of(tokens):
    tokens = np.array(tokens, np.int32)
    unigram = np.bincount(tokens[tokens >= 0])
    return TokenFile(tuple(f"w{i}" for i in range(len(unigram))), unigram, tokens)


def split(tokens):
    found = [[]]
    for word in tokens:
        if word < 0:
            found.append([])
        else:
            found[-1].append(word)
    return found if found[-1] else found[:-1]


def distance_weight(weighting, window, distance):
    return {"linear": window + 1 - distance, "harmonic": 1 / distance, "flat": 1}[weighting]


def counts_of(document, size, window, weighting):
    counts = np.zeros((size, size))
    for a, one in enumerate(document):
        for b, other in enumerate(document):
            if 0 < abs(a - b) <= window:
                counts[one, other] += distance_weight(weighting, window, abs(a - b))
    return counts


def random_text(documents=40, words=6, seed=0):
    rng = np.random.default_rng(seed)
    tokens = [*range(words), -1]
    for _ in range(documents - 1):
        tokens += [*rng.integers(0, words, size=rng.integers(0, 25)).tolist(), -1]
    return text_of(tokens)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-1, 3), max_size=60), st.integers(1, 7),
    st.sampled_from(["linear", "harmonic", "flat"]), st.integers(1, 3), st.integers(0, 2**32),
)  # fmt: skip
def test_counts_equal_loops_over_documents(tail, window, weighting, workers, seed):
    tokens = [0, 1, 2, 3, -1, *tail]
    text, parts = text_of(tokens), split(tokens)
    weights = np.random.default_rng(seed).integers(0, 4, len(parts))
    weights[0] = 2
    found = count_documents(text, weights=weights, window=window, weighting=weighting, workers=workers)
    expected = sum(n * counts_of(part, 4, window, weighting) for n, part in zip(weights, parts, strict=True))
    np.testing.assert_allclose(found.counts.toarray(), expected, rtol=1e-13)
    assert found.unigram.tolist() == [
        sum(n * part.count(word) for n, part in zip(weights, parts, strict=True)) for word in range(4)
    ]
    assert text.documents == len(parts)


@pytest.mark.parametrize("weighting", ["linear", "harmonic"])
def test_all_documents_are_counted_as_count_does(tmp_path, weighting):
    lines = ["the cat sat on the mat", "a cat", "xyzzy", "on the mat the dog sat and the cat sat", "the the"]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines) + "\n")
    settings = {"window": 3, "weighting": weighting}
    expected = wf.count(path, vocab_size=5, source="lines", workers=1, **settings)
    wf.tokenize(path, tmp_path / "tokens", vocab_size=5, source="lines", workers=1)
    found = count_documents(TokenFile.load(tmp_path / "tokens"), **settings)
    assert found.sha256 == expected.sha256
    assert found.metadata == expected.metadata


def test_parts_of_a_text_merge_to_the_whole():
    text = random_text()
    first = np.arange(text.documents) % 2
    first[0] = 1
    second = 1 - first
    second[0] = 1
    parts = [count_documents(text, weights=w, window=4, weighting="harmonic") for w in (first, second)]
    both = count_documents(text, weights=first + second, window=4, weighting="harmonic")
    assert merge(*parts).sha256 == both.sha256
    assert both.metadata["corpus_documents"] == text.documents + 1


def test_documents_are_chosen_by_truth_values():
    text = random_text()
    chosen = np.arange(text.documents) % 3 == 0
    found, expected = (count_documents(text, weights=w) for w in (chosen, chosen.astype(int)))
    assert found.sha256 == expected.sha256
    assert found.metadata == expected.metadata


def test_rows_are_counted_in_as_many_pieces_as_fit(monkeypatch):
    text = random_text(words=12)
    whole = count_documents(text, window=5)
    monkeypatch.setattr(documents, "_ENTRIES", 1)
    assert count_documents(text, window=5).sha256 == whole.sha256


@pytest.mark.parametrize("weighting", ["linear", "harmonic"])
def test_sums_equal_loops_over_pairs(weighting):
    text = random_text(seed=1)
    rng, size = np.random.default_rng(0), 6
    table = rng.random((size, size))
    table += table.T
    v, q = rng.normal(size=(2, size, 3))
    c = rng.normal(size=(3, 3))
    c += c.T
    found = document_sums(text, table, v, q, c, window=4, weighting=weighting, workers=2)
    for number, part in enumerate(split(text.tokens.tolist())):
        expected, counts = np.zeros((3, 3)), counts_of(part, size, 4, weighting)
        for i in range(size):
            for j in range(size):
                pair = table[i, j] * np.outer(v[i], v[j]) + c
                pair = pair - (np.outer(v[i], q[i]) + np.outer(q[i], v[i])) / 2
                pair = pair - (np.outer(v[j], q[j]) + np.outer(q[j], v[j])) / 2
                expected += counts[i, j] * pair
        # The table is looked up in float32.
        np.testing.assert_allclose(found[number], (expected + expected.T) / 2, atol=1e-6 * (1 + counts.sum()))


def test_documents_are_named_by_number_and_first_words():
    text = text_of([0, 1, 2, -1, -1, 2, 1])
    assert text.documents == 3
    assert text.document_starts.tolist() == [0, 4, 5]
    assert text.document_ends.tolist() == [3, 4, 7]
    assert [text.opening(i, 2) for i in range(3)] == ["w0 w1", "", "w2 w1"]
    with pytest.raises(ValueError, match=r"`document` must be one of 0 to 2, but got 3"):
        text.opening(3)
    with pytest.raises(ValueError, match=r"`document` must be one of 0 to 2, but got -1"):
        text.opening(-1)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], r"`weights` must be of shape \(3,\), one for each document, but got shape \(2,\)"),
        ([1, 0.5, 1], r"`weights` must be whole numbers, 0 or more"),
        ([1, -1, 1], r"`weights` must be whole numbers, 0 or more"),
        ([1, np.nan, 1], r"`weights` must be whole numbers, 0 or more"),
    ],
)
def test_bad_weights_are_refused(weights, message):
    text = text_of([0, 1, 2, -1, 0, 1, -1, 1, 0, -1])
    with pytest.raises(ValueError, match=message):
        count_documents(text, weights=weights)


def test_words_that_chosen_documents_lack_are_kept():
    text = text_of([0, 1, 2, -1, 0, 1, -1, 1, 0, -1])
    with pytest.warns(RuntimeWarning, match="of 3 words, 1 do not occur and 0 never .* counts of 0: w2"):
        some = count_documents(text, weights=[0, 1, 1])
    first = count_documents(text, weights=[1, 0, 0])
    assert merge(some, first).sha256 == count_documents(text).sha256
    with pytest.warns(RuntimeWarning, match="3 do not occur and 0 never .*: w0, w1, w2"):
        none = count_documents(text, weights=[0, 0, 0])
    with pytest.raises(ValueError, match="`stats` must be of words that all have pairs"):
        wf.Problem.from_statistics(none)


def test_bad_settings_are_refused():
    text = random_text()
    ones = np.ones((6, 2))
    with pytest.raises(ValueError, match="`window` must be at least 1"):
        count_documents(text, window=0)
    with pytest.raises(ValueError, match="`weighting` must be one of"):
        document_sums(text, np.ones((6, 6)), ones, ones, np.eye(2), weighting="square")
    with pytest.raises(ValueError, match="`tokens` must be a text of the 5 words of the table"):
        document_sums(text, np.ones((5, 5)), ones[:5], ones[:5], np.eye(2))


def test_counts_that_would_overflow_are_refused():
    text = text_of([0, 1, -1])
    weights = np.array([2**31])
    with pytest.raises(ValueError, match="`weighting` must be one whose counts fit into 64 bits"):
        count_documents(text, weights=weights, window=64, weighting="harmonic")


def test_sums_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("w2vflow.support.machine.available_memory", lambda: 1000)
    text, ones = random_text(), np.ones((6, 2))
    with pytest.raises(ValueError, match=r"2 x 2 sums of 40 documents fits into memory"):
        document_sums(text, np.ones((6, 6)), ones, ones, np.eye(2))
