"""Settings from a file: the keys are the options of a command, the values become its defaults."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro

from w2vflow.support.checks import argument_error

__all__ = ["configuration_file", "from_file"]

T = TypeVar("T")


def configuration_file(arguments: Sequence[str]) -> Path | None:
    """Return the file that `--config` names among arguments, before they are parsed; None without one."""
    for argument, after in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name == "--config":
            file = value if equals else after
            return Path(file) if file else None
    return None


def from_file(command: type[T], name: str, path: Path) -> T:
    """Return a command (a dataclass, perhaps of dataclasses) with the settings of a .json or .toml file.

    The key `command`, if there, says which command it was written for. Options that neither the file nor the
    class gives are left open.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file, belongs to another command, or has a key that the command does
            not know (the closest match is suggested) or a value of another type.
    """
    values = _read(path)
    written_for = values.pop("command", name)
    if written_for != name:
        got = f"{path}, which is of `w2vflow {written_for}`"
        remedy = f"Try `w2vflow {written_for} --config {path}`."
        raise argument_error("config", f"settings of `w2vflow {name}`", got, remedy)
    known = dict(_settings(command))
    for key in values:
        if key not in known:
            close = get_close_matches(key.replace("-", "_"), known, n=1)
            suggestion = f"Did you mean `{close[0]}`?" if close else f"Known are {', '.join(sorted(known))}."
            raise ValueError(f"Unknown setting `{key}` in {path}. {suggestion}")
    converted = {key: _converted(known[key], value, key, path) for key, value in values.items()}
    counts = Path(str(values.get("statistics", "")))
    if counts.name and not counts.is_file() and (path.parent / counts.name).is_file():
        # The folder of a run has moved, or is called from elsewhere: its counts lie beside its settings.
        converted["statistics"] = str(path.parent / counts.name)
    return _build(command, converted)


def _read(path: Path) -> dict[str, Any]:
    readers: dict[str, Any] = {".json": json.loads, ".toml": tomllib.loads}
    if path.suffix not in readers:
        raise argument_error("config", "a .json or .toml file", path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of settings {path}.")
    try:
        values = readers[path.suffix](path.read_text(encoding="utf-8"))
    # Of both formats, and of text that is not UTF-8.
    except ValueError as error:
        raise argument_error("config", f"a whole {path.suffix} file", f"{path} ({error})") from error
    if not isinstance(values, dict):
        raise argument_error("config", "names with values", f"{path} with a {type(values).__name__}")
    return values


def _settings(command: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and type of every setting, those of nested dataclasses included."""
    for name, hint in get_type_hints(command).items():
        if is_dataclass(hint):
            yield from _settings(hint)
        elif name != "config":
            yield name, hint


def _build(command: type[T], values: Mapping[str, Any]) -> T:
    hints = get_type_hints(command)
    given: dict[str, Any] = {}
    for entry in fields(command):  # type: ignore[arg-type]
        if is_dataclass(hints[entry.name]):
            given[entry.name] = _build(hints[entry.name], values)
        elif entry.name in values:
            given[entry.name] = values[entry.name]
        elif entry.default is MISSING and entry.default_factory is MISSING:
            given[entry.name] = tyro.MISSING
    return command(**given)


def _converted(hint: Any, value: Any, key: str, path: Path) -> Any:
    """Return a value of a file as the type of its setting."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        return _converted(next(kind for kind in inner if kind is not NoneType), value, key, path)
    if origin is Literal and value in inner:
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_converted(inner[0], item, key, path) for item in value)
    if hint is float and type(value) in (int, float):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if origin is None and type(value) is hint:
        return value
    raise argument_error(key, _described(hint), f"{value!r} in {path}")


def _described(hint: Any) -> str:
    """Return what a setting must be, in words."""
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(repr, get_args(hint)))}"
    if get_origin(hint) is tuple:
        return f"a list, each {_described(get_args(hint)[0])}"
    return names[hint]
