"""Words of scripts without spaces between them, by the libraries of the extra `segmenters`."""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

__all__ = [
    "SEGMENTERS",
    "described_segmenter",
    "is_installed",
    "phrases_note",
    "segmenter",
    "unspaced_script",
]

# Libraries by the name of their rule.
SEGMENTERS = {"chinese": "rjieba", "japanese": "janome", "thai": "pythainlp"}

# Letters of a script, and from how many of them on the mean of its words is one of phrases.
_SCRIPTS = {
    "japanese": (r"[\p{Hiragana}\p{Katakana}]", 5),
    "chinese": (r"\p{Han}", 4),
    "thai": (r"\p{Thai}", 8),
    "Lao": (r"\p{Lao}", 8),
    "Khmer": (r"\p{Khmer}", 8),
    "Burmese": (r"\p{Myanmar}", 8),
    "Lanna": (r"\p{Tai_Tham}", 8),
    "Javanese": (r"\p{Javanese}", 8),
    "Balinese": (r"\p{Balinese}", 8),
    "Yi": (r"\p{Yi}", 4),
}
# The share of words with such letters from which a text is one of that script.
_SHARE = 0.1


def segmenter(name: str) -> Callable[[str], Iterable[str]]:
    """Return the function that cuts a text of a language, one of `SEGMENTERS`, into pieces.

    Raises:
        ImportError: its library is not installed.
    """
    if not is_installed(name):
        raise ImportError(f"tokens={name!r} needs {SEGMENTERS[name]}: pip install 'w2vflow[segmenters]'")
    if name == "chinese":
        import rjieba

        cut: Any = rjieba.cut
    elif name == "japanese":
        from janome.tokenizer import Tokenizer

        pieces: Any = Tokenizer(wakati=True)
        return lambda text: pieces.tokenize(text, wakati=True)
    else:
        from pythainlp.tokenize import word_tokenize as cut
    return lambda text: cut(text)


def is_installed(name: str) -> bool:
    """Return whether the library of a rule, one of `SEGMENTERS`, is at hand."""
    return find_spec(SEGMENTERS[name]) is not None


def described_segmenter(name: str) -> str:
    """Return what cut a text, for its metadata."""
    try:
        found = version(SEGMENTERS[name])
    except PackageNotFoundError:
        found = "?"
    return f"letters in the pieces of {SEGMENTERS[name]} {found}, after NFKC and lower-casing"


def unspaced_script(words: Sequence[str]) -> str | None:
    """Return the script without spaces that some words are phrases of, None if they are of none.

    Words of a text that was cut before, with spaces between them, are no phrases.
    """
    import regex

    for script, (letter, longest) in _SCRIPTS.items():
        pattern = regex.compile(letter)
        those = [word for word in words if pattern.search(word)]
        if len(those) > _SHARE * len(words):
            return script if sum(map(len, those)) >= longest * len(those) else None
    return None


def phrases_note(script: str, words: Sequence[str]) -> str:
    """Return the warning for a text of a script without spaces that was cut at punctuation alone."""
    longest = max(words, key=len)
    shown = longest if len(longest) <= 20 else f"{longest[:20]}..."
    note = (
        f"The text has no spaces between its words ({script}): what was counted are phrases, as {shown!r}. "
    )
    if script not in SEGMENTERS:
        return f"{note}Give a function as `tokens` that cuts them, or a text with spaces between its words."
    return f"{note}tokens={script!r} cuts words: pip install 'w2vflow[segmenters]'."
