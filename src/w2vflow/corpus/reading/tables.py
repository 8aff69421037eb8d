"""Columns of text as a stream of documents: Parquet files and Hugging Face datasets."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

from w2vflow.corpus.reading.facts import FileFacts
from w2vflow.support.checks import argument_error

__all__ = ["choose_column", "read_dataset", "read_parquet"]

_TEXT = ("string", "large_string", "string_view")
_ROWS_AT_A_TIME = 256
# Parquet is otherwise fetched by the row group, which can be the whole file.
_BUFFER_BYTES = 1 << 20


def read_parquet(
    path: str | os.PathLike[str],
    column: str | None = None,
    facts: FileFacts | None = None,
    stream: Any = None,
) -> Iterator[str]:
    """Yield the documents in a column of a Parquet file, in order, a few hundred rows in memory at a time.

    Missing entries are skipped.

    Args:
        path: the file.
        column: the column of text; by default `"text"`, or the only one there is.
        facts: told the column that was chosen.
        stream: the file, if it is open already; closed at the end.

    Raises:
        ValueError: no such column, no column of text or several, a column of something else, or a file
            that is cut short, damaged or no Parquet file.
        FileNotFoundError: a path that does not exist.
        ImportError: `pyarrow` is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise _missing("pyarrow", "a Parquet file") from error
    if stream is None and not Path(path).is_file():
        raise FileNotFoundError(f"There is no Parquet file {path}.")
    damage = f"{path}, cut short, damaged or of another kind"
    with (
        nullcontext() if stream is None else stream,
        _damage_told("paths", "a whole Parquet file", damage),
        pq.ParquetFile(stream or path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file,
    ):
        kinds = {}
        for field in file.schema_arrow:
            # Texts that repeat are often stored by number, in a dictionary.
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            kinds[field.name] = _kind(str(kind))
        column = choose_column(column, kinds)
        if facts is not None:
            facts.column = column
        for batch in file.iter_batches(batch_size=_ROWS_AT_A_TIME, columns=[column]):
            yield from (text for text in batch.column(0).to_pylist() if text is not None)


def read_dataset(dataset: Any, column: str | None = None, facts: FileFacts | None = None) -> Iterator[str]:
    """Yield the documents in a column of a Hugging Face dataset, in order. Missing entries are skipped.

    Args:
        dataset: a `Dataset` or an `IterableDataset` of the library `datasets`; or the name of one on the
            hub or a local folder, whose split `"train"` is then streamed, nothing being stored.
        column, facts: as in `read_parquet`.

    Raises:
        ValueError: as `read_parquet`, or something that is no dataset or several splits of one.
        OSError: a name that is not found or not reached, in the words of `datasets`.
        ImportError: `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise _missing("datasets", "a Hugging Face dataset") from error
    with _damage_told("dataset", "made of whole files", "one that is cut short or damaged"):
        if isinstance(dataset, str | os.PathLike):
            dataset = datasets.load_dataset(os.fspath(dataset), split="train", streaming=True)
        if isinstance(dataset, Mapping):
            raise argument_error(
                "dataset", "one split", f"the splits {sorted(dataset)}", "Choose one: `dataset['train']`."
            )
        if not isinstance(dataset, datasets.Dataset | datasets.IterableDataset):
            expected = "a `datasets.Dataset`, a `datasets.IterableDataset` or the name of one"
            raise argument_error("dataset", expected, f"a {type(dataset).__name__}")
        yield from _texts(dataset, column, facts)


@contextmanager
def _damage_told(argument: str, expected: str, got: str) -> Iterator[None]:
    """Turn errors that the content of a file causes into one that names the argument."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # Arrow reports some damage as a bare OSError; failures of a network, a path or its permissions have
        # classes of their own.
        if isinstance(error, OSError) and type(error) is not OSError:
            raise
        reason = " ".join(str(error).split())
        raise argument_error(argument, expected, f"{got} ({reason})", "Fetch it again.") from error


def _missing(library: str, kind: str) -> ImportError:
    return ImportError(f"Reading {kind} needs {library}: pip install 'w2vflow[huggingface]'")


def choose_column(column: str | None, kinds: Mapping[str, str]) -> str:
    """Return the column to read: the one asked for, `"text"`, or the only one that is text.

    Args:
        column: as asked for, or None.
        kinds: of every column, `"text"`, `"prose"` if that is plain from its entries, `"number"` if these are
            texts that look like it, `"none"` if there are none, or `"other"`.

    Raises:
        ValueError: no such column, none of text, or several.
    """
    texts = [name for name, kind in kinds.items() if kind in ("text", "prose")]
    # Of a part of a table all entries may be missing.
    possible = texts + [name for name, kind in kinds.items() if kind == "none"]
    allowed = possible + [name for name, kind in kinds.items() if kind == "number"]
    prose = [name for name, kind in kinds.items() if kind == "prose"]
    if column is None and "text" in allowed:
        return "text"
    for only in (texts, prose, possible):
        if column is None and len(only) == 1:
            return only[0]
    if column in allowed:
        return str(column)
    expected = f"one of the columns of text {texts or possible}"
    if column is None:
        remedy = "Name the one to read." if possible else f"The columns {list(kinds)} hold other things."
        raise argument_error("column", expected, None, remedy)
    if column in kinds:
        raise argument_error("column", expected, f"{column!r}, which holds something else")
    raise argument_error("column", expected, f"{column!r}, which is none of {list(kinds)}")


def _kind(dtype: str | None) -> str:
    return "text" if dtype in _TEXT else "none" if dtype == "null" else "other"


def _texts(dataset: Any, column: str | None, facts: FileFacts | None) -> Iterator[str]:
    if dataset.features is not None:
        kinds = {name: _kind(getattr(feature, "dtype", None)) for name, feature in dataset.features.items()}
        column = choose_column(column, kinds)
        # The other columns may be pictures or sound, which would be decoded.
        rows = iter(dataset.select_columns([column]))
    else:
        # Streams that pass through a function do not know their columns before the first row.
        rows = iter(dataset)
        first = next(rows, None)
        if first is None:
            return
        kinds = {
            name: "text" if isinstance(e, str) else "none" if e is None else "other"
            for name, e in first.items()
        }
        column = choose_column(column, kinds)
        rows = chain([first], rows)
    if facts is not None:
        facts.column = column
    for row in rows:
        text = row[column]
        if isinstance(text, str):
            yield text
        elif text is not None:
            raise argument_error("column", "one of text", f"{column!r}, with an entry {text!r}")
