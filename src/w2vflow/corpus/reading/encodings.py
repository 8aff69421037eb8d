"""Texts in any encoding as UTF-8, in a stream, and which encoding it is."""

import codecs
import re
import unicodedata
from collections import Counter
from typing import Any

from w2vflow.corpus.reading.facts import FileFacts
from w2vflow.support.checks import argument_error
from w2vflow.support.display import shown_words
from w2vflow.support.streams import Rejoined

__all__ = ["Utf8Stream", "check_encoding", "found_encoding"]

# Share of bytes from which a text that is not UTF-8 is of another encoding, and where that is looked at: the
# whole file and each of its stretches, wherever blocks begin.
_LOST, _STRETCH = 0.001, 2**20
_PIECE, _SAMPLE, _LINE = 2**16, 2**14, 2**10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Encodings that files of text are met in; the more common of two that fit comes first.
_MET = (
    *("cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_r", "cp1253", "iso8859_7", "cp1254", "cp1255"),
    *("cp1256", "tis_620", "cp932", "euc_jp", "gb18030", "big5", "cp949", "cp437", "cp850", "mac_roman"),
)
# Letters of the languages that are written in encodings which are much alike, in the order of trial.
_ALPHABETS = {
    "cp1252": "äöüßéèêëàâáãåæçñîïíìôóòõøœùúûÿ",
    "cp1254": "çğıi̇öşüâîû",
    "iso8859_2": "áäčćďđéěęëíîľĺłňńóöőôřŕšśşťţúůűüýžźżąăâçß",
    "cp1250": "áäčćďđéěęëíîľĺłňńóöőôřŕšśşťţúůűüýžźżąăâçß",
}
_SIGNS = "«»‹›“”‘’„‚–—…¿¡°§€£·ªº´\u00a0\u00ad"
_REPLACEMENT = "\ufffd".encode()
_SAID = {"utf-8": "UTF-8", "ascii": "ASCII", "iso8859-1": "Latin-1"}


def check_encoding(encoding: str) -> str:
    """Return the name that Python has for an encoding of text, or `"auto"`.

    Raises:
        ValueError: it has none.
    """
    if encoding == "auto":
        return encoding
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)
    except (LookupError, ValueError) as error:
        raise argument_error("encoding", "'auto' or one that Python knows", repr(encoding)) from error
    return "utf-8" if found.name == "utf-8-sig" else found.name


def found_encoding(head: bytes) -> str:
    """Return the encoding that the first bytes of a text show: UTF-8 unless UTF-16 or UTF-32 is seen."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if b"\0" not in head:
        return "utf-8"
    # Letters of Europe have a zero byte beside them, and so have spaces and ends of lines of any script.
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        width = 4 if "32" in encoding else 2
        high = slice(width - 1 if encoding.endswith("le") else 0, None, width)
        zeros, whole = head.count(b"\0"), head[: len(head) // width * width]
        if width == 4:
            fits = whole[high].count(b"\0") == len(whole) // 4
        else:
            fits = whole[high].count(b"\0") >= max(0.95 * zeros, 0.02 * len(whole))
        if whole and fits and _reads_as_text(whole, encoding):
            return encoding
    return "utf-8"


def _reads_as_text(head: bytes, encoding: str) -> bool:
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    odd = sum(
        unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs") and c not in "\t\n\r\f" for c in text[:4096]
    )
    return odd + text[:4096].count("\ufffd") <= 0.01 * len(text[:4096])


class Utf8Stream:
    """A stream of bytes in some encoding as one of valid UTF-8.

    What the encoding does not have is replaced and counted, or refused; so is a text that loses more than one
    byte of a thousand, unless its encoding was said.
    """

    def __init__(
        self, stream: Any, name: str, facts: FileFacts, encoding: str = "auto", bad_utf8: str = "replace"
    ) -> None:
        head = stream.read(_PIECE)
        self._guessed = encoding == "auto"
        self.encoding = found_encoding(head) if self._guessed else encoding
        mark = next(
            (mark for mark, marked in _MARKS if marked == self.encoding and head.startswith(mark)), b""
        )
        self._stream: Any = Rejoined(head[len(mark) :], stream)
        self._name, self._facts, self._bad = name, facts, bad_utf8
        self._decoder: codecs.IncrementalDecoder | None = None
        if self.encoding != "utf-8":
            errors = "strict" if bad_utf8 == "error" else "replace"
            self._decoder = codecs.getincrementaldecoder(self.encoding)(errors)
        self._rest, self._ready, self._ended = b"", b"", False
        # Bytes read, and how many were lost in each stretch of them; a part of them with the first.
        self._size, self._lost = len(mark), Counter[int]()
        self._before, self._sample = b"", b""
        facts.encoding = _SAID.get(
            self.encoding, self.encoding.upper().removesuffix("-LE").removesuffix("-BE")
        )

    def head(self, size: int = _PIECE) -> bytes:
        """Return the first bytes, which stay in the stream."""
        while len(self._ready) < size and not self._ended:
            self._ready += self._next(size)
        return self._ready[:size]

    def skip(self, size: int) -> None:
        """Leave out bytes that `head` returned."""
        self._ready = self._ready[size:]

    def read(self, size: int = _PIECE) -> bytes:
        """Return the next bytes, whole characters and about as many; none at the end."""
        if self._ready:
            given, self._ready = self._ready, b""
            return given
        while not self._ended:
            if given := self._next(size):
                return given
        return b""

    def _next(self, size: int) -> bytes:
        more = self._stream.read(size)
        self._ended = not more
        text = self._mended(self._rest + more) if self._decoder is None else self._decoded(more)
        if b"\0" in text:
            got = f"{self._name}, which has zero bytes in it, as binary files have"
            remedy = 'Convert it to text first. Of UTF-16 without a mark, pass `encoding="utf-16-le"`.'
            raise argument_error("paths", "text", got, remedy)
        if self._ended and self._guessed:
            self._check(self._size)
        return text

    def _decoded(self, more: bytes) -> bytes:
        assert self._decoder is not None
        try:
            text = self._decoder.decode(more, self._ended)
        except UnicodeDecodeError as error:
            at = self._size + error.start - (len(error.object) - len(more))
            got = f"{self._name} with the byte 0x{error.object[error.start]:02x} at {at}"
            raise self._refused(got) from error
        self._note(text.count("\ufffd"), more)
        self._size += len(more)
        return text.encode(errors="replace")

    def _mended(self, given: bytes) -> bytes:
        """Return bytes as valid UTF-8; a character that is not whole yet waits."""
        try:
            _, used = codecs.utf_8_decode(given, "strict", self._ended)
        except UnicodeDecodeError as error:
            if self._bad == "error":
                got = f"{self._name} with the byte 0x{given[error.start]:02x} at {self._size + error.start}"
                raise self._refused(got) from error
            return self._replaced(given)
        self._rest, self._size = given[used:], self._size + used
        self._before = given[max(0, used - _LINE) : used]
        return given if used == len(given) else given[:used]

    def _replaced(self, given: bytes) -> bytes:
        parts, at = [], 0
        while at < len(given):
            # Up to the end of a stretch: what is lost in it does not depend on how much is read at once.
            end = min(len(given), at + _PIECE - self._size % _PIECE)
            text, used = codecs.utf_8_decode(given[at:end], "replace", self._ended and end == len(given))
            if not used:  # the beginning of a character that ends behind
                end = min(len(given), end + 4)
                text, used = codecs.utf_8_decode(given[at:end], "replace", self._ended and end == len(given))
            if not used:
                break
            mended, piece = text.encode(), given[at : at + used]
            self._note(mended.count(_REPLACEMENT) - piece.count(_REPLACEMENT), piece)
            parts.append(mended)
            self._before = piece[-_LINE:]
            at, self._size = at + used, self._size + used
        self._rest = given[at:]
        return b"".join(parts)

    def _note(self, lost: int, piece: bytes) -> None:
        """Count what was lost in a piece; stop where it is much."""
        if lost <= 0:
            return
        if not self._sample and self.encoding == "utf-8":
            try:
                piece.decode()
            except UnicodeDecodeError as error:
                around = self._before + piece
                place = len(self._before) + error.start
                line = max(around.rfind(b"\n", 0, place) + 1, place - _LINE, 0)
                self._sample = around[line : line + _SAMPLE]
        self._facts.replaced += lost
        self._lost[self._size // _STRETCH] += lost
        if self._guessed and self._lost[self._size // _STRETCH] > _LOST * _STRETCH:
            raise self._other_encoding()

    def _check(self, size: int) -> None:
        """Stop at the end of a file that lost much, of it all or of its end."""
        last = size // _STRETCH
        tail = self._lost[last] + self._lost[last - 1]
        if sum(self._lost.values()) > _LOST * size or tail > _LOST * (size - max(0, last - 1) * _STRETCH):
            raise self._other_encoding()

    def _other_encoding(self) -> ValueError:
        got = f"{self._name}, which loses more than 1 byte in 1,000 if it is read as {self._facts.encoding}"
        remedy = "Pass its `encoding`,"
        if found := _fitting(self._sample):
            (encoding, *others), words = found
            also = f" ({', '.join(others[:3])} would fit as well)" if others else ""
            remedy = f'In {encoding} it reads "{words}"{also}: if so, pass `encoding="{encoding}"`;'
        remedy += f' or `encoding="{self.encoding}"` to have such bytes replaced.'
        return argument_error("paths", "text in UTF-8, or in the `encoding` given", got, remedy)

    def _refused(self, got: str) -> ValueError:
        remedy = 'Convert the file, pass its `encoding`, or pass `bad_utf8="replace"`.'
        return argument_error("paths", self._facts.encoding or "", got, remedy)


def _fitting(sample: bytes) -> tuple[list[str], str] | None:
    """Return encodings that fit bytes, the best first, and some words that these are in it."""
    from charset_normalizer import from_bytes

    fits = [match.encoding for match in from_bytes(sample, cp_isolation=list(_MET))]
    # Where most letters are those of ASCII, the others are of these alphabets, in texts of a few words too.
    most_ascii = 3 * sum(byte > 127 for byte in sample) < sum(
        chr(byte).isalpha() for byte in sample if byte < 128
    )
    if most_ascii or (fits and fits[0] in _ALPHABETS):
        spelled = [encoding for encoding in _ALPHABETS if _is_spelled(sample, encoding)][:1]
        fits = [*spelled, *(encoding for encoding in fits if encoding not in spelled)]
    if not fits:
        return None
    words = re.findall(r"\S*[^\x00-\x7f]\S*", sample.decode(fits[0], "replace"))
    return fits, shown_words(words[:6], " ")[:60]


def _is_spelled(sample: bytes, encoding: str) -> bool:
    """Whether bytes are, in an encoding, of letters that the languages written in it have."""
    letters = set(sample.decode(encoding, "replace").lower())
    # Portuguese has both; one alone is a letter of Hungarian, misread.
    misread = encoding == "cp1252" and "õ" in letters and "ã" not in letters
    return not misread and all(c.isascii() or c in _ALPHABETS[encoding] or c in _SIGNS for c in letters)
