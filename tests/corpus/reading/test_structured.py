"""JSON, CSV and TSV are known by their content, and read by column."""

import csv
import gzip
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import read_documents

from w2vflow.corpus.reading.files import read_blocks

ROWS = [
    {"id": "1", "url": "https://x.org/1", "title": "A", "text": "hello world\nbye"},
    {"id": "2", "url": "https://x.org/2", "title": "B", "text": None},
    {"id": "3", "url": "https://x.org/3", "title": "C", "text": 'caf\u00e9, "quoted"'},
]
TEXTS = ["hello world\nbye", 'café, "quoted"']


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(rows, delimiter=",", **style):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", **style)
    writer.writerows([list(rows[0]), *(row.values() for row in rows)])
    return out.getvalue()


def read(tmp_path, text, name="file", **settings):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    blocks = list(read_blocks(path, **settings))
    found = [b.text[s:e].decode() for b in blocks for s, e in zip(b.starts, b.ends, strict=True)]
    return found, blocks[-1].facts[0]


@pytest.mark.parametrize(
    ("text", "reader"),
    [
        (lines(ROWS), "jsonl"),
        (lines(ROWS).rstrip("\n"), "jsonl"),
        (lines(ROWS).replace("\n", "\r\n"), "jsonl"),
        (json.dumps(ROWS), "jsonl"),
        (json.dumps(ROWS, indent=2, ensure_ascii=False), "jsonl"),
        ("".join(json.dumps(row, indent=2) + "\n" for row in ROWS), "jsonl"),
        (table(ROWS), "csv"),
        (table(ROWS, quoting=csv.QUOTE_ALL), "csv"),
        (table(ROWS, ";"), "csv"),
        (table(ROWS, "\t"), "tsv"),
    ],
    ids=["jsonl", "no end", "crlf", "array", "indented", "objects", "csv", "quotes", "semicolons", "tsv"],
)
def test_tables_are_known_by_content_whatever_their_name(tmp_path, text, reader):
    for name in ("wiki_00", "file.txt"):
        found, facts = read(tmp_path, text, name)
        assert found == TEXTS
        assert (facts.reader, facts.column) == (reader, "text")
        assert read(tmp_path, text, name, column="title")[0] == ["A", "B", "C"]
        assert read(tmp_path, text, name, reader=reader)[0] == TEXTS


def test_texts_in_an_array(tmp_path):
    found, facts = read(tmp_path, json.dumps(["one two", "three", None]))
    assert (found, facts.column) == (["one two", "three"], "")


@pytest.mark.parametrize("name", ["T.JSONL", "t.ndjson", "t.json.gz", "t.CSV", "t.tsv"])
def test_endings_are_believed(tmp_path, name):
    text = lines([{"text": "one"}]) if "json" in name.lower() else "text\none\n"
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    for reader in ("auto", "dataset"):
        assert list(read_documents(tmp_path / name, reader)) == ["one"]


def test_the_only_column_that_is_plainly_text_is_chosen(tmp_path):
    rows = [
        {"id": str(i), "title": f"Title {i}", "body": "Here are more than a few words."} for i in range(3)
    ]
    for text in (lines(rows), table(rows), table(rows, "\t")):
        found, facts = read(tmp_path, text)
        assert (found, facts.column) == ([rows[0]["body"]] * 3, "body")
    several = [{"question": "What are some of these words?", "answer": "These are some of them, I think."}]
    with pytest.raises(
        ValueError, match=r"`column` must be one of the columns of text \['question', 'answer'\], but"
    ):
        read(tmp_path, lines(several))
    with pytest.raises(ValueError, match=r"but got 'words', which is none of \['question', 'answer'\]"):
        read(tmp_path, lines(several), column="words")
    with pytest.raises(ValueError, match=r"but got 'n', which holds something else"):
        read(tmp_path, lines([{"text": "a", "n": 1}]), column="n")


def test_a_part_in_which_all_texts_are_missing_has_no_documents(tmp_path):
    for text in (lines([{"text": None}] * 3), json.dumps([{"text": None}]), "text,label\n,1\n,2\n,3\n", "[]"):
        assert read(tmp_path, text, "t.json" if text[0] in "[{" else "t.csv")[0] == []
    assert read(tmp_path, lines([{"n": 1, "body": None}]))[0] == []


@pytest.mark.parametrize("name", ["t.json", "t.csv", "t.tsv"])
def test_an_empty_file_has_no_documents(tmp_path, name):
    assert read(tmp_path, "", name)[0] == []


def test_a_table_without_names_of_columns(tmp_path):
    found, facts = read(tmp_path, "".join(f"{i}\teng\tHere are more than a few words.\n" for i in range(9)))
    assert (facts.reader, facts.column, len(found)) == ("tsv", "3", 9)
    found, facts = read(tmp_path, '"3","A title","Some text, with several words in it"\n' * 4)
    assert (facts.reader, facts.column, len(found)) == ("csv", "3", 4)
    assert read(tmp_path, "1\tone\n2\ttwo\n3\tthree\n", column="2")[0] == ["one", "two", "three"]


def test_a_column_of_a_text_that_has_none_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"`column` must be left out, .* 'body' for .*file, which is read as lines"
    ):
        read(tmp_path, "title,body\nA,b\n", column="body")
    assert read(tmp_path, "title,body\nA,b\n", column="body", reader="csv")[0] == ["b"]
    assert read(tmp_path, "title|text\nA|b\n", "t.csv")[0] == ["b"]


def test_a_quote_in_a_field_between_tabs_is_a_letter(tmp_path):
    assert read(tmp_path, 'id\ttext\n1\ta "quoted" word\n2\tan inch"\n')[0] == ['a "quoted" word', 'an inch"']


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            '{"text": "a"}\n{"text": broken}\n',
            r"whole JSON, but got .*file, not so in entry 2 \(Expecting value",
        ),
        ('{"text": "a"}\n{"text": "b', r"not so in entry 2 \(Unterminated string"),
        ('[{"text": "a"}, {"text": "b"}', r"not so in entry 3 \(it ends within an array"),
        (
            '{"text": "a"}\n' * 200 + '{"text": 3}\n',
            r"`column` must be one of text, but got 'text', with '3' in entry 201",
        ),
        ('{"text": "a"}\n[1]\n', "JSON objects or texts, .* but got .*file with a list as entry 2"),
        (
            "text,label\n" + "a,1\n" * 20_000 + "a,b,c\n",
            "a table of 2 columns, but got .*file with 3 fields in row 20002",
        ),
        (
            "text,label\n" + "a,1\n" * 20_000 + '"a',
            r"a whole table, but got .*file, not so in row 20002 \(unexpected",
        ),
    ],
)
def test_broken_tables_are_refused(tmp_path, text, match):
    with pytest.raises(ValueError, match=match):
        read(tmp_path, text)


def test_a_file_that_is_said_to_be_a_table_and_is_none(tmp_path):
    with pytest.raises(
        ValueError, match=r"CSV, every row of as many fields, but got .*a\.csv.*`reader=\"lines\"`"
    ):
        read(tmp_path, "text\nhello, world\n", "a.csv")
    with pytest.raises(ValueError, match=r"whole JSON, but got .*a\.json, not so in entry 1"):
        read(tmp_path, "hello world\n", "a.json")


def test_long_entries(tmp_path):
    """Longer than what is looked at, than a block, and than fields of `csv` may be by default."""
    long = "word " * 200_000
    for text in (
        lines([{"text": long}] * 3),
        json.dumps([{"text": long}] * 3),
        f'text,label\n"{long}",1\n' + f'"{long}",2\n' * 2,
    ):
        path = tmp_path / ("t.csv" if text.startswith("text") else "t")
        path.write_text(text)
        blocks = list(read_blocks(path, block_bytes=2**16))
        assert [block.text.decode() for block in blocks] == [long] * 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1), min_size=1
    )
)
def test_what_is_written_is_read(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("table")
    rows = [{"n": i, "text": text} for i, text in enumerate(texts)]
    for text, name in ((lines(rows), "t.jsonl"), (json.dumps(rows), "t.json"), (table(rows), "t.csv")):
        assert read(folder, text, name)[0] == texts
