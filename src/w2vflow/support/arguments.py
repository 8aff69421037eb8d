"""Arguments checked against annotations: one mechanism for every public function and class."""

import functools
import inspect
import numbers
import operator
import typing
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

import numpy as np

from w2vflow.support.kinds import Kind, is_ours, kind_of

__all__ = ["checked"]

Public = TypeVar("Public", bound=Callable[..., Any])


def checked(public: Public) -> Public:
    """Return a function, or a class, that refuses arguments of the wrong name or type.

    Checked are numbers, text, paths, collections and what is in them, JAX keys, classes, and arrays: the kind
    of their numbers, and the shapes of those that jaxtyping annotates. `Any` is not checked. Of a class,
    `__init__` and public methods are. For the message, a class may say in `_made_by` how to make one.

    Raises:
        TypeError: on a call, naming the argument, what it must be, what it is, and the nearest right thing.
        ValueError: likewise, where the type is right: a name that is none of those there are, a whole number
            of more than 64 bits, arrays of shapes that disagree.

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
    tests: dict[str, tuple[Kind, Any]] = {}
    whole: list[str] = []

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        # Annotations are read at the first call: they may name classes defined further below.
        if not tests and signature.parameters:
            tests.update(_tests(function, signature))
            whole.extend(name for name, (kind, _) in tests.items() if kind.said in _WHOLE)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise _misfit(name, signature, args, kwargs, made) or error from None
        lengths: dict[str, Any] = {}
        for argument, value in bound.arguments.items():
            kind, hint = tests[argument]
            if not kind.test(value):
                remedy = _remedy(argument, value, hint)
                text = f"Argument `{argument}` must be {kind.said}, but got {_got(value)}. {remedy}"
                raise TypeError(text.strip())
            if isinstance(value, numbers.Integral) and int(value).bit_length() > _BITS:
                raise ValueError(f"Argument `{argument}` must be below 2^64 in size, but got {value}.")
            if kind.values and value not in kind.values:
                raise _unknown(argument, value, kind.values)
            if kind.dims is not None and value is not None:
                _check_shape(argument, value, kind.dims, lengths)
        counts = {name: bound.arguments[name] for name in whole if name in bound.arguments}
        if any(hasattr(value, "dtype") for value in counts.values()):
            # Sizes of arrays: compiled functions would trace an array of no axis, which is none.
            bound.arguments.update({n: v if v is None else operator.index(v) for n, v in counts.items()})
            return function(*bound.args, **bound.kwargs)
        return function(*args, **kwargs)

    return call


def _tests(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, tuple[Kind, Any]]:
    """Return kind and annotation of every argument."""
    hints, found = _hints(function), {}
    for name, parameter in signature.parameters.items():
        hint = hints.get(name, Any) if parameter.kind is not parameter.VAR_KEYWORD else Any
        kind = kind_of(hint)
        if parameter.kind is parameter.VAR_POSITIONAL:
            kind = Kind(functools.partial(lambda test, values: all(map(test, values)), kind.test), kind.said)
        found[name] = (kind, hint)
    return found


def _unknown(argument: str, value: Any, values: Sequence[Any]) -> ValueError:
    """Return the error for a name that is none of those there are, with the nearest of them."""
    near = get_close_matches(str(value), [str(one) for one in values], n=1)
    said = " or ".join(map(repr, values)) if len(values) < 3 else f"one of {list(values)}"
    text = f"Argument `{argument}` must be {said}, but got {value!r}."
    return ValueError(f"{text} Did you mean {near[0]!r}?" if near else text)


def _check_shape(argument: str, value: Any, dims: str, lengths: dict[str, Any]) -> None:
    """Raise `ValueError` unless an array has its axes, those named alike as long as in arguments before."""
    shape, names = np.shape(value), dims.split()
    own = f"of shape ({', '.join(names)}{',' * (len(names) == 1)})" if names else "one number"
    if len(names) != len(shape):
        raise ValueError(f"Argument `{argument}` must be {own}, but got shape {shape}.")
    for name, length in zip(names, shape, strict=True):
        first, known = lengths.setdefault(name, (argument, length)) if name.isidentifier() else ("", length)
        if length != known:
            expected = f"{own} with {name} = {known}, as in `{first}`"
            raise ValueError(f"Argument `{argument}` must be {expected}, but got shape {shape}.")


def _got(value: Any) -> str:
    """Return a value in words: its type, and where it may be an array of another kind, that."""
    if isinstance(value, str | numbers.Number):
        return repr(value)
    what = type(value).__name__
    if getattr(value, "dtype", None) is not None and hasattr(value, "shape"):
        return f"{what} of shape {tuple(value.shape)} and type {value.dtype}"
    return what


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError:
        # Some name is for type checkers alone.
        given = {name: p.annotation for name, p in inspect.signature(function).parameters.items()}
        return {name: hint for name, hint in given.items() if hint is not inspect.Parameter.empty}


# Of whole numbers: counts, sizes, seeds.
_BITS = 64

# A number that is an array of no axis is made one of Python's.
_WHOLE = ("a whole number", "a whole number or None")


def _remedy(argument: str, value: Any, hint: Any) -> str:
    """Return the nearest right thing for a value of the wrong kind, if one is known."""
    kinds = [kind for kind in (typing.get_args(hint) or (hint,)) if isinstance(kind, type)]
    for kind in filter(is_ours, kinds):
        if ways := _ways(kind, value):
            return f"Use `{ways[0]}`."
    if int in kinds:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return ""
        return f"Pass `{argument}={round(number)}`." if number.is_integer() else ""
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
        wanted = kind_of(hint)
        if first and wanted.said != "anything" and wanted.test(value):
            found.append(f"{kind.__name__}.{name}({first.name})")
    return found


def _misfit(
    name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any], made: type | None
) -> TypeError | None:
    """Return the error for arguments that do not fit a signature."""
    own = args[1:] if made else args
    if made and own and is_ours(made) and (ways := _ways(made, own[0])):
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
