"""Words that are the tokens of a Hugging Face tokenizer."""

import sys

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import w2vflow as wf
from w2vflow.corpus import CountingRule, tokenizer
from w2vflow.corpus.counting import subwords

TEXT = "The dog runs, the dogs ran.\nDogs run and a dog ran.\n"


@pytest.fixture
def trained(tmp_path):
    """Byte-pair tokens of a few words, with all that a model adds: cuts, padding, marks of the beginning."""
    made = Tokenizer(models.BPE(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    made.decoder = decoders.BPEDecoder()
    special = ["[UNK]", "[CLS]", "[PAD]"]
    made.train_from_iterator(
        [TEXT], trainers.BpeTrainer(vocab_size=40, special_tokens=special, show_progress=False)
    )
    plain = [made.encode(line).tokens for line in TEXT.splitlines()]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 1)])
    made.enable_truncation(3)
    made.enable_padding(length=20, pad_token="[PAD]", pad_id=2)
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json", plain


def test_words_are_the_tokens_of_the_whole_text(trained, tmp_path):
    path, plain = trained
    assert [list(tokenizer(str(path))(line)) for line in TEXT.splitlines()] == plain
    assert any(len(words) > 3 for words in plain)
    (tmp_path / "text.txt").write_text(TEXT)
    stats = wf.count(tmp_path / "text.txt", tokens=str(path), workers=1)
    words = [word for line in plain for word in line]
    assert dict(zip(stats.words, stats.unigram.tolist(), strict=True)) == {w: words.count(w) for w in words}
    assert stats.metadata["tokens"].startswith("tokenizer.json (SHA-256 ")


def test_another_tokenizer_of_the_same_name_has_another_name(trained):
    path, _ = trained
    before = CountingRule(tokens=str(path)).tokens_name
    changed = Tokenizer.from_file(str(path))
    changed.normalizer = normalizers.NFC()
    changed.save(str(path))
    assert CountingRule(tokens=str(path)).tokens_name != before
    assert "The" not in tokenizer(str(path))("the")


def test_a_line_break_within_a_token_is_written_out(tmp_path):
    made = Tokenizer(models.WordLevel({"a": 0, "\n": 1, "[UNK]": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
    made.save(str(tmp_path / "tokenizer.json"))
    assert list(tokenizer(str(tmp_path / "tokenizer.json"))("a\na")) == ["a", "\\n", "a"]


def test_files_that_are_no_tokenizers(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.json"):
        tokenizer(str(tmp_path / "none.json"))
    for content in (b"", b"[1]", b"{}", b"\xff", b'{"model": {"type": "none"}}'):
        (tmp_path / "bad.json").write_bytes(content)
        with pytest.raises(ValueError, match=r"`tokens` must be a `tokenizer.json` of Hugging Face"):
            tokenizer(str(tmp_path / "bad.json"))


def test_without_the_extra(trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    subwords._of_content.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'w2vflow\[tokenizers\]'"):
        tokenizer(str(trained[0]))
