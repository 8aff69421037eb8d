"""Word vectors in the files of other programs: word2vec, GloVe, safetensors, TensorBoard."""

import gzip
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Literal, NamedTuple, cast

import numpy as np
from jaxtyping import Float32

from w2vflow.embeddings.ahead import Ahead
from w2vflow.embeddings.checks import check_vectors
from w2vflow.embeddings.tensor_files import DIGEST, tensors_digest
from w2vflow.embeddings.vector_files import READERS, Rows, guess_format, unmarked
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import atomic_folder, atomic_path, write_bytes
from w2vflow.support.checks import argument_error
from w2vflow.support.kinds import ArrayLike
from w2vflow.support.sources import Source

__all__ = ["WordVectors", "export_vectors", "import_vectors"]

Host = np.ndarray

# Rows written at once.
_ROWS = 1000
# What a word may not hold, as it would end it.
_ENDS_A_WORD = {
    "word2vec-text": re.compile(r"[ \t\n\v\f\r]"),
    "word2vec-binary": re.compile(r"[ \t\n\v\f\r]"),
    "safetensors": re.compile(r"\n"),
    "tensorboard": re.compile(r"[\t\n\r]"),
}


class _Pair(NamedTuple):
    words: tuple[str, ...]
    vectors: Float32[Host, "V d"]


class WordVectors(_Pair):
    """Words in row order, all different, and their vectors `(V, d)`, float32. Made by `import_vectors`.

    A pair of the two, with `metadata` beside them: the `format` of the file, and by which `checksum` all of
    it was held, `"blake3"` or None. Only safetensors of this package have one; damage to other files may be
    other numbers without a word. JSON values.
    """

    metadata: Mapping[str, Any] = MappingProxyType({})


@checked
def export_vectors(
    path: str | os.PathLike[str], vectors: ArrayLike, words: Sequence[str], format: str = "word2vec-text"
) -> None:
    """Write words and their vectors to a file that other programs read, whole or not at all.

    | format | content |
    |---|---|
    | `"word2vec-text"` | a line `V d`, then a line a word, in the shortest decimals that keep float32 |
    | `"word2vec-binary"` | a line `V d`, then each word, a space, `d` numbers, a newline, as word2vec.c |
    | `"safetensors"` | tensors `vectors` (V, d), `words` (UTF-8, a newline between), their `blake3` digest |
    | `"tensorboard"` | a folder of `tensors.tsv` and `metadata.tsv`, for the projector |

    gensim loads the first two with `KeyedVectors.load_word2vec_format(path, binary=...)`. They are
    compressed if the name ends in `.gz`. Numbers are written as float32, to which others are rounded.

    Args:
        path: where to write; an existing file is replaced.
        vectors: `(V, d)`.
        words: in row order.
        format: as above.

    Raises:
        ValueError: an unknown format; vectors that are no matrix of finite numbers, or leave the range of
            float32; words of another number, repeated, empty or with a character that ends a word there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export_vectors(Path(folder) / "two.txt", [[0.5, 1], [2, -3]], ["one", "two"])
        ...     (Path(folder) / "two.txt").read_text()
        '2 2\\none 0.5 1.0\\ntwo 2.0 -3.0\\n'
    """
    if format not in _WRITERS:
        raise argument_error("format", f"one of {tuple(_WRITERS)}", repr(format))
    given, words = check_vectors(vectors, words)
    with np.errstate(over="ignore"):
        single = given.astype(np.float32)
    within = np.isfinite(single).all(axis=1)
    if not within.all():
        got = f"larger entries for {words[int(within.argmin())]!r}"
        raise argument_error("vectors", "within the range of float32", got, "Scale them down.")
    _WRITERS[format](Path(path), single, _encoded(words, format))


def _encoded(words: Sequence[str], format: str) -> list[bytes]:
    """Return the words as UTF-8, if each can be told from its neighbours in that format."""
    ends = _ENDS_A_WORD[format]
    for number, word in enumerate(words, 1):
        if not word or ends.search(word):
            barred = "spaces" if ends.match(" ") else "tabs or newlines"
            expected = f"not empty and without {barred} in {format}"
            remedy = "Join its parts by `_`, leave it out, or write safetensors."
            raise argument_error("words", expected, f"{word!r}, word {number}", remedy)
    try:
        return [word.encode() for word in words]
    except UnicodeEncodeError as error:
        raise argument_error("words", "text that UTF-8 can hold", repr(error.object)) from error


def _write_word2vec(path: Path, words: list[bytes], rows: Iterator[bytes], shape: tuple[int, ...]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as raw:
        # Without a name and a date in it the same vectors give the same bytes.
        file = gzip.GzipFile("", "wb", 6, raw, 0) if path.suffix == ".gz" else raw
        with cast(BinaryIO, file):
            file.write(b"%d %d\n" % shape)
            file.writelines(b"%s %s\n" % pair for pair in zip(words, rows, strict=True))


def _write_text(path: Path, vectors: Host, words: list[bytes]) -> None:
    _write_word2vec(path, words, _decimals(vectors, b" "), vectors.shape)


def _write_binary(path: Path, vectors: Host, words: list[bytes]) -> None:
    rows = (row.tobytes() for row in vectors.astype("<f4", copy=False))
    _write_word2vec(path, words, rows, vectors.shape)


def _decimals(vectors: Host, separator: bytes) -> Iterator[bytes]:
    """Yield each row as the shortest decimals that give the same float32."""
    for start in range(0, len(vectors), _ROWS):
        for row in vectors[start : start + _ROWS].astype("S").tolist():
            yield separator.join(row)


def _write_safetensors(path: Path, vectors: Host, words: list[bytes]) -> None:
    from safetensors.numpy import save

    vectors, listed = np.ascontiguousarray(vectors), np.frombuffer(b"\n".join(words), np.uint8)
    tensors = {"vectors": vectors, "words": listed, DIGEST: tensors_digest(vectors, listed)}
    write_bytes(path, save(tensors, {"words": "UTF-8 bytes, a newline between words"}))


def _write_tensorboard(path: Path, vectors: Host, words: list[bytes]) -> None:
    # Two files that belong together: those of an earlier export are replaced with their folder.
    if path.exists() and (others := {each.name for each in path.iterdir()} - {"metadata.tsv", "tensors.tsv"}):
        got = f"{path}, with {sorted(others)[0]} in it"
        raise argument_error("path", "a new folder, or that of an earlier export", got)
    with atomic_folder(path) as folder:
        (folder / "metadata.tsv").write_bytes(b"".join(word + b"\n" for word in words))
        with (folder / "tensors.tsv").open("wb") as file:
            file.writelines(row + b"\n" for row in _decimals(vectors, b"\t"))
            file.flush()
            os.fsync(file.fileno())


_WRITERS: dict[str, Callable[[Path, Host, list[bytes]], None]] = {
    "word2vec-text": _write_text,
    "word2vec-binary": _write_binary,
    "safetensors": _write_safetensors,
    "tensorboard": _write_tensorboard,
}


@checked
def import_vectors(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    limit: int | None = None,
    keep: Literal["first"] | None = None,
    errors: str = "strict",
) -> WordVectors:
    """Return words and vectors from a file of word2vec, gensim, fastText, GloVe, TensorBoard or this package.

    Beside the formats of `export_vectors` there is `"glove"`: word2vec's text without its first line. Text
    and binary may be packed by gzip, bzip2, xz, zstd or zip (of one file), whatever their name. Columns of
    text are told by spaces or tabs. A word there may have spaces in it, unless its last part is a number; a
    word with a space in a binary file, where spaces end words, is refused. Vectors are float32; decimals of
    more digits are rounded.

    Of a safetensors file, the tensor `vectors` or else the only matrix is read, with words from the tensor
    `words` or else from lines of a `vocab.txt` beside it. TensorBoard's files are given by their folder, or
    by the file of numbers, with `metadata.tsv` beside it; of several columns, the one called `word` or
    `label`, or the first, holds the words.

    Args:
        path: the file, or the folder of TensorBoard's files; or an address such as `https://...` and
            `s3://...`, or `-` for standard input.
        format: guessed from the content by default.
        limit: how many words to read at most, from the first; what follows them is not looked at, whether
            whole or not, nor fetched.
        keep: `"first"` keeps the first vector of a word that comes twice; by default that is an error.
        errors: for words that are not UTF-8, as in `bytes.decode`. word2vec.c cuts long words in the
            middle of a character: `"backslashreplace"` keeps them apart.

    Returns:
        Words and vectors; `metadata` says what format they were in, and whether a checksum was held.

    Raises:
        ValueError: an unknown format, a pickle, a damaged file, or words or numbers that cannot be used;
            with the number of the line, or of the word in binary files.
        FileNotFoundError: there is no such file.
        ConnectionError: a server that refuses, or breaks off.
        ImportError: an address that needs a library that is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "glove.txt").write_text("one 0.5 1\\ntwo 2 -3\\n")
        ...     import_vectors(Path(folder) / "glove.txt").words
        ('one', 'two')
    """
    file = Source(path, "path")
    if format is not None and format not in READERS:
        raise argument_error("format", f"one of {tuple(READERS)}, or None", repr(format))
    if limit is not None and limit < 1:
        raise argument_error("limit", "at least 1, or None", limit)
    if keep not in ("first", None):
        raise argument_error("keep", "'first' or None", repr(keep))
    if file.is_folder:
        if format not in (None, "tensorboard"):
            raise argument_error("path", f"a file, if the format is {format}", f"the folder {file}")
        format, file = "tensorboard", file.inside("tensors.tsv")
    file.check_exists("file of vectors")
    with file.open() as stream:
        data = unmarked(Ahead(stream))
        format = format or guess_format(data, file.name)
        # Of words that come twice the second counts for nothing: how many lines it takes is not known.
        rows = READERS[format](file, data, None if keep else limit)
        found = _gathered(file.name, rows, limit, keep is not None, errors)
    # Of the first rows alone no digest is known.
    found.metadata = {"format": format, "checksum": "blake3" if rows.sealed and limit is None else None}
    return found


def _gathered(path: str, source: Rows, limit: int | None, first: bool, errors: str) -> WordVectors:
    """Return the words and vectors of a source, after checking them; of one word the first, if asked."""
    places: dict[str, int] = {}

    def vectors() -> Iterator[Host]:
        for number, raw, row in source.rows:
            try:
                word = raw.decode(errors=errors)
            except UnicodeDecodeError as error:
                raise _not_decoded(raw, f"{source.unit} {number}", source.remedy) from error
            if not word:
                got = f"one in {source.unit} {number} of {path}"
                raise argument_error("path", "a file without empty words", got, source.remedy)
            if word in places and first:
                continue
            if word in places:
                unit = source.unit
                got = f"{word!r} in {unit} {places[word]} and in {unit} {number} of {path}"
                remedy = f"Keep one vector of each word, or pass `keep='first'`. {source.remedy}"
                raise argument_error("path", "a file of different words", got, remedy)
            places[word] = number
            yield row
            # Here, not by `islice`: not a byte more is read than it takes.
            if len(places) == limit:
                return

    with np.errstate(over="ignore"):
        matrix = np.fromiter(vectors(), np.dtype((np.float32, (source.dim,))))
    if not len(matrix):
        raise argument_error("path", "a file with at least one word", f"{path} without any")
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        word, number = list(places.items())[int(finite.argmin())]
        got = f"NaN or infinity for {word!r}, {source.unit} {number} of {path}"
        raise argument_error("path", "a file of finite numbers", got, source.remedy)
    return WordVectors(tuple(places), matrix)


def _not_decoded(raw: bytes, place: str, remedy: str) -> ValueError:
    return argument_error(
        "path",
        f"a file of which {place} is UTF-8",
        f"{raw[:60]!r}",
        "If word2vec.c cut it in the middle of a character, use `errors='backslashreplace'`; "
        f"otherwise the first line of the file may tell the wrong dimension. {remedy}",
    )
