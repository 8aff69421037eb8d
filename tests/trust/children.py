"""Processes for what may hang, crash or be killed: copies of this one, which has run nothing yet."""

import multiprocessing
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

# Loaded here, so that every child finds them: to import them takes longer than what is tested.
import h5netcdf  # noqa: F401
import jax
import numpy as np
import pandas  # noqa: F401
import safetensors.numpy  # noqa: F401
import xarray as xr

import w2vflow as wf
from w2vflow.support.netcdf import netcdf_bytes

# Modules are loaded at the first use of one of their names.
for name in wf.__all__:
    getattr(wf, name)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
# What xarray loads before it writes a file.
version("w2vflow")
netcdf_bytes(xr.Dataset({"a": ("x", [1.0])}, {"x": np.array(["one"], dtype=object)}))

FORK = multiprocessing.get_context("fork")


class Outcome(NamedTuple):
    """What came of a call.

    Attributes:
        kind: "value", "error", "hang" or "crash".
        value: what was returned.
        error: name and message of an exception, or how the process ended.
        seconds: that the call took.
        memory: bytes that the process took beyond what it had before.
    """

    kind: str
    value: Any = None
    error: tuple[str, str] = ("", "")
    seconds: float = 0.0
    memory: int = 0

    def require(self) -> "Outcome":
        """Return this; end the program where nothing was returned."""
        if self.kind != "value":
            raise SystemExit(f"{self.kind} {' '.join(self.error)}")
        return self

    @property
    def is_clear(self) -> bool:
        """Whether this is an error that says what is the matter with an argument, or what is missing."""
        kind, message = self.error
        told = (kind == "ValueError" and message.startswith("Argument `") and "` must be " in message) or (
            kind == "FileNotFoundError" and message.startswith("There is no ")
        )
        return self.kind == "error" and told


class Worker:
    """A process that calls functions one after the other, and is replaced after a hang or a crash."""

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Any = None

    def start(self) -> None:
        """Start the process, if there is none."""
        if self._process is None:
            self._pipe, theirs = FORK.Pipe()
            self._process = FORK.Process(target=_serve, args=(theirs,), daemon=True)
            with warnings.catch_warnings():
                # The threads of a library for matrices, which wait.
                warnings.simplefilter("ignore")
                self._process.start()
            theirs.close()

    def call(self, function: Callable[..., Any], *given: Any, seconds: float = 60.0) -> Outcome:
        """Return what came of a call within some seconds."""
        self.begin(function, *given)
        return self.outcome(seconds)

    def begin(self, function: Callable[..., Any], *given: Any) -> None:
        """Let the process begin with a call."""
        self.start()
        self._pipe.send((function, given))

    def outcome(self, seconds: float) -> Outcome:
        """Return what came of the call that was begun."""
        try:
            if not self._pipe.poll(seconds):
                self.kill()
                return Outcome("hang", error=("", f"no end in {seconds:g} seconds"), seconds=seconds)
            return self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self._process = None
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            return Outcome("crash", error=("", how))

    def kill(self) -> bool:
        """End the process by SIGKILL; return whether it was still at work on a call."""
        if self._process is None:
            return False
        was_at_work = not self._pipe.poll(0)
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._process = None
        return was_at_work

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


def _serve(pipe: Any) -> None:
    # A terminal's Ctrl-C is for the process that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    while True:
        try:
            function, given = pipe.recv()
        except EOFError:
            return
        before, start = _forget_peak(), time.perf_counter()
        try:
            found = Outcome("value", function(*given))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
            clear = type(error) is ValueError or isinstance(error, OSError)
            found = Outcome("error", error=(type(error).__name__, str(error) if clear else where))
        taken = time.perf_counter() - start
        pipe.send(found._replace(seconds=taken, memory=_memory("VmHWM") - before))


def _forget_peak() -> int:
    """Return how much memory this process has; let its peak begin there."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    """Return the bytes of one of the figures that Linux has of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024
