"""Rules of tokens in files: Hugging Face's `tokenizer.json`, and phrases."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from w2vflow.corpus.counting.phrases import PHRASES_FORMAT, Phrases
from w2vflow.corpus.counting.tokenizers import Tokenizer
from w2vflow.support.checks import argument_error

__all__ = ["file_tokenizer"]


def file_tokenizer(path: str) -> Tokenizer:
    """Return the function from text to words that a file holds; its `repr` names the content.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind.
        ImportError: a `tokenizer.json`, and the extra `tokenizers` is not installed.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"There is no file {path}: `tokens` ending in .json name a file of a tokenizer."
        )
    return _of_content(path, Path(path).read_bytes())


# Every block of text asks for it anew.
@lru_cache(maxsize=4)
def _of_content(path: str, content: bytes) -> Tokenizer:
    try:
        record = json.loads(content)
        if record.get("format") == PHRASES_FORMAT:
            return Phrases.load(path)
        if "model" not in record:
            raise ValueError("no model in it")
    except (AttributeError, ValueError, RecursionError) as error:
        expected = "a `tokenizer.json` of Hugging Face, or phrases that `Phrases.save` wrote"
        raise argument_error("tokens", expected, f"{path} ({error})") from error
    return _Subwords(path, content)


class _Subwords:
    """A Hugging Face tokenizer as a function from text to words, of texts of any length and nothing added."""

    def __init__(self, path: str, content: bytes) -> None:
        try:
            from tokenizers import Tokenizer as Subwords
        except ImportError as error:
            raise ImportError(
                f"{path} needs Hugging Face's tokenizers: pip install 'w2vflow[tokenizers]'"
            ) from error
        try:
            self._tokenizer: Any = Subwords.from_str(content.decode())
        # The library raises nothing more specific.
        except Exception as error:
            raise argument_error(
                "tokens", "a `tokenizer.json` of Hugging Face", f"{path} ({error})"
            ) from error
        # A model's longest input is no matter of counting.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._name = f"{Path(path).name} (SHA-256 {hashlib.sha256(content).hexdigest()})"

    def __call__(self, text: str) -> list[str]:
        # A word with a line break in it cannot be stored.
        found = self._tokenizer.encode(text, add_special_tokens=False).tokens
        return [word.replace("\n", "\\n") for word in found if word]

    def __repr__(self) -> str:
        return self._name
