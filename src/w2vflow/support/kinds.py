"""Kinds of arguments, and tests of values against annotations."""

import collections.abc
import functools
import inspect
import numbers
import os
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np

__all__ = ["ArrayLike", "Kind", "is_ours", "kind_of"]

# Arrays of NumPy, of JAX and of others, and nested lists of numbers.
ArrayLike = Annotated[Any, "an array of numbers"]

Test = Callable[[Any], bool]


class Kind(typing.NamedTuple):
    """The test of values of an annotation, and what passes it in words.

    `values` are all that there are, of names such as those of a sampler; `dims` names the axes of an array,
    as jaxtyping does: two that are called alike have one length.
    """

    test: Test
    said: str
    values: tuple[Any, ...] = ()
    dims: str | None = None


def kind_of(hint: Any) -> Kind:
    """Return what an annotation asks of a value."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _any_of(typing.get_args(hint))
    if origin is Annotated:
        numeric = typing.get_args(hint) == typing.get_args(ArrayLike)
        return Kind(_is_numeric, "an array of numbers") if numeric else kind_of(typing.get_args(hint)[0])
    if origin is typing.Literal:
        values = typing.get_args(hint)
        return kind_of(type(values[0]))._replace(values=values)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if hasattr(hint, "dim_str"):
        return _array_kind(hint)
    kind = origin or hint
    if kind is collections.abc.Callable:
        return Kind(callable, "a function")
    if kind is type and typing.get_args(hint):
        [base] = typing.get_args(hint)
        return Kind(lambda v: isinstance(v, type) and issubclass(v, base), f"a class of `{base.__name__}`")
    if not isinstance(kind, type) or kind in (object, type):
        return _ANYTHING
    if kind.__module__ == "collections.abc" or kind in (list, tuple, dict):
        return _collection_kind(kind, typing.get_args(hint))
    if kind is np.ndarray:
        # Of Axes, too.
        return Kind(lambda v: isinstance(v, np.ndarray) or _is_numeric(v), "an array")
    if kind.__name__ == "Array":
        return Kind(_is_numeric, "an array of numbers")
    return Kind(lambda value: isinstance(value, kind), f"a `{kind.__name__}`")


def is_ours(kind: Any) -> bool:
    """Return whether a kind is a class of this package."""
    return isinstance(kind, type) and kind.__module__.split(".")[0] == __name__.split(".")[0]


def _any_of(hints: tuple[Any, ...]) -> Kind:
    parts = [kind_of(hint) for hint in hints if hint is not type(None)]
    optional = type(None) in hints
    if _ANYTHING in parts:
        return _ANYTHING
    if optional and len(parts) == 1:
        [part] = parts
        return part._replace(
            test=lambda v: v is None or part.test(v),
            said=f"{part.said} or None",
            values=(*part.values, None) if part.values else (),
        )
    said = list(dict.fromkeys(part.said for part in parts)) + ["None"] * optional
    return Kind(lambda v: (optional and v is None) or any(part.test(v) for part in parts), " or ".join(said))


def _array_kind(hint: Any) -> Kind:
    """Return the kind of an annotation of jaxtyping: its numbers, and how many axes it has."""
    if "prng_key" in hint.dtypes:
        return Kind(_is_key, "a JAX key, e.g. `jax.random.key(0)`")
    whole, truth = "int32" in hint.dtypes, "bool" in hint.dtypes
    numbers_of = ("iu", "of whole numbers") if whole else ("iufV", "of numbers")
    dtypes, said = ("b", "of True and False") if truth else numbers_of
    dims = None if hint.index_variadic is not None else hint.dim_str
    return Kind(functools.partial(_is_numeric, dtypes=dtypes), f"an array {said}", dims=dims)


def _collection_kind(kind: type, items: tuple[Any, ...]) -> Kind:
    """Return the kind of collections of an annotation, with what is in them where that can be looked at."""
    parts = [_item_kind(item) for item in items if item is not Ellipsis]
    if issubclass(kind, collections.abc.Mapping):
        keys, values = parts or (_ANYTHING, _ANYTHING)
        return Kind(
            lambda v: (
                isinstance(v, collections.abc.Mapping)
                and _all(keys.test, v)
                and _all(values.test, v.values())
            ),
            "a mapping",
        )
    if kind is tuple and len(parts) > 1:
        # A list is taken for it.
        return Kind(
            lambda v: (
                _is_sequence(v)
                and len(v) == len(parts)
                and all(part.test(one) for part, one in zip(parts, v, strict=True))
            ),
            f"{len(parts)} of one kind",
        )
    item = parts[0] if len(parts) == 1 else _ANYTHING
    if issubclass(kind, collections.abc.Sequence):
        said = "a list of strings" if items == (str,) else "a list"
        said += "" if items in ((), (str,)) or item is _ANYTHING else f" of which each is {item.said}"
        return Kind(lambda v: _is_sequence(v) and _all(item.test, v), said)
    # What can be gone through once is left as it is.
    look = lambda v: not hasattr(v, "__len__") or _all(item.test, v)  # noqa: E731
    return Kind(lambda v: _is_collection(v) and look(v), "a list or another collection, no string")


def _item_kind(hint: Any) -> Kind:
    """Return the kind of what is in a collection; pairs are left to who can tell which of them is none."""
    pairs = typing.get_origin(hint) is tuple and Ellipsis not in typing.get_args(hint)
    return _ANYTHING if pairs else kind_of(hint)


def _all(test: Test, values: Any) -> bool:
    if test is _anything:
        return True
    if test is _is_string:
        # Of 400,000 words a look at each type in turn takes ten times as long.
        return all(issubclass(kind, str) for kind in set(map(type, values)))
    return all(map(test, values))


def _anything(value: Any) -> bool:
    return True


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any, kind: type = numbers.Real, dtypes: str = "iufV") -> bool:
    """Return whether a value is a number, or an array that is one; True and False are none."""
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0 and value.dtype.kind in dtypes:
        return True
    return isinstance(value, kind) and not isinstance(value, bool | np.bool_)


def _is_numeric(value: Any, dtypes: str = "biufV") -> bool:
    """Return whether a value is an array of such numbers, or a nested list of them."""
    if isinstance(value, str | bytes | bool | None) or (not hasattr(value, "dtype") and is_ours(type(value))):
        return False
    try:
        array = value if hasattr(value, "dtype") else np.asarray(value)
    except (TypeError, ValueError):
        return False
    # An empty list has no numbers of any kind.
    empty = array.size == 0 and not hasattr(value, "dtype")
    return empty or getattr(array.dtype, "kind", "O") in dtypes


def _is_key(value: Any) -> bool:
    # By its name: the command line reads this file before JAX is loaded.
    return str(getattr(value, "dtype", "")).startswith("key<")


def _is_sequence(value: Any) -> bool:
    # A set has no order, and a mapping another meaning.
    ordered = hasattr(value, "__getitem__") and hasattr(value, "__len__")
    return _is_collection(value) and ordered and not isinstance(value, collections.abc.Mapping)


def _is_collection(value: Any) -> bool:
    # Strings and classes, and arrays of no axis, say that they can be gone through.
    single = isinstance(value, str | bytes | os.PathLike) or inspect.isclass(value)
    return hasattr(value, "__iter__") and getattr(value, "ndim", 1) != 0 and not single


_ANYTHING = Kind(_anything, "anything")
_PATH = Kind(lambda value: isinstance(value, os.PathLike), "a path")
_SIMPLE: dict[Any, Kind] = {
    Any: _ANYTHING,
    int: Kind(functools.partial(_is_number, kind=numbers.Integral, dtypes="iu"), "a whole number"),
    float: Kind(_is_number, "a number"),
    bool: Kind(lambda value: isinstance(value, bool | np.bool_), "True or False"),
    str: Kind(_is_string, "a string"),
    os.PathLike: _PATH,
    os.PathLike[str]: _PATH,
}
