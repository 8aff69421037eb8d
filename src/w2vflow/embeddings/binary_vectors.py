"""word2vec's binary files, and the words with spaces that they cannot hold."""

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from w2vflow.embeddings.ahead import Ahead
from w2vflow.support.checks import argument_error

__all__ = ["SPACES", "binary_rows"]

Host = np.ndarray

# Said with every damage of such a file.
SPACES = "Or a word of it holds a space, which ends words in this format."

# Bytes of the longest word that is looked for.
_LONGEST = 2**16
# Bytes after a word that are held with it, for more of the word.
_MORE = 2**10
# Rows before and after a suspect one that show what its numbers should be like.
_NEIGHBOURS = 32

# What no word holds, and what may be more of one.
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_TO_A_SPACE = re.compile(rb"[^\x00-\x1f\x7f]*? ")
_NO_SIGN = bytes(range(128)) * 2
# The last byte of a float32 (sign and most of the exponent) of a number that is easily met: 2e-5 to 60.
_COMMON = [byte | sign for byte in range(0x38, 0x42) for sign in (0, 0x80)]
# Bytes out of place vary by more than a factor of 4^12 in so many numbers, but for one vector in a million,
# or are all small, 2^-62 and less, where last digits of numbers are zeros.
_CLEAR_DIMENSION, _CLEAR_RANGE = 8, 12
# Vectors of one number are too short to be told from text.
_TOLD_DIMENSION = 2


def binary_rows(data: Ahead, path: str, total: int, dim: int) -> Iterator[tuple[int, bytes, Host]]:
    """Yield number, word and vector of every row below the first line of a binary file.

    A word ends at its first space. If it holds another, what follows it is out of place: the rest of the word
    is taken for numbers, and as many bytes of the vector for the beginning of the next word.

    Where newlines end vectors, as word2vec.c writes them, that is seen without fail: the bytes of all words
    together are as many as they should be at the end of the file, so that one that begins too early goes over
    the newline before it. Where there are none, as in gensim's files, the bytes after a word are weighed: as
    numbers, or as text and the numbers after it, by what numbers nearby are like; in one dimension
    whatever may be text is refused.

    Raises:
        ValueError: as many words as `total` do not end with the file, or one seems to hold a space.
    """
    expected = f"a file with the {total} words of dimension {dim} that its first line tells"
    size, newline = 4 * dim, False
    before: deque[Host] = deque(maxlen=_NEIGHBOURS)
    for number in range(1, total + 1):
        held, at = data.held, data.at
        space = held.find(b" ", at)
        end = space + 1 + size
        if space < 0 or end + _MORE > len(held):
            space = _find_row(data, size)
            if space < 0:
                data.raise_damage()
                least = f"{path}, which ends after {number - 1} of them"
                raise argument_error("path", expected, least, f"Copy it again. {SPACES}")
            held, at, end = data.held, data.at, space + 1 + size
        word = held[at:space]
        ended = held[end : end + 1] == b"\n"
        if number == 1:
            newline = ended
        if b"\n" in word or (ended != newline and number < total and end < len(held)):
            raise _spaced(path, word, number)
        if (number == 1 or not ended) and _TO_A_SPACE.match(held, space + 1):
            few = dim < _TOLD_DIMENSION and not newline
            more = _rest_of_word(data, space + 1 - at, size, before, few)
            if more is not None:
                raise _spaced(path, word + b" " + more, number, few)
            # The same bytes, after more may have been read.
            space += data.at - at
            held, end = data.held, space + 1 + size
        row = np.frombuffer(held, "<f4", dim, space + 1)
        before.append(row)
        data.at = end + newline
        # A newline after the last vector alone harms nobody.
        if number == total and data.rest() not in (b"", b"\n"):
            beyond = f"{path}, which goes on after them"
            raise argument_error("path", expected, beyond, SPACES)
        yield number, word, row


def _spaced(path: str, word: bytes, number: int, few: bool = False) -> ValueError:
    shown = repr(word.decode(errors="backslashreplace")[:60])
    untold = "In one dimension, without newlines after vectors, that is not told. "
    return argument_error(
        "path",
        "a file of words without spaces or line breaks, which end words in word2vec's binary format",
        f"{path} with one near word {number}, perhaps {shown}",
        f"{untold * few}Write its vectors as text or safetensors, or with `_` in place of spaces.",
    )


def _find_row(data: Ahead, size: int) -> int:
    """Return where the word at the place ends, -1 if no vector of `size` bytes follows it."""
    space = data.held.find(b" ", data.at)
    if space < 0 or space + 1 + size + _MORE > len(data.held):
        data.reach(_LONGEST + size)
        space = data.held.find(b" ", data.at)
    return space if 0 <= space <= len(data.held) - 1 - size else -1


def _is_clear(numbers: bytes) -> bool:
    """Return whether numbers are too much alike for bytes out of place."""
    sizes = numbers[3::4].translate(_NO_SIGN)
    least, most = min(sizes), max(sizes)
    return len(sizes) >= _CLEAR_DIMENSION and most - least <= _CLEAR_RANGE and least > 32 and most < 96


def _rest_of_word(data: Ahead, start: int, size: int, before: Iterable[Host], few: bool) -> bytes | None:
    """Return what seems to be more of the word that ends before the place `at + start`, None if nothing.

    The bytes up to the end of a vector that begins `k` bytes later are `k` of text and then numbers, or
    numbers and then the beginning of the next row: what costs fewer bits is taken to be so. Of `few` bytes
    that would be a guess: whatever reads as text is taken for it.
    """
    if _is_clear(data.held[data.at + start : data.at + start + size]):
        return None
    data.reach(start + _NEIGHBOURS * (size + 64))
    start += data.at
    text = _CONTROL.split(data.held[start : start + _MORE], 1)[0]
    near = [row.tobytes() for row in before] + _rows_after(data.held, start + size, size)
    costs = _costs_of_numbers(b"".join(near))
    for k in [k for k, byte in enumerate(text, 1) if byte == 32]:
        if start + k + size > len(data.held):
            break
        both = data.held[start : start + k + size]
        if few and _is_utf8(both[:k]):
            return both[: k - 1]
        if _cost_of_text(both[:k]) + _cost_of_rows(both[k:], size, costs) < _cost_of_rows(both, size, costs):
            return both[: k - 1]
    return None


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _cost_of_rows(held: bytes, size: int, costs: Host) -> float:
    """Return how many bits vectors take with the words between them, the first without its word."""
    bits, at = 0.0, 0
    while at < len(held):
        numbers = np.frombuffer(held[at : at + size], np.uint8)
        bits += costs[np.arange(len(numbers)) % 4, numbers].sum()
        space = held.find(b" ", at + size)
        end = len(held) if space < 0 else space
        bits += _cost_of_text(held[at + size : end].removeprefix(b"\n"))
        at = end + 1
    return bits


def _rows_after(held: bytes, at: int, size: int) -> list[bytes]:
    """Return the vectors of rows that follow, as far as they are held."""
    rows: list[bytes] = []
    while len(rows) < _NEIGHBOURS:
        space = held.find(b" ", at)
        at = space + 1 + size
        if space < 0 or at > len(held):
            break
        rows.append(held[space + 1 : at])
    return rows


def _costs_of_numbers(near: bytes) -> Host:
    """Return the bits that each byte of a number takes, by its place in it, given the bytes of others."""
    expected = np.full((4, 256), 0.5)
    expected[3] = 0.02
    expected[3, _COMMON] = 0.5
    places = np.frombuffer(near, np.uint8).reshape(-1, 4)
    found = expected + [np.bincount(place, minlength=256) for place in places.T]
    return np.log2(found.sum(axis=1, keepdims=True) / found)


def _cost_of_text(text: bytes) -> float:
    """Return about how many bits the bytes of a word take, many if it is no UTF-8."""
    # Its end may be in the middle of a character.
    decoded = codecs.getincrementaldecoder("utf-8")("replace").decode(text)
    return float(sum(_TEXT_COSTS[byte] for byte in text) + 15 * decoded.count("\ufffd"))


def _costs_of_characters() -> Iterator[int]:
    """Yield about how many bits a byte of a word takes."""
    for byte in range(256):
        one = chr(byte) if byte < 128 else ""
        yield 5 if one.islower() else 6 if one.isalnum() else 7 if not one else 8 if one in " _-'./" else 9


_TEXT_COSTS = list(_costs_of_characters())
