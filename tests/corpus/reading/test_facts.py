"""What is said of a text that was counted, in the metadata and in one line."""

import json
from importlib import import_module

import w2vflow as wf

GERMAN = ["der Hund und die Katze für uns", "die Katze und der Hund über uns"]


def test_one_line_says_how_a_text_was_read_and_cut(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(GERMAN), encoding="utf-16")
    about = wf.count(path, window=2).metadata
    assert about["corpus_summary"] == (
        "UTF-16, one document a line, unicode words: 14 tokens in 2 documents, 8 distinct words; "
        "der die hund katze und uns ..."
    )
    assert (about["corpus_reader"], about["corpus_encoding"]) == ("lines", "UTF-16")
    assert "corpus_column" not in about
    assert "corpus_pages_skipped" not in about


def test_facts_of_several_files(tmp_path):
    (tmp_path / "a.txt").write_text(GERMAN[0], encoding="utf-16")
    (tmp_path / "b").write_text("".join(json.dumps({"n": 1, "body": text}) + "\n" for text in GERMAN))
    (tmp_path / "c.csv").write_text(f"text\n{GERMAN[0]}\n")
    about = wf.count(tmp_path, window=2, tokens="[a-z]+").metadata
    assert about["corpus_reader"] == "csv, jsonl, lines"
    assert about["corpus_encoding"] == "UTF-16, UTF-8"
    assert about["corpus_column"] == "body, text"
    read = "UTF-16, UTF-8, rows of CSV, entries of JSON, one document a line, column body, text, "
    assert about["corpus_summary"].startswith(f"{read}words by [a-z]+: ")


def test_facts_depend_on_the_text_alone(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_bytes(("\n".join(GERMAN) + "\n").encode() * 4000 + b"a \xff byte\n")
    plain = wf.count(path, window=2, workers=1).metadata
    assert "56,002 tokens in 8,001 documents" in plain["corpus_summary"]
    monkeypatch.setattr(import_module("w2vflow.corpus.counting.count"), "BLOCK_BYTES", 10_000)
    assert wf.count(path, window=2, workers=2).metadata == plain
    wf.tokenize(path, tmp_path / "tokens", workers=2)
    tokens = wf.TokenFile.load(tmp_path / "tokens").metadata
    assert {name: tokens[name] for name in plain if name.startswith("corpus_")}.items() <= plain.items()


def test_parts_are_merged_however_each_was_read(tmp_path):
    words = ["der", "die", "hund", "katze"]
    (tmp_path / "a.txt").write_text(GERMAN[0], encoding="utf-16")
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": GERMAN[1]}))
    parts = [wf.count(tmp_path / name, vocabulary=words, tokens="unicode") for name in ("a.txt", "b.jsonl")]
    both = wf.counts.merge(*parts)
    assert both.sha256 == wf.count(tmp_path, vocabulary=words, tokens="unicode").sha256
    assert both.metadata["corpus_documents"] == 2


def test_large_numbers_are_rounded():
    from w2vflow.corpus.reading.facts import summary

    facts = {"corpus_documents": 1, "corpus_tokens": 1_234_567, "corpus_distinct_words": 34_000}
    assert summary(facts, "latin", ["a", "b"]) == (
        "one document a line, latin words: 1.2 million tokens in 1 document, 34,000 distinct words; a b"
    )
