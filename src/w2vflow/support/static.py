"""Constants that ride along with arrays in a pytree: compared and hashed in constant time."""

import hashlib
import json
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn, TypeVar, overload

__all__ = ["Metadata", "Vocabulary", "remembered"]

Value = TypeVar("Value")

# Of objects that are there, by their identity, what they have computed of themselves.
_REMEMBERED: dict[int, dict[str, Any]] = {}


class Vocabulary(Sequence[str]):
    """The words of a model in the order of its rows, known by their SHA-256, which is computed once.

    Equal to a tuple of the same words.

    Args:
        words: the words.
    """

    def __init__(self, words: Any) -> None:
        self.words = tuple(words)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the words, each ended by a byte that no text has."""
        return hashlib.sha256(b"\xff".join(word.encode() for word in self.words)).hexdigest()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, tuple):
            return self.words == other
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self is other or (len(self) == len(other) and self.sha256 == other.sha256)

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __len__(self) -> int:
        return len(self.words)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[str, ...]: ...

    def __getitem__(self, at: int | slice) -> str | tuple[str, ...]:
        return self.words[at]

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} words)"


class Metadata(dict[str, Any]):
    """JSON values by name: a dictionary that cannot be changed, hashed once.

    Example:
        >>> about = Metadata({"window": 5})
        >>> about == {"window": 5}, hash(about) == hash(Metadata({"window": 5}))
        (True, True)
    """

    @cached_property
    def _hash(self) -> int:
        return hash(json.dumps(self, sort_keys=True, default=repr))

    def __hash__(self) -> int:  # type: ignore[override]
        return self._hash

    def __reduce__(self) -> tuple[type["Metadata"], tuple[Mapping[str, Any]]]:
        return Metadata, (dict(self),)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("Metadata cannot be changed. Use `{**metadata, name: value}` in a new object.")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse


def remembered(one: Any, name: str, make: Callable[[], Value]) -> Value:
    """Return `make()`, computed once in the life of an object that does not change.

    Kept outside of the object: an attribute more would be another pytree to `equinox`.
    """
    if id(one) not in _REMEMBERED:
        _REMEMBERED[id(one)] = {}
        weakref.finalize(one, _REMEMBERED.pop, id(one), None).atexit = False
    kept = _REMEMBERED[id(one)]
    if name not in kept:
        kept[name] = make()
    return kept[name]
