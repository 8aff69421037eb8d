"""A computation's cost as it is told before it starts."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from w2vflow.support.arguments import checked
from w2vflow.support.machine import available_disk, available_memory, readable_bytes

__all__ = ["Plan"]


@checked
@dataclass(frozen=True)
class Plan:
    """Expected cost of a computation, told before it starts.

    Attributes:
        memory: bytes, at the most at any time, of all processes together.
        disk: bytes that its files will take, at the most at any time.
        operations: additions and multiplications, of floating-point numbers unless a note says else.
        seconds: on this machine, if nothing else runs on it.
        notes: its parts and what was assumed, a line each.
    """

    memory: int
    disk: int
    operations: float
    seconds: float
    notes: tuple[str, ...] = ()

    def then(self, other: "Plan") -> "Plan":
        """Return the plan of this and, when it is over, another; the files of both stay."""
        return Plan(
            max(self.memory, other.memory),
            self.disk + other.disk,
            self.operations + other.operations,
            self.seconds + other.seconds,
            (*self.notes, *other.notes),
        )

    def lines(self, folder: str | os.PathLike[str] = ".") -> list[str]:
        """Return the plan for people; lines at the end say what this machine, or the folder, lacks for it."""
        figures = [
            f"memory      {readable_bytes(self.memory)} at most",
            f"disk        {readable_bytes(self.disk)}",
            f"operations  {self.operations:.1e}".replace("e+", "e"),
            f"time        about {_readable_seconds(self.seconds)} on this machine",
        ]
        return figures + [f"  {note}" for note in self.notes] + self.lacking(folder)

    def lacking(self, folder: str | os.PathLike[str] = ".") -> list[str]:
        """Return a line for each of memory and disk that does not suffice."""
        needs = (
            ("memory", self.memory, available_memory(), "is free on this machine"),
            ("disk", self.disk, available_disk(folder), f"is free where {Path(folder)} is"),
        )
        return [
            f"Not enough {what}: {readable_bytes(need)} needed, {readable_bytes(have)} {where}."
            for what, need, have, where in needs
            if need > have
        ]

    def record(self) -> dict[str, Any]:
        """Return everything by name, as JSON has it."""
        return {**asdict(self), "notes": list(self.notes)}


def _readable_seconds(seconds: float) -> str:
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:,.1f} hours"
    if seconds >= 120:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1g} s"
