"""Arguments checked against annotations: one mechanism for every public function and class."""

import collections.abc
import functools
import inspect
import numbers
import operator
import os
import types
import typing
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeVar

import numpy as np

__all__ = ["checked"]

Public = TypeVar("Public", bound=Callable[..., Any])
Test = Callable[[Any], bool]


def checked(public: Public) -> Public:
    """Return a function, or a class, that refuses arguments of the wrong name or type.

    Whole numbers, numbers, text, paths, JAX keys and classes of this package are checked; arrays and `Any`
    are not. Of a class, `__init__` and public methods are. For the message, a class may say in `_made_by`
    how to make one.

    Raises:
        TypeError: on a call, naming the argument, what it must be, what it is, and the nearest right thing.

    Example:
        >>> halve = checked(lambda count: count / 2)
        >>> halve(cuont=3)
        Traceback (most recent call last):
        TypeError: Argument `cuont` must be one that `<lambda>` has, but got another. Did you mean `count`?
    """
    if not isinstance(public, type):
        return typing.cast(Public, _checked(public, public.__name__))
    for name, member in list(vars(public).items()):
        method = member.__func__ if isinstance(member, classmethod) else member
        if inspect.isfunction(method) and (name == "__init__" or name[0] != "_"):
            owner = public.__name__ if name == "__init__" else f"{public.__name__}.{name}"
            wrapped = _checked(method, owner, public if name == "__init__" else None)
            setattr(public, name, classmethod(wrapped) if isinstance(member, classmethod) else wrapped)
    return public


def _checked(function: Callable[..., Any], name: str, made: type | None = None) -> Callable[..., Any]:
    signature = inspect.signature(function)
    tests: dict[str, tuple[Test, str, Any]] = {}
    whole: list[str] = []

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        # Annotations are read at the first call: they may name classes defined further below.
        if not tests and signature.parameters:
            tests.update(_tests(function, signature))
            whole.extend(name for name, (_, expected, _) in tests.items() if expected in _WHOLE)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise _misfit(name, signature, args, kwargs, made) or error from None
        for argument, value in bound.arguments.items():
            test, expected, hint = tests[argument]
            if not test(value):
                got = repr(value) if isinstance(value, str | numbers.Number) else type(value).__name__
                remedy = _remedy(argument, value, hint)
                raise TypeError(f"Argument `{argument}` must be {expected}, but got {got}. {remedy}".strip())
        counts = {name: bound.arguments[name] for name in whole if name in bound.arguments}
        if any(hasattr(value, "dtype") for value in counts.values()):
            # Sizes of arrays: compiled functions would trace an array of no axis, which is none.
            bound.arguments.update({n: v if v is None else operator.index(v) for n, v in counts.items()})
            return function(*bound.args, **bound.kwargs)
        return function(*args, **kwargs)

    return call


def _tests(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, tuple[Test, str, Any]]:
    """Return test, kind in words and annotation of every argument."""
    hints, found = _hints(function), {}
    for name, parameter in signature.parameters.items():
        hint = hints.get(name, Any) if parameter.kind is not parameter.VAR_KEYWORD else Any
        test, expected = _test(hint)
        if parameter.kind is parameter.VAR_POSITIONAL:
            test = functools.partial(lambda test, values: all(map(test, values)), test)
        found[name] = (test, expected, hint)
    return found


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError:
        # Some name is for type checkers alone.
        return {name: p.annotation for name, p in inspect.signature(function).parameters.items()}


def _anything(value: Any) -> bool:
    return True


def _test(hint: Any) -> tuple[Test, str]:
    """Return the test for values of an annotated kind, and that kind in words."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        parts = [_test(part) for part in typing.get_args(hint) if part is not type(None)]
        optional = type(None) in typing.get_args(hint)
        said = list(dict.fromkeys(expected for _, expected in parts)) + ["None"] * optional
        return lambda v: (optional and v is None) or any(test(v) for test, _ in parts), " or ".join(said)
    if origin is typing.Annotated:
        return _test(typing.get_args(hint)[0])
    if origin is typing.Literal:
        # Which of them is a matter of value, not of type.
        return _test(type(typing.get_args(hint)[0]))
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    kind = origin or hint
    if getattr(kind, "__name__", "").startswith("Key["):
        return _is_key, "a JAX key, e.g. `jax.random.key(0)`"
    if kind is collections.abc.Callable:
        return callable, "a function"
    if isinstance(kind, type) and kind.__module__ == "collections.abc":
        if issubclass(kind, collections.abc.Mapping):
            return lambda v: isinstance(v, collections.abc.Mapping), "a mapping"
        return _is_collection, "a list or another collection, no string"
    if _is_ours(kind):
        return lambda v: isinstance(v, kind), f"a `{kind.__name__}`"
    return _anything, "anything"


def _is_ours(kind: Any) -> bool:
    return isinstance(kind, type) and kind.__module__.split(".")[0] == __name__.split(".")[0]


def _is_number(value: Any, kind: type = numbers.Real, dtypes: str = "iufV") -> bool:
    """Return whether a value is a number, or an array that is one; True and False are none."""
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0 and value.dtype.kind in dtypes:
        return True
    return isinstance(value, kind) and not isinstance(value, bool | np.bool_)


def _is_key(value: Any) -> bool:
    # By its name: the command line reads this file before JAX is loaded.
    return str(getattr(value, "dtype", "")).startswith("key<")


def _is_collection(value: Any) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str | bytes | os.PathLike)


_SIMPLE: dict[Any, tuple[Test, str]] = {
    int: (functools.partial(_is_number, kind=numbers.Integral, dtypes="iu"), "a whole number"),
    float: (_is_number, "a number"),
    bool: (lambda v: isinstance(v, bool | np.bool_), "True or False"),
    str: (lambda v: isinstance(v, str), "a string"),
    os.PathLike: (lambda v: isinstance(v, os.PathLike), "a path"),
    os.PathLike[str]: (lambda v: isinstance(v, os.PathLike), "a path"),
}

# A number that is an array of no axis is made one of Python's.
_WHOLE = ("a whole number", "a whole number or None")


def _remedy(argument: str, value: Any, hint: Any) -> str:
    """Return the nearest right thing for a value of the wrong kind, if one is known."""
    kinds = [kind for kind in (typing.get_args(hint) or (hint,)) if isinstance(kind, type)]
    for kind in filter(_is_ours, kinds):
        if ways := _ways(kind, value):
            return f"Use `{ways[0]}`."
    if int in kinds:
        try:
            number = float(value)
        except (TypeError, ValueError):
            return ""
        return f"Pass `{argument}={round(number)}`." if number == round(number) else ""
    if float in kinds and isinstance(value, str):
        return f"Pass `{argument}={value}`, without quotes."
    made_by = next((found for kind in kinds if (found := getattr(kind, "_made_by", ""))), "")
    return f"Make one with {made_by}." if made_by else ""


def _ways(kind: type, value: Any) -> list[str]:
    """Return calls of class methods `kind.from_...` that take such a value first."""
    found = []
    for name in [name for name in dir(kind) if name.startswith("from_")]:
        method = getattr(kind, name)
        first = next(iter(inspect.signature(method).parameters.values()), None)
        hint = _hints(inspect.unwrap(method.__func__)).get(first.name, Any) if first else Any
        test, _ = _test(hint)
        if first and hint is not Any and test is not _anything and test(value):
            found.append(f"{kind.__name__}.{name}({first.name})")
    return found


def _misfit(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any], made: type | None
) -> TypeError | None:
    """Return the error for arguments that do not fit a signature."""
    own = args[1:] if made else args
    if made and own and _is_ours(made) and (ways := _ways(made, own[0])):
        got = type(own[0]).__name__
        return TypeError(f"`{name}` is not made from a `{got}` directly. Use `{ways[0]}`.")
    names = [n for n in signature.parameters if n not in ("self", "cls")]
    for wrong in kwargs:
        if wrong not in names:
            near = get_close_matches(wrong, names, n=1, cutoff=0.5)
            every = ", ".join(f"`{n}`" for n in names)
            hint = f"Did you mean `{near[0]}`?" if near else f"It has {every}."
            return TypeError(f"Argument `{wrong}` must be one that `{name}` has, but got another. {hint}")
    positional = [n for n, p in signature.parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(args) > len(positional):
        rest = [f"`{n}=`" for n, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY]
        by_name = f" Pass others by name: {', '.join(rest)}." if rest else ""
        return TypeError(
            f"`{name}` takes {len(positional)} arguments by place, but got {len(args)}.{by_name}"
        )
    given = {*positional[: len(args)], *kwargs}
    for missing, parameter in signature.parameters.items():
        if missing in names and missing not in given and parameter.default is parameter.empty:
            return TypeError(f"Argument `{missing}` of `{name}` is missing: `{name}({', '.join(names)})`.")
    return None
