"""What commands share: the log of a run, the folder it writes into, how numbers are shown."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from w2vflow.checks import argument_error
from w2vflow.storage import check_writable_folder

__all__ = ["Log", "check_files", "number", "percent", "ready", "report", "start"]


@dataclass(frozen=True)
class Log:
    """Prints the stages of a run with the time since its start."""

    start: float

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.perf_counter() - self.start

    def __call__(self, stage: str) -> None:
        print(f"[{self.seconds:5.1f} s] {stage}", flush=True)


def start() -> Log:
    """Return a log that starts now; set JAX up."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return Log(time.perf_counter())


def ready(out: Path) -> tuple[Path, Log]:
    """Return the folder for results, after a check that it can be written, and a log; set JAX up."""
    return check_writable_folder(out, "out"), start()


def check_files(argument: str, paths: tuple[Path, ...]) -> None:
    """Raise unless all are there and different, before any is read that takes minutes.

    Raises:
        ValueError: a path that does not exist, or comes twice.
    """
    for path in paths:
        if not path.exists():
            raise argument_error(argument, "files that exist", path)
        if paths.count(path) > 1:
            raise argument_error(argument, "different files", f"{path} twice")


def report(lines: list[str], paths: list[Path], log: Log) -> None:
    """Print results, the files they were written to, and how long it took."""
    print("\n".join(["", *lines, "", "Written:", *(f"  {path}" for path in paths)]))
    print(f"\nDone in {log.seconds:.0f} s.")


def number(value: float | None) -> str:
    """Return three decimals, `-` for nothing or NaN."""
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Return a share as a percentage, `-` for nothing or NaN."""
    return "-" if value is None or math.isnan(value) else f"{value:.1%}"
