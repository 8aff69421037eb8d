"""Tokenizers, and the choice of the vocabulary."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = [
    "TOKENS",
    "choose_words",
    "is_tokenizer_file",
    "number_texts",
    "tokenizer",
    "words_without_pairs_note",
]

Tokenizer = Callable[[str], Iterable[str]]

# Named rules. "latin" has a compiled form in the kernel, which gives the same words.
TOKENS = {
    "latin": "[a-z]+ of the lower-cased text",
    "unicode": "letters with their marks, of any script, after NFKC and case folding",
}
_LATIN = re.compile(r"[a-z]+")


def is_tokenizer_file(tokens: str) -> bool:
    """Return whether `tokens` names a file: a `tokenizer.json`, or phrases that were saved."""
    return tokens.endswith(".json")


@checked
def tokenizer(tokens: str | Tokenizer) -> Tokenizer:
    """Return the function that cuts a text into words.

    Args:
        tokens: `"latin"`: runs of a-z in the lower-cased text; `"unicode"`: letters of any script
            with their combining marks, after NFKC and case folding; a path ending in `.json`: the
            `tokenizer.json` of a Hugging Face tokenizer, whose words are its tokens, or saved `Phrases`; any
            other string: a regular expression, matched against the text as it is; or a function from text
            to words.

    Raises:
        ValueError: a string that is no regular expression, or a file that is neither.
        FileNotFoundError: a path ending in `.json` where there is no file.
        ImportError: a `tokenizer.json`, and the extra `tokenizers` is not installed.

    Example:
        >>> list(tokenizer("latin")("It's 2 dogs")), list(tokenizer("unicode")("Straße हिन्दी x2"))
        (['it', 's', 'dogs'], ['strasse', 'हिन्दी', 'x'])
    """
    if callable(tokens):
        return tokens
    if tokens == "latin":
        return lambda text: _LATIN.findall(text.lower())
    if tokens == "unicode":
        import regex

        letters = regex.compile(r"\p{L}[\p{L}\p{M}]*")
        # Folding can undo the normal form, hence twice.
        return lambda text: letters.findall(
            unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        )
    if is_tokenizer_file(tokens):
        from w2vflow.corpus.counting.subwords import file_tokenizer

        return file_tokenizer(tokens)
    try:
        return re.compile(tokens).findall
    except re.error as error:
        expected = f"one of {sorted(TOKENS)}, a regular expression or a function"
        raise argument_error("tokens", expected, f"{tokens!r} ({error})") from error


def number_texts(
    texts: Iterable[str], cut: Tokenizer, shortest: int, end: int
) -> tuple[list[str], np.ndarray, np.ndarray, int]:
    """Return documents of at least `shortest` words as word numbers, `end` after each.

    Returns:
        Words by order of first appearance; tokens; how often each word occurs; how many documents were kept.
    """
    number: defaultdict[str, int] = defaultdict()
    number.default_factory = number.__len__
    parts, kept = [], 0
    for text in texts:
        found = [number[word] for word in cut(text)]
        if found and len(found) >= shortest:
            parts.append(np.array([*found, end], np.int32))
            kept += 1
    tokens = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    return list(number), tokens, np.bincount(tokens[tokens != end], minlength=len(number)), kept


def choose_words(
    frequency: Mapping[str, int],
    vocab_size: int | None,
    min_count: int | None,
    vocabulary: Sequence[str] | None,
) -> list[str]:
    """Return the vocabulary in row order, `(-count, word)` if it is chosen by count.

    All words of a given vocabulary are kept, so that parts of a corpus can share one.

    Args:
        frequency: occurrences of every word of the corpus.
        vocab_size, min_count, vocabulary: as `count` takes them.

    Raises:
        ValueError: `vocabulary` beside `min_count`, repeated words in it, or none that occurs.

    Example:
        >>> choose_words(Counter("abracadabra"), 3, None, None)
        ['a', 'b', 'r']
    """
    if vocabulary is not None and min_count is not None:
        raise argument_error("min_count", "left out beside `vocabulary`", min_count)
    if vocabulary is not None:
        repeated = [word for word, times in Counter(vocabulary).items() if times > 1]
        if repeated or not any(frequency.get(word) for word in vocabulary):
            got = repr((repeated or list(vocabulary) or ["none"])[0])
            expected = "different words, of which some occur in the corpus"
            remedy = "Drop repeated words, and look at how `tokens` cuts the text."
            raise argument_error("vocabulary", expected, got, remedy)
        return list(vocabulary)
    ranked = sorted(frequency, key=lambda word: (-frequency[word], word))
    if vocab_size is not None and vocab_size < 1:
        raise argument_error("vocab_size", "at least 1", vocab_size)
    if not ranked:
        raise argument_error("paths", "text with words in it", "none", "Is `tokens` right for this text?")
    least = 1 if min_count is None else min_count
    kept = [word for word in ranked if frequency[word] >= least]
    if least < 1 or not kept:
        remedy = f"The most frequent word occurs {frequency[ranked[0]]} times."
        raise argument_error("min_count", "at least 1 and reached by some word", min_count, remedy)
    return kept[:vocab_size]


def words_without_pairs_note(empty: Sequence[str], absent: int, vocab_size: int) -> str:
    """Return what to say of the words of a given vocabulary that have no pairs, of which some are absent."""
    shown = ", ".join(empty[:5]) + (" ..." if empty[5:] else "")
    return (
        f"of {vocab_size} words, {absent} do not occur and {len(empty) - absent} never stand beside another; "
        f"they are kept, with counts of 0: {shown}"
    )
