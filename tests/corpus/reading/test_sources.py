"""Folders, links, pipes, standard input and other machines as sources of text."""

import gzip
import io
import os
import sys
import threading
import zipfile

import pytest
from texts import read_documents

import w2vflow as wf
from w2vflow.corpus.reading.guesses import suggested
from w2vflow.corpus.reading.sources import expand_paths, text_sources

LINES = ["the cat sat on the mat", "the dog ran"]
TEXT = "".join(line + "\n" for line in LINES)


def names(folder, paths=None):
    found = expand_paths([folder] if paths is None else paths)
    return [os.path.relpath(path, folder) for path in found]


def test_hidden_files_of_a_folder_are_passed_over(tmp_path):
    left = [".DS_Store", "._a.txt", ".a.txt.swp", "a.txt~", "#a.txt#", "Thumbs.db", "desktop.ini"]
    left += [".git/blob", "__MACOSX/a.txt", "b/.ipynb_checkpoints/c.txt"]
    for name in ["a.txt", "b/c.txt", *left]:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(TEXT)
    assert names(tmp_path) == ["a.txt", "b/c.txt"]
    assert names(tmp_path, [tmp_path / "*"]) == ["a.txt"]
    assert names(tmp_path, [tmp_path / "**" / "*"]) == ["a.txt", "b/c.txt"]
    assert names(tmp_path, [tmp_path / "__MACOSX" / "*.txt"]) == ["__MACOSX/a.txt"]
    # Named, they are read.
    for name in left:
        assert list(read_documents(tmp_path / name)) == LINES
    assert names(tmp_path, [tmp_path / "*~"]) == ["a.txt~"]
    assert names(tmp_path, [tmp_path / ".git"]) == [".git/blob"]
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / ".hidden").write_text(TEXT)
    with pytest.raises(FileNotFoundError, match=r"There is no text file .*none\."):
        names(tmp_path, [tmp_path / "none"])


def test_a_file_of_a_folder_is_read_once_by_whatever_links_it_is_reached(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside, inside / "sub"):
        folder.mkdir()
    (inside / "a.txt").write_text(TEXT)
    (outside / "b.txt").write_text(TEXT)
    (inside / "link.txt").symlink_to("a.txt")
    (inside / "loop").symlink_to(".")
    (inside / "sub" / "up").symlink_to("..")
    (inside / "other").symlink_to(outside)
    (inside / "again").symlink_to(outside)
    (inside / "gone.txt").symlink_to("nowhere")
    assert names(inside) == ["a.txt", "again/b.txt"]
    # Files that are named are read as often as they are named.
    assert len(names(inside, [inside / "a.txt", inside / "link.txt"])) == 2


def test_a_pipe_is_looked_into_and_read_once(tmp_path):
    pipe, book = tmp_path / "pipe", "für uns\nund euch\n\nüber allen\nist ruh\n\n" * 4000
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(book,), kwargs={"encoding": "utf-8"})
    writer.start()
    stats = wf.count(pipe, window=2)
    writer.join()
    assert stats.metadata["corpus_documents"] == 8000
    assert (stats.metadata["corpus_reader"], "für" in stats.words) == ("paragraphs", True)


@pytest.mark.parametrize("text", [TEXT * 9000, '{"text": "für uns"}\n' * 9000], ids=["lines", "jsonl"])
def test_standard_input_is_looked_into_and_read_once(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    stats = wf.count("-", window=2)
    assert stats.metadata["corpus_documents"] == text.count("\n")
    assert not sys.stdin.buffer.closed


def test_standard_input_is_what_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Größe für uns\n".encode("latin-1"))))
    given = text_sources("-")
    assert suggested(given, "auto", "auto") == ("auto", "latin")
    with pytest.raises(ValueError, match=r"but got standard input, which loses more .* In cp1252 it reads"):
        list(read_documents(given))


def test_an_empty_standard_input_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(ValueError, match="`paths` must be text, but got standard input, which is empty"):
        list(read_documents("-"))
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match="`paths` must be files where there is no standard input, but got -"):
        list(read_documents("-"))


def test_parquet_from_a_pipe_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"PAR1\x15\x04\x15")))
    with pytest.raises(
        ValueError, match="`paths` must be files, if they are Parquet, but got standard input"
    ):
        list(read_documents("-"))


@pytest.fixture
def machine():
    """Another machine, in memory."""
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe("/texts/a.txt", TEXT.encode())
    system.pipe("/texts/b.txt.gz", gzip.compress(b"packed words\n"))
    system.pipe("/texts/.hidden", b"hidden\n")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("c.txt", "zipped\n")
    system.pipe("/zip/c.zip", packed.getvalue())
    yield "memory://"
    system.rm("/texts", recursive=True)
    system.rm("/zip", recursive=True)


def test_texts_of_other_machines(machine):
    assert list(read_documents(f"{machine}texts/a.txt")) == LINES
    assert list(read_documents(f"{machine}zip/c.zip")) == ["zipped"]
    for paths in (f"{machine}texts", f"{machine}texts/*.*"):
        assert list(read_documents(paths)) == [*LINES, "packed words"]
    stats = wf.count(f"{machine}texts", window=2)
    assert stats.metadata["corpus_documents"] == 3
    with pytest.raises(FileNotFoundError, match="There is no text file memory://texts/none"):
        list(read_documents(f"{machine}texts/none"))


def test_parquet_of_another_machine(machine):
    import fsspec
    import pyarrow as pa
    import pyarrow.parquet as pq

    with fsspec.open("memory://texts/t.parquet", "wb") as file:
        pq.write_table(pa.table({"text": ["one two", None]}), file)
    assert list(read_documents("memory://texts/t.parquet")) == ["one two"]
    assert wf.corpus.text_tokens(["memory://texts/t.parquet"]) == "latin"


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match=r"other machines needs fsspec: pip install 'w2vflow\[remote\]'"):
        list(read_documents("s3://bucket/a.txt"))


def test_a_kind_of_machine_that_needs_more(monkeypatch):
    import fsspec

    def fails(*arguments, **settings):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", fails)
    with pytest.raises(ImportError, match=r"Reading s3://b/a needs more \(Install s3fs.*'w2vflow\[remote\]'"):
        list(read_documents("s3://b/a"))
