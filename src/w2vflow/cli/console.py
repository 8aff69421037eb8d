"""Options of output, the log of a run, results and plans as text: shared by all commands."""

import json
import math
import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import tyro

from w2vflow.support.addresses import is_address
from w2vflow.support.atomic_files import check_writable_folder, plain
from w2vflow.support.checks import argument_error
from w2vflow.support.compiled_code import compiled_code_folder
from w2vflow.support.display import harmless
from w2vflow.support.ownership import is_own_folder
from w2vflow.support.plan import Plan

__all__ = [
    "Console",
    "OptionalFloat",
    "OptionalInt",
    "OptionalPath",
    "Output",
    "Settings",
    "check_files",
    "keep_compiled_code",
    "number",
    "on_terminal",
    "one_line",
    "percent",
    "say",
    "set_up_jax",
]


# Options that need not be given, without `{None}|PATH` in the help.
OptionalPath = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]
OptionalInt = Annotated[int | None, tyro.conf.arg(metavar="INT")]
OptionalFloat = Annotated[float | None, tyro.conf.arg(metavar="FLOAT")]


@dataclass(frozen=True)
class Output:
    """How the result is shown."""

    json: bool = False
    """Print the result to standard output as one JSON document; stages go to standard error."""

    def console(self) -> "Console":
        """Return where results and stages go; its clock starts now."""
        return Console(self.json, time.perf_counter())


@dataclass(frozen=True)
class Settings(Output):
    """How the result is shown, and where settings come from."""

    config: OptionalPath = None
    """File of settings, .json or .toml, keys as in `vocab_size = 500`; options given beside it win."""
    dry_run: bool = False
    """Say what it would take of memory, disk, operations and time; compute and write nothing."""


@dataclass(frozen=True)
class Console:
    """Prints the stages of a command with the time since its start, and its result, for people or as JSON."""

    json: bool
    start: float

    def __call__(self, stage: str) -> None:
        """Say what is being done."""
        seconds = time.perf_counter() - self.start
        say(f"[{seconds:5.1f} s] {stage}", sys.stderr if self.json else sys.stdout)

    def folder(self, path: Path) -> Path:
        """Return the folder for results, after a check that it can be written."""
        return check_writable_folder(path, "out")

    def taken(self, wanted: Path, folder: Path) -> None:
        """Say that another folder is taken than the one that was wanted, if it is another."""
        if folder != wanted:
            self(f"{wanted} holds another run; this one goes to {folder}")

    def result(
        self, lines: Sequence[str], record: Mapping[str, Any], files: Sequence[Path] = (), last: str = ""
    ) -> None:
        """Show lines, the files written and a last line to people, or the record and the files as JSON."""
        if self.json:
            written = {"files": [str(path) for path in files]} if files else {}
            say(json.dumps(plain({**record, **written}), indent=2, allow_nan=False, ensure_ascii=False))
            return
        shown = list(lines)
        if files:
            seconds = time.perf_counter() - self.start
            shown += ["", "Written:", *(f"  {path}" for path in files), "", f"Done in {seconds:.0f} s."]
        say("\n".join([*shown, last] if last else shown))

    def plan(self, plan: Plan, folder: Path = Path()) -> None:
        """Show what a command would take whose results go to a folder."""
        self.result(plan.lines(folder), {"plan": {**plan.record(), "lacking": plan.lacking(folder)}})


def say(text: str, file: TextIO | None = None) -> None:
    """Print a text, to standard output by default, as everything that commands print: it may hold words."""
    print(harmless(text), file=file, flush=True)


def one_line(command: type) -> str:
    """Return the first line of the description of a command, for the list of all."""
    return (command.__doc__ or "").splitlines()[0]


def keep_compiled_code() -> None:
    """Have numba, not loaded yet, keep what it compiles where commands do, unless it is told where."""
    folder = compiled_code_folder()
    if folder is not None and "numba" not in sys.modules:
        os.environ.setdefault("NUMBA_CACHE_DIR", str(folder / "numba"))


def set_up_jax() -> None:
    """Turn float64 on in JAX, which theory and flow need, and the cache of what it compiles.

    Where `JAX_COMPILATION_CACHE_DIR` names one, it is that, if others cannot write to it. The library itself
    never changes a setting of JAX.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    cache = jax.config.values["jax_compilation_cache_dir"]
    if cache is None:
        if (folder := compiled_code_folder()) is not None:
            jax.config.update("jax_compilation_cache_dir", str(folder / "jax"))
            # Most of what is compiled is small: 150 functions of some 0.05 s each in a run.
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
            jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        return
    if is_address(cache):
        return
    # Where it cannot be made, JAX says so.
    with suppress(OSError):
        Path(cache).mkdir(mode=0o700, parents=True, exist_ok=True)
    if Path(cache).is_dir() and not is_own_folder(Path(cache)):
        jax.config.update("jax_compilation_cache_dir", None)
        warnings.warn(
            f"JAX_COMPILATION_CACHE_DIR is not used: others can write to {cache}, and what is kept there is "
            "run. Set it to a folder of your own.",
            RuntimeWarning,
            stacklevel=2,
        )


def on_terminal() -> bool:
    """Return whether progress bars have someone to see them; a pipe or file gets plain lines."""
    return sys.stderr.isatty()


def check_files(argument: str, paths: tuple[str, ...]) -> None:
    """Raise `ValueError` unless all paths exist and are different, before any is read for minutes.

    Of an address, reading it says whether there is something.
    """
    for path in paths:
        if not is_address(path) and not Path(path).exists():
            raise argument_error(argument, "files that exist", path)
        if paths.count(path) > 1:
            raise argument_error(argument, "different files", f"{path} twice")


def number(value: float | None) -> str:
    """Return three decimals, `-` for nothing or NaN."""
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Return a share as a percentage, `-` for nothing or NaN."""
    return "-" if value is None or math.isnan(value) else f"{value:.1%}"
