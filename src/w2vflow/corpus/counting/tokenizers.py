"""Tokenizers: rules that cut a text into words."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from w2vflow.corpus.segmenters import SEGMENTERS, segmenter
from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = ["TOKENS", "Tokenizer", "code_points", "cut_runs", "is_tokenizer_file", "number_texts", "tokenizer"]

Tokenizer = Callable[[str], Iterable[str]]

# Named rules. These two have compiled forms in the kernel, which give the same words.
TOKENS = {
    "latin": "[a-z]+ of the lower-cased text",
    "unicode": "letters with their marks, of any script, after NFKC and lower-casing",
}
_LATIN = re.compile(r"[a-z]+")

# Signs that do not end a word and are no part of it: the soft hyphen, marks of direction, word joiners
# (UAX #29, Format), and Armenian's marks of stress, exclamation and question, which stand above a vowel.
_UNSEEN = "\xad\u055b\u055c\u055e\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
# Forms that lose their vowel to the next word: of Romance languages, Irish, Gaelic, Maltese, Albanian, Igbo.
# Not so in Breton, whose c'h is a letter, nor in Dutch (m'n, d'r).
_ELIDED = (
    r"(?:(?![dm].[nr]\b)[bdflmnstvxj]|c(?=.[aeioéèê])|[cdt]h|gl|qu|(?:jus|lors|puis|quoi)qu"
    r"|(?:a|da|de|ne|su|co|pe|que|be)ll|(?:a|da|de|ne|su)gl|(?:alc|ciasc|ness|qualc)?un|quest|sant|buon|altr"
    r"|tutt|null|nient|mezz|senz|sott|com|cos|dov|(?:ne)?anch|qua[nl]d|quant|tant|cent|mill|vent"
    r"|(?:tr|quar|cinqu|sess|sett|ott|nov)ant)"
)
_APOSTROPHE, _RAISED = r"['\u2018\u2019]", r"[\p{Dt=super}\p{Dt=sub}]"
_WORD = (
    rf"(?i:{_ELIDED})(?={_APOSTROPHE}\p{{Latin}})"
    # A raised letter that begins is of a number: 1ª, 20ᵗʰ.
    rf"|(?!{_RAISED})\p{{L}}"
    # Joiners shape the letters beside them (UAX #29, Extend); at the end of a word ZWJ after a mark alone.
    r"(?:[\p{L}\p{M}]|[\u200c\u200d]+(?=[\p{L}\p{M}])|(?<=\p{M})\u200d"
    # Other apostrophes between letters, geresh and gershayim of Hebrew, the dot of Catalan and Occitan.
    rf"|(?<=\p{{Latin}}\p{{M}}*){_APOSTROPHE}(?=\p{{Latin}})"
    r"|(?<=[\p{Cyrillic}\p{Ethiopic}\p{Adlam}]\p{M}*)['\u2019](?=[\p{Cyrillic}\p{Ethiopic}\p{Adlam}])"
    r"|(?<=\p{Hebrew}\p{M}*)\u05f3|(?<=\p{Hebrew}\p{M}*)['\u2019\"\u201d\u05f4](?=\p{Hebrew})"
    r"|(?<=[lL])\xb7(?=[lL])|(?<=[nNsS])\xb7(?=[hH]))*"
)
_BETWEEN = "'\"\xb7\u2018\u2019\u201d\u05f4"


def is_tokenizer_file(tokens: str) -> bool:
    """Return whether `tokens` names a file: a `tokenizer.json`, or phrases that were saved."""
    return tokens.endswith(".json")


@checked
def tokenizer(tokens: str | Tokenizer) -> Tokenizer:
    """Return the function that cuts a text into words.

    Args:
        tokens: `"latin"`: runs of a-z in the lower-cased text; `"unicode"`: letters of any script with their
            marks, joiners and apostrophes, in lower case and normal form NFKC; `"chinese"`, `"japanese"`,
            `"thai"`: the same in the pieces of a segmenter; the path of a `tokenizer.json` (see
            `subword_tokenizer`) or of saved `Phrases`; any other string: a regular expression, matched
            against the text as it is; or a function from text to words.

    Raises:
        ValueError: a string that is no regular expression, one of several groups, or a file that is neither.
        FileNotFoundError: a path ending in `.json` where there is none.
        ImportError: the segmenter of a language is not installed.

    References:
        Unicode Standard Annex 15 (NFKC) and 29 (word boundaries).

    Example:
        >>> list(tokenizer("latin")("It's 2 dogs")), list(tokenizer("unicode")("Straße हिन्दी x2"))
        (['it', 's', 'dogs'], ['straße', 'हिन्दी', 'x'])
    """
    if callable(tokens):
        return tokens
    if tokens == "latin":
        return lambda text: _LATIN.findall(text.lower())
    if tokens == "unicode":
        return _unicode_words
    if tokens in SEGMENTERS:
        pieces = segmenter(tokens)
        return lambda text: [word for piece in pieces(text) for word in _unicode_words(piece)]
    if is_tokenizer_file(tokens):
        from w2vflow.corpus.counting.subwords import file_tokenizer

        return file_tokenizer(tokens)
    if not tokens:
        raise argument_error("tokens", "a name, a regular expression or a function", repr(tokens))
    try:
        pattern = re.compile(tokens)
    except re.error as error:
        expected = f"one of {sorted({*TOKENS, *SEGMENTERS})}, a regular expression or a function"
        raise argument_error("tokens", expected, f"{tokens!r} ({error})") from error
    if pattern.groups > 1:
        got = f"{tokens!r}, which has {pattern.groups}"
        remedy = "Write `(?:...)` for groups that are no words."
        raise argument_error("tokens", "a regular expression of at most one group", got, remedy)
    return pattern.findall


@cache
def _patterns() -> tuple[Any, Any, Any]:
    import regex

    return regex.compile(_WORD), regex.compile(f"[{_UNSEEN}]+"), regex.compile(_RAISED)


def _unicode_words(text: str) -> list[str]:
    word, unseen, _ = _patterns()
    # Normal forms turn some letters into several words. Lower case can undo one.
    found = word.findall(unseen.sub("", text))
    if not all(map(str.isascii, found)):
        found = [part for raw in found for part in word.findall(unicodedata.normalize("NFKC", raw))]
        return [_lower(part) for part in found]
    return [part.lower() for part in found]


def _lower(text: str) -> str:
    """Return lower case in normal form NFKC; the dot of Turkish's capital I is that of i."""
    lowered = unicodedata.normalize("NFKC", text).lower().replace("i\u0307", "i")
    return unicodedata.normalize("NFKC", lowered)


@cache
def code_points() -> np.ndarray:
    """Return what code points are to `unicode`: 0: no part of a word; 1: one; 2: one between letters.

    Those below 2^17. Planes beyond hold rare ideographs, and signs that are told from them word by word.
    """
    import regex

    kinds = np.zeros(2**17, np.uint8)
    every = "".join(chr(code) if not 0xD800 <= code < 0xE000 else " " for code in range(len(kinds)))
    for run in regex.finditer(rf"[\p{{L}}\p{{M}}\u200c\u200d\u05f3{_UNSEEN}]+", every):
        kinds[run.start() : run.end()] = 1
    kinds[[ord(sign) for sign in _BETWEEN]] = 2
    return kinds


def cut_runs(runs: list[str]) -> tuple[list[str], list[int], list[int]]:
    """Cut runs of what words are made of, with A to Z in lower case, into words of `unicode`.

    Returns:
        The different words; how many words each run holds; which those are, one run after the other.
    """
    number: dict[str, int] = {}
    cut = _cut_letters(runs)
    words = [number.setdefault(word, len(number)) for found in cut for word in found]
    return list(number), list(map(len, cut)), words


def _cut_letters(runs: list[str]) -> list[list[str]]:
    """Return the words of each run; of those of letters alone all at once."""
    if not runs:
        return []
    # A line break is no letter and composes with none: as if each stood alone.
    joined = _lower("\n".join(runs))
    raised = _patterns()[2]
    return [
        [word] if run.isalpha() and word.isalpha() and not raised.match(run) else _unicode_words(run)
        for run, word in zip(runs, joined.split("\n"), strict=True)
    ]


def number_texts(
    texts: Iterable[str], cut: Tokenizer, shortest: int, end: int
) -> tuple[list[str], np.ndarray, np.ndarray, int]:
    """Return documents of at least `shortest` words as word numbers, `end` after each.

    Returns:
        Words by order of first appearance; tokens; how often each word occurs; how many documents were kept.

    Raises:
        ValueError: a word that is no string, empty, has a line break or is no UTF-8.
    """
    number: dict[str, int] = {}
    parts, kept = [], 0
    for text in texts:
        found = []
        for word in cut(text):
            if word not in number:
                _check_word(word)
                number[word] = len(number)
            found.append(number[word])
        if found and len(found) >= shortest:
            parts.append(np.array([*found, end], np.int32))
            kept += 1
    tokens = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    return list(number), tokens, np.bincount(tokens[tokens != end], minlength=len(number)), kept


def _check_word(word: Any) -> None:
    if not isinstance(word, str):
        got, remedy = f"{word!r}, a {type(word).__name__}", "Return the words of a text."
    elif not word:
        got, remedy = "an empty one", r"Write e.g. `\w+`, not `\w*`."
    elif "\n" in word:
        got, remedy = f"{word!r}, with a line break in it", r"Write e.g. `[^\s]+`, not `[^ ]+`."
    elif not _is_utf8(word):
        got, remedy = f"{word!r}, which UTF-8 cannot hold", "Leave out halves of characters."
    else:
        return
    raise argument_error("tokens", "a rule whose words are text, none of it empty", got, remedy)


def _is_utf8(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
