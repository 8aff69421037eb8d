"""Token file: a corpus as word numbers in a folder, read by memory map.

`tokens.npy` holds the rows of the words, int32, and -1 after every document; `manifest.json` says which words
those are and how the text was cut. Nothing depends on the time or the machine.
"""

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from w2vflow.corpus.counting.numbering import Numbered, number_corpus
from w2vflow.corpus.counting.rules import CountingRule
from w2vflow.corpus.counting.sizes import text_bytes
from w2vflow.corpus.counting.stages import open_tokens, open_words
from w2vflow.corpus.counting.tokenizers import Tokenizer
from w2vflow.corpus.counting.workers import Workers, worker_count
from w2vflow.corpus.reading.files import read_blocks
from w2vflow.corpus.reading.guesses import suggested
from w2vflow.corpus.reading.sources import text_sources
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import scratch_folder, write_json
from w2vflow.support.checks import argument_error
from w2vflow.support.seals import file_digest, has_its_digest, read_record, with_digest
from w2vflow.support.sources import PathLike

__all__ = ["TokenFile", "tokenize"]

_FORMAT = "w2vflow-tokens"
# 1: without digests of the file of tokens and of the manifest.
_VERSION, _SEALED = 2, 2
# Tokens that are looked at together: 2^22 are 16 MB.
_BLOCK = 2**22


@checked
@dataclass(frozen=True, eq=False)
class TokenFile:
    """A corpus as word numbers, and the vocabulary they belong to.

    Attributes:
        words: the `V` words, in row order.
        unigram: occurrences of each word, int64 `(V,)`.
        tokens: word numbers in the order of the text, int32, -1 after every document. Words out of
            the vocabulary are left out. A `numpy.memmap` if the file was loaded.
        metadata: how the text was cut, its source, and the SHA-256 of its tokens. JSON values.

    Raises:
        ValueError: shapes or types that disagree, or tokens that are neither -1 nor one of 0..V-1.
    """

    _made_by = "`tokenize(paths, out)`, then `TokenFile.load(out)`"

    words: tuple[str, ...]
    unigram: np.ndarray
    tokens: np.ndarray
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.tokens.dtype != np.int32 or self.tokens.ndim != 1:
            got = f"{self.tokens.dtype} of shape {self.tokens.shape}"
            raise argument_error("tokens", "int32 of one axis", got)
        if self.unigram.shape != (len(self.words),) or (self.unigram < 0).any():
            got = f"shape {self.unigram.shape}, least count {self.unigram.min(initial=0)}"
            raise argument_error("unigram", f"a count for each of the {len(self.words)} words", got)
        expected = f"numbers of words, 0 to {len(self.words) - 1}, or -1 after a document"
        # Compiled loops use them as indices unchecked.
        for start in range(0, len(self.tokens), _BLOCK):
            part = self.tokens[start : start + _BLOCK]
            for number in (int(part.min()), int(part.max())):
                if not -1 <= number < len(self.words):
                    place = start + int(np.argmax(part == number))
                    raise argument_error("tokens", expected, f"{number} at place {place}")

    @cached_property
    def document_ends(self) -> np.ndarray:
        """Where each document ends: the place of its -1, or the end of the text, int64 `(documents,)`."""
        ends = np.flatnonzero(self.tokens == -1)
        if len(self.tokens) and self.tokens[-1] != -1:
            ends = np.append(ends, len(self.tokens))
        return ends

    @property
    def document_starts(self) -> np.ndarray:
        """Where each document begins, int64 `(documents,)`; an empty one ends where it begins."""
        return np.concatenate([[0], self.document_ends + 1])[:-1]

    @property
    def documents(self) -> int:
        """How many documents the text has; their numbers are 0, 1, ... in the order of the text."""
        return len(self.document_ends)

    def opening(self, document: int, words: int = 12) -> str:
        """Return the first words of a document, as far as they are in the vocabulary.

        Raises:
            ValueError: there is no such document.
        """
        if not 0 <= document < self.documents:
            raise argument_error("document", f"one of 0 to {self.documents - 1}", document)
        start, end = self.document_starts[document], self.document_ends[document]
        return " ".join(self.words[i] for i in self.tokens[start : min(end, start + words)])

    @classmethod
    def load(cls, path: PathLike) -> "TokenFile":
        """Open what `tokenize` wrote; the tokens stay on disk.

        Raises:
            ValueError: no such folder, a manifest of another format or version, or files that are
                cut short or damaged.

        Warns:
            RuntimeWarning: it is of an earlier version, without a checksum of all that decides a number.
        """
        folder = Path(path)
        manifest = _read_manifest(folder)
        try:
            words, unigram = tuple(manifest["words"]), np.array(manifest["unigram"], np.int64)
            if _words_sha256(words) != manifest["words_sha256"]:
                raise ValueError("words that disagree with their checksum")
            expected, metadata = int(manifest["tokens"]), manifest["metadata"]
        except (KeyError, TypeError, ValueError) as error:
            raise _unusable(folder, f"a damaged manifest ({error})") from error
        found = _tokens_in(folder / "tokens.npy")
        if found != expected:
            raise _unusable(folder, f"a token file cut short or changed: {found} tokens of {expected}")
        if manifest["version"] < _SEALED:
            warnings.warn(
                f"{folder} is of an earlier version, without checksums of all it holds: damage to it may not "
                "be told. Write it anew with `tokenize` to have them.",
                RuntimeWarning,
                stacklevel=2,
            )
        elif file_digest(folder / "tokens.npy") != manifest.get("tokens_blake3"):
            raise _unusable(folder, "a damaged token file: its checksum is another")
        try:
            tokens = np.load(folder / "tokens.npy", mmap_mode="r", allow_pickle=False)
            return cls(words, unigram, tokens, metadata)
        except (ValueError, TypeError) as error:
            raise _unusable(folder, f"a damaged token file ({error})") from error


@checked
def tokenize(
    paths: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    vocab_size: int | None = 10_000,
    min_count: int | None = None,
    vocabulary: Sequence[str] | None = None,
    tokens: str | Tokenizer = "auto",
    min_document_words: int = 0,
    reader: str = "auto",
    column: str | None = None,
    encoding: str = "auto",
    bad_utf8: str = "replace",
    source: str = "",
    workers: int | None = None,
    progress: bool = False,
) -> None:
    """Write a text as word numbers to a folder, to be opened with `TokenFile.load`.

    Words and their order are those that `count_to_file` gives with the same settings. Memory holds a block of
    text for each worker and the words of the corpus. The folder appears when it is whole; its bytes do not
    depend on workers.

    Args:
        paths: text; see `read_blocks` for formats, `column`, `encoding` and `bad_utf8`.
        out: the folder to make. Its parent holds some 10 bytes a word more while this runs.
        vocab_size, min_count, vocabulary, tokens, min_document_words, reader, source, progress: as `count`
            takes them.
        workers: see `Resources`.

    Raises:
        ValueError: a bad argument, an empty corpus, or a folder that is there already.
        RuntimeError: a task lost its worker again and again.
        OSError: something cannot be read or written.
    """
    target = Path(out)
    if target.exists():
        remedy = "Choose another, or delete it first."
        raise argument_error("out", "a folder that is not there yet", target, remedy)
    given = text_sources(paths, reader)
    reader, tokens = suggested(given, reader, tokens, column=column, encoding=encoding)
    rule = CountingRule(tokens=tokens, min_document_words=min_document_words)
    with scratch_folder(target) as work:
        text = text_bytes(given, reader)
        with closing(Workers(worker_count(workers), None)) as pool:
            blocks = read_blocks(given, reader, column=column, encoding=encoding, bad_utf8=bad_utf8)
            found = number_corpus(blocks, work, rule, pool, text, progress)
        words = found.choose_words(vocab_size, min_count, vocabulary)
        described = rule.describe()
        kept = ("tokens", "min_document_words", "out_of_vocabulary", "window_ends_at")
        metadata = {
            "source": source,
            **{name: described[name] for name in kept},
            **found.facts(rule.tokens_name, words),
        }
        whole = work / "whole"
        whole.mkdir()
        _write(whole, found, words, metadata)
        whole.rename(target)


def _write(folder: Path, found: Numbered, words: list[str], metadata: dict[str, Any]) -> None:
    """Write the tokens, block by block, and the manifest."""
    row, unigram = found.lexicon.ranks(words), found.lexicon.occurrences(words).tolist()
    # Every place of a word and one end for every document: known before the first is written.
    total = sum(unigram) + sum(found.documents)
    content = hashlib.sha256()
    with (folder / "tokens.npy").open("wb") as stream:
        header = {"descr": "<i4", "fortran_order": False, "shape": (total,)}
        np.lib.format.write_array_header_1_0(stream, header)
        for file in found.files:
            part = open_words(file)
            rank = row[found.lexicon.find(part.joined, len(part.frequency))]
            rank[rank < 0] = -2
            # A last entry for the ends of documents, which are numbered -1.
            numbers = np.append(rank, np.int32(-1)).astype("<i4")[open_tokens(file)[0]]
            kept = numbers[numbers > -2]
            content.update(kept.data)
            kept.tofile(stream)
        stream.flush()
        os.fsync(stream.fileno())
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "tokens": total,
        "tokens_blake3": file_digest(folder / "tokens.npy"),
        "words_sha256": _words_sha256(words),
        "metadata": {**metadata, "tokens_sha256": content.hexdigest()},
        "words": words,
        "unigram": unigram,
    }
    write_json(folder / "manifest.json", with_digest(manifest))


def _words_sha256(words: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = read_record(folder / "manifest.json")
    except (OSError, ValueError) as error:
        raise _unusable(folder, f"no manifest that can be read ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise _unusable(folder, "a manifest of another format")
    if manifest.get("version") not in range(1, _VERSION + 1):
        found = f"a manifest of version {manifest.get('version')}, where 1 to {_VERSION} can be read"
        raise _unusable(folder, found)
    if manifest["version"] >= _SEALED and not has_its_digest(manifest):
        raise _unusable(folder, "a damaged manifest: its checksum is another")
    return manifest


def _tokens_in(path: Path) -> int:
    """Return how many tokens a file really holds; NumPy would only say that mapping it failed."""
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            return (os.fstat(file.fileno()).st_size - file.tell()) // 4
    # Of a damaged header NumPy's reader raises what Python's does of damaged code.
    except (OSError, ValueError, SyntaxError, TokenError):
        return 0


def _unusable(folder: Path, found: str) -> ValueError:
    remedy = "Copy it again, or delete it and run `tokenize` again."
    return argument_error("path", "a folder written by `tokenize`", f"{folder} with {found}", remedy)
