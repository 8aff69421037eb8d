"""Token files: a text in numbers, the same bytes however made; what does not fit is told."""

import json
import re
from functools import partial

import numpy as np
import pytest
from texts import write_text

import w2vflow as wf
from w2vflow.corpus.documents import token_file as tokenfile
from w2vflow.corpus.documents.token_file import TokenFile, tokenize
from w2vflow.corpus.reading.files import read_blocks
from w2vflow.support.seals import file_digest, with_digest

TEXT = ["the cat sat on the mat", "a cat", "xyzzy", "on the mat the dog sat and the cat sat", "the the"]


@pytest.mark.parametrize(
    "chosen",
    [{"vocab_size": 4}, {"min_count": 2}, {"vocabulary": ["mat", "the", "cat"]}],
    ids=lambda chosen: next(iter(chosen)),
)
@pytest.mark.parametrize("rule", [{}, {"min_document_words": 3}, {"tokens": r"\w\w+"}], ids=str)
def test_token_files_hold_the_text_in_the_words_of_the_count(tmp_path, chosen, rule):
    path = write_text(tmp_path / "text.txt", TEXT)
    tokenize(path, tmp_path / "tokens", **chosen, **rule, source="a rhyme", workers=1)
    corpus = TokenFile.load(tmp_path / "tokens")
    stats = wf.count(path, **chosen, **rule, window=3, workers=1)
    assert corpus.words == stats.words
    np.testing.assert_array_equal(corpus.unigram, stats.unigram)
    assert corpus.metadata["source"] == "a rhyme"
    assert corpus.metadata["corpus_tokens"] == stats.metadata["corpus_tokens"]
    row = {word: i for i, word in enumerate(stats.words)}
    expected = []
    for line in TEXT:
        words = re.findall(rule.get("tokens", "[a-z]+"), line)
        if words and len(words) >= rule.get("min_document_words", 0):
            expected += [*(row[w] for w in words if w in row), -1]
    assert corpus.tokens.tolist() == expected
    assert isinstance(corpus.tokens, np.memmap)


def test_token_files_have_the_same_bytes_for_any_workers_and_blocks(tmp_path, monkeypatch):
    path = write_text(tmp_path / "text.txt", TEXT * 20)
    tokenize(path, tmp_path / "one", vocab_size=5, workers=1)
    monkeypatch.setattr(tokenfile, "read_blocks", partial(read_blocks, block_bytes=60))
    tokenize(path, tmp_path / "blocks", vocab_size=5, workers=1)
    tokenize(path, tmp_path / "workers", vocab_size=5, workers=2)
    for name in ("tokens.npy", "manifest.json"):
        whole = (tmp_path / "one" / name).read_bytes()
        assert (tmp_path / "blocks" / name).read_bytes() == whole
        assert (tmp_path / "workers" / name).read_bytes() == whole
    assert {p.name for p in tmp_path.iterdir()} == {"text.txt", "one", "blocks", "workers"}


def test_a_folder_of_tokens_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path = write_text(tmp_path / "text.txt", TEXT)

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(tokenfile, "write_json", full)
    with pytest.raises(OSError, match="No space left"):
        tokenize(path, tmp_path / "tokens", vocab_size=3, workers=1)
    assert [p.name for p in tmp_path.iterdir()] == ["text.txt"]


def test_bad_requests_for_tokens_are_refused(tmp_path):
    path = write_text(tmp_path / "text.txt", TEXT)
    (tmp_path / "there").mkdir()
    with pytest.raises(ValueError, match="`out` must be a folder that is not there yet"):
        tokenize(path, tmp_path / "there", vocab_size=3, workers=1)
    with pytest.raises(ValueError, match="text with words in documents of at least 99 words"):
        tokenize(path, tmp_path / "tokens", vocab_size=3, min_document_words=99, workers=1)
    with pytest.raises(ValueError, match="`vocab_size` must be at least 1, but got 0"):
        tokenize(path, tmp_path / "tokens", vocab_size=0, workers=1)
    assert not (tmp_path / "tokens").exists()


@pytest.fixture
def folder(tmp_path):
    tokenize(write_text(tmp_path / "text.txt", TEXT), tmp_path / "tokens", vocab_size=4, workers=1)
    return tmp_path / "tokens"


@pytest.mark.parametrize(("cut", "left"), [(2, 19), (24, 14), (80, 0), (150, 0)])
def test_a_token_file_cut_short_says_what_is_missing(folder, cut, left):
    path = folder / "tokens.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with pytest.raises(ValueError, match=f"cut short or changed: {left} tokens of 20.*run `tokenize` again"):
        TokenFile.load(folder)
    path.unlink()
    with pytest.raises(ValueError, match="cut short or changed: 0 tokens of 20"):
        TokenFile.load(folder)


def change_manifest(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    kept = {name: value for name, value in manifest.items() if value is not None and name != "blake3"}
    (folder / "manifest.json").write_text(json.dumps(with_digest(kept)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "w2vflow-cooccurrence"}, "a manifest of another format"),
        ({"version": 3}, "a manifest of version 3, where 1 to 2 can be read"),
        ({"words": ["cat", "the", "sat", "on"]}, "words that disagree with their checksum"),
        ({"unigram": None}, "a damaged manifest .*unigram"),
        ({"unigram": [6, 3, 3]}, "`unigram` must be a count for each of the 4 words"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(folder, changes, message):
    change_manifest(folder, **changes)
    with pytest.raises(ValueError, match=f"`path` must be a folder written by `tokenize`, .*{message}"):
        TokenFile.load(folder)


def test_every_flipped_bit_is_told_or_changes_nothing(folder):
    whole, rng = TokenFile.load(folder), np.random.default_rng(0)
    for name in ("tokens.npy", "manifest.json"):
        content = (folder / name).read_bytes()
        for place in rng.integers(len(content), size=200):
            damaged = bytearray(content)
            damaged[place] ^= 1 << rng.integers(8)
            (folder / name).write_bytes(damaged)
            try:
                found = TokenFile.load(folder)
            except ValueError:
                continue
            # Of a manifest, a space may become another.
            assert (found.tokens.tolist(), found.words) == (whole.tokens.tolist(), whole.words)
            assert (found.unigram.tolist(), found.metadata) == (whole.unigram.tolist(), whole.metadata)
        (folder / name).write_bytes(content)


def test_files_of_the_first_version_are_read(folder):
    change_manifest(folder, version=1, tokens_blake3=None)
    with pytest.warns(RuntimeWarning, match="of an earlier version, without checksums of all it holds"):
        assert len(TokenFile.load(folder).tokens) == 20


def test_what_is_no_token_folder_is_refused(folder):
    for path in (folder / "elsewhere", folder.parent / "text.txt"):
        with pytest.raises(
            ValueError, match=r"a folder written by `tokenize`.* no manifest that can be read"
        ):
            TokenFile.load(path)
    (folder / "manifest.json").write_text("[1, 2")
    with pytest.raises(ValueError, match="no manifest that can be read"):
        TokenFile.load(folder)


@pytest.mark.parametrize("number", [4, -2])
def test_tokens_that_are_no_words_are_refused(folder, number):
    tokens = np.load(folder / "tokens.npy")
    tokens[7] = number
    np.save(folder / "tokens.npy", tokens)
    with pytest.raises(ValueError, match="a damaged token file: its checksum is another"):
        TokenFile.load(folder)
    change_manifest(folder, tokens_blake3=file_digest(folder / "tokens.npy"))
    with pytest.raises(ValueError, match=f"a damaged token file .*0 to 3, or -1.*{number} at place 7"):
        TokenFile.load(folder)
    with pytest.raises(ValueError, match="`tokens` must be int32 of one axis"):
        TokenFile(("a",), np.array([1]), np.array([0, -1]))
