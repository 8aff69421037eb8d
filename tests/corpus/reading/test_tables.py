"""Columns of Parquet files and of Hugging Face datasets, all made here; nothing is fetched."""

import gzip
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from texts import read_documents

from w2vflow.corpus.reading.files import read_blocks
from w2vflow.corpus.reading.tables import read_dataset, read_parquet

TEXTS = ["The cat purrs.", None, "", "Кошка\nмурлычет. 😺", "ネコは鳴く"]
DOCUMENTS = [text for text in TEXTS if text is not None]
WHOLE = (
    r"^Argument `paths` must be a whole Parquet file, but got .*\.parquet, cut short, damaged or of another"
)


def write(path: Path, **columns) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def damage(path: Path) -> None:
    """Overwrite the middle of a file and leave its end, where Parquet keeps the schema."""
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 400 + whole[404:])


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """The library, told before it is loaded to stay off the network and in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hugging_face")))
        import datasets

        assert datasets.config.HF_HUB_OFFLINE, "another test loaded it first"
        yield datasets


@pytest.fixture
def stream(datasets, tmp_path):
    """From columns to a dataset that streams them from two Parquet files."""

    def build(**columns):
        table = pa.table(columns)
        half = len(table) // 2
        files = [str(tmp_path / "first.parquet"), str(tmp_path / "second.parquet")]
        pq.write_table(table[:half], files[0])
        pq.write_table(table[half:], files[1])
        return datasets.load_dataset(
            "parquet", data_files=files, split="train", streaming=True, cache_dir=str(tmp_path / "cache")
        )

    return build


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_the_only_column_of_text_is_read(tmp_path, kind):
    texts = pa.array(TEXTS, pa.string()).cast(kind)
    path = write(tmp_path / "a.parquet", id=range(5), article=texts, tags=[["x"]] * 5, raw=[b"x"] * 5)
    assert list(read_parquet(path)) == DOCUMENTS
    assert list(read_parquet(str(path), "article")) == DOCUMENTS


def test_of_several_columns_text_is_read_or_the_named_one(tmp_path):
    path = write(tmp_path / "a.parquet", title=["a", "b"], text=["c", "d"])
    assert list(read_parquet(path)) == ["c", "d"]
    assert list(read_parquet(path, column="title")) == ["a", "b"]


def test_a_file_without_rows_has_no_documents(tmp_path):
    assert list(read_parquet(write(tmp_path / "a.parquet", text=pa.array([], pa.string())))) == []


def test_row_groups_and_batches_follow_each_other(tmp_path):
    texts = [None if i % 7 == 0 else f"document {i}" for i in range(2000)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=300)
    assert list(read_parquet(tmp_path / "a.parquet")) == [text for text in texts if text is not None]


def test_memory_does_not_grow_with_the_row_group(tmp_path):
    path = tmp_path / "a.parquet"
    texts = pa.table({"text": [f"{i:010}" * 200 for i in range(20_000)]})
    pq.write_table(texts, path, row_group_size=20_000, compression="none", use_dictionary=False)
    del texts
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() for _ in read_parquet(path)) - before
    assert path.stat().st_size > 40_000_000
    assert most < 8_000_000


@pytest.mark.parametrize(
    ("columns", "column", "message"),
    [
        ({"a": ["x"], "b": ["y"], "n": [1]}, None, r"\['a', 'b'\], but got None\. Name the one to read\.$"),
        (
            {"n": [1], "raw": [b"x"]},
            None,
            r"\[\], but got None\. The columns \['n', 'raw'\] hold other things",
        ),
        ({"a": ["x"], "n": [1]}, "text", r"\['a'\], but got 'text', which is none of \['a', 'n'\]\.$"),
        ({"a": ["x"], "n": [1]}, "n", r"\['a'\], but got 'n', which holds something else\.$"),
        ({"a": [["x"]]}, "a", r"\[\], but got 'a', which holds something else\.$"),
    ],
)
def test_a_wrong_column_is_refused(tmp_path, stream, columns, column, message):
    message = r"^Argument `column` must be one of the columns of text " + message
    with pytest.raises(ValueError, match=message):
        next(read_parquet(write(tmp_path / "a.parquet", **columns), column))
    with pytest.raises(ValueError, match=message):
        next(read_dataset(stream(**columns), column))


@pytest.mark.parametrize("length", [0, 3, 200, -1])
def test_a_truncated_file_is_refused(tmp_path, length):
    path = write(tmp_path / "a.parquet", text=[f"document {i}" for i in range(100)])
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=WHOLE + r" kind \(.*\)\. Fetch it again\.$"):
        list(read_parquet(path))


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_text("The cat purrs.\n" * 10)
    with pytest.raises(ValueError, match=WHOLE):
        list(read_parquet(path))


def test_damage_inside_a_file_is_refused(tmp_path):
    path = write(tmp_path / "a.parquet", text=[f"document {i}" for i in range(1000)])
    damage(path)
    with pytest.raises(ValueError, match=WHOLE + r" kind \(.*\)\. Fetch it again\.$"):
        list(read_parquet(path))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    texts = pa.StringArray.from_buffers(
        1, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")
    )
    with pytest.raises(ValueError, match=WHOLE + ".*utf-8"):
        list(read_parquet(write(tmp_path / "a.parquet", text=texts)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no Parquet file .*none\.parquet\."):
        next(read_parquet(tmp_path / "none.parquet"))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_a_streamed_dataset_is_read(stream, kind):
    dataset = stream(id=range(5), title=["t"] * 5, text=pa.array(TEXTS, kind))
    assert list(read_dataset(dataset)) == DOCUMENTS
    assert list(read_dataset(dataset, "title")) == ["t"] * 5


def test_a_dataset_in_memory_is_read(datasets):
    dataset = datasets.Dataset.from_dict({"id": range(5), "article": TEXTS})
    assert list(read_dataset(dataset)) == DOCUMENTS


def test_other_columns_are_not_decoded(datasets):
    """A picture that is none breaks a row as soon as it is decoded."""
    pictures = datasets.Features({"text": datasets.Value("string"), "picture": datasets.Image()})
    rows = {"text": ["a"], "picture": [{"bytes": b"none", "path": None}]}
    assert list(read_dataset(datasets.Dataset.from_dict(rows, features=pictures))) == ["a"]


@pytest.mark.parametrize("as_text", [str, Path])
def test_a_local_folder_is_streamed(datasets, tmp_path, as_text):
    folder = tmp_path / "corpus"
    folder.mkdir()
    write(folder / "train-00000-of-00002.parquet", text=TEXTS[:2])
    write(folder / "train-00001-of-00002.parquet", text=TEXTS[2:])
    write(folder / "test-00000-of-00001.parquet", text=["held out"])
    assert list(read_dataset(as_text(folder))) == DOCUMENTS


def test_a_stream_that_does_not_know_its_columns_is_read(stream):
    dataset = stream(id=range(5), text=TEXTS).map(lambda row: {"length": len(row["text"] or "")})
    assert dataset.features is None
    assert list(read_dataset(dataset)) == DOCUMENTS
    with pytest.raises(
        ValueError, match=r"Argument `column` must be one of the columns of text \['text'\], but"
    ):
        next(read_dataset(dataset, "length"))


def test_an_empty_stream_that_does_not_know_its_columns_has_no_documents(datasets):
    assert list(read_dataset(datasets.IterableDataset.from_generator(lambda: iter(())))) == []


def test_an_entry_that_is_no_text_is_refused(datasets):
    def rows():
        yield {"text": None}
        yield {"text": 3}

    with pytest.raises(
        ValueError, match=r"Argument `column` must be one of text, but got 'text', with an entry 3"
    ):
        list(read_dataset(datasets.IterableDataset.from_generator(rows)))


def test_several_splits_are_refused(datasets):
    splits = {name: datasets.Dataset.from_dict({"text": ["a"]}) for name in ("train", "test")}
    message = (
        r"Argument `dataset` must be one split, but got the splits \['test', 'train'\]\. Choose one: `da"
    )
    with pytest.raises(ValueError, match=message):
        next(read_dataset(datasets.DatasetDict(splits)))


def test_what_is_no_dataset_is_refused(datasets):
    message = r"Argument `dataset` must be a `datasets\.Dataset`, .* or the name of one, but got a list\."
    with pytest.raises(ValueError, match=message):
        next(read_dataset(["a", "b"]))


CUT = r"Argument `dataset` must be made of whole files, but got one that is cut short or damaged \(.*\)\. Fe"


def test_a_truncated_file_of_a_dataset_is_refused(stream, tmp_path):
    dataset = stream(text=[f"document {i}" for i in range(100)])
    second = tmp_path / "second.parquet"
    second.write_bytes(second.read_bytes()[:200])
    documents = read_dataset(dataset)
    assert [next(documents) for _ in range(50)] == [f"document {i}" for i in range(50)]
    with pytest.raises(ValueError, match=CUT):
        next(documents)


def test_a_folder_with_a_truncated_file_is_refused(datasets, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    path = write(folder / "train.parquet", text=TEXTS)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=CUT):
        list(read_dataset(folder))


def test_damage_inside_a_file_of_a_dataset_is_refused(stream, tmp_path):
    dataset = stream(text=[f"document {i}" for i in range(1000)])
    damage(tmp_path / "second.parquet")
    with pytest.raises(ValueError, match=CUT):
        list(read_dataset(dataset))


def test_a_name_that_is_not_reached_keeps_the_words_of_the_library(datasets):
    with pytest.raises(ConnectionError, match="no/such"):
        next(read_dataset("no/such"))
    with pytest.raises(FileNotFoundError, match="/no/such/folder"):
        next(read_dataset("/no/such/folder"))


def test_a_file_that_may_not_be_read_keeps_the_words_of_the_system(tmp_path, monkeypatch):
    def forbidden(*args, **kwargs):
        raise PermissionError("Permission denied")

    path = write(tmp_path / "a.parquet", text=["a"])
    monkeypatch.setattr(pq, "ParquetFile", forbidden)
    with pytest.raises(PermissionError, match="Permission denied"):
        next(read_parquet(path))


def test_missing_libraries_are_named(datasets, tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", text=["a"])
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        ImportError, match=r"Face dataset needs datasets: pip install 'w2vflow\[huggingface\]'"
    ):
        next(read_dataset(str(tmp_path)))
    assert list(read_parquet(path)) == ["a"]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ImportError, match=r"Parquet file needs pyarrow: pip install 'w2vflow\[huggingface\]'"
    ):
        next(read_parquet(path))


@pytest.mark.parametrize("name", ["a.PARQUET", "a.txt", "part-00000"])
@pytest.mark.parametrize("reader", ["auto", "parquet", "dataset"])
def test_parquet_is_known_by_its_first_bytes(tmp_path, name, reader):
    path = write(tmp_path / name, text=TEXTS)
    assert list(read_documents(path, reader)) == DOCUMENTS
    assert list(read_documents(tmp_path, reader if reader != "dataset" else "auto")) == DOCUMENTS


def test_packed_parquet_is_refused(tmp_path):
    path = write(tmp_path / "a.parquet", text=TEXTS)
    (tmp_path / "b.parquet.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(
        ValueError, match=r"Parquet files as they are, but got .*b\.parquet\.gz\. Unpack it first"
    ):
        list(read_documents(tmp_path / "b.parquet.gz"))


@pytest.mark.parametrize("kind", [pa.null(), pa.string()], ids=str)
def test_a_part_in_which_all_texts_are_missing_has_no_documents(datasets, tmp_path, kind):
    path = write(tmp_path / "a.parquet", text=pa.nulls(3, kind), n=range(3))
    assert list(read_parquet(path)) == list(read_parquet(path, "text")) == []
    dataset = datasets.load_dataset("parquet", data_files=str(path), split="train", streaming=True)
    assert list(read_dataset(dataset)) == []
    (block,) = read_blocks(path)
    assert (len(block.starts), block.facts[0].column) == (0, "text")


@pytest.mark.parametrize("text", ['{"text": "one two"}\n', "text,n\none two,1\n", "one two\n"])
def test_a_file_given_as_a_dataset_is_what_it_looks_like(tmp_path, text):
    (tmp_path / "file").write_text(text)
    assert list(read_documents(tmp_path / "file", "dataset")) == ["one two"]
