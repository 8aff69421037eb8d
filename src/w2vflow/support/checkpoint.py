"""State of a long computation in a folder: arrays and a manifest that names them.

A folder holds `array-<serial>-<name>.npy` files and `manifest.json`, which says which of them are
the state, and their digests. New arrays are written under new names, then the manifest is replaced in
one step, then what it no longer names is deleted: a kill at any moment leaves the older state or the
newer one. One run at a time holds a folder, and goes on with what itself has left.
"""

import hashlib
import os
import secrets
import time
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from w2vflow.support.atomic_files import atomic_path, check_writable_folder, write_json
from w2vflow.support.checks import argument_error
from w2vflow.support.locks import hold, this_process
from w2vflow.support.seals import file_digest, has_its_digest, read_record, with_digest

__all__ = ["Checkpoint", "digest"]

# 1: without digests and writer.
FORMAT, _SEALED = 2, 2


def digest(array: Any) -> str:
    """Return the SHA-256 of the entries of an array, by which a run is known."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


@dataclass
class Checkpoint:
    """A folder for the state of one run, that refuses the state of any other.

    Attributes:
        folder: made if missing; used for this one state.
        run: what decides the run; anything that JSON holds.
        every: seconds after which a new state is due.
    """

    folder: str | os.PathLike[str]
    run: dict[str, Any]
    every: float = 60.0
    last: float = field(default_factory=time.monotonic, init=False)
    # Who writes, which state was the last that this object has seen, and the lock it holds.
    _writer: str = field(default_factory=lambda: secrets.token_hex(8), init=False, repr=False)
    _seen: tuple[str, int] | None = field(default=None, init=False, repr=False)
    _lock: Any = field(default=None, init=False, repr=False)

    def due(self) -> bool:
        """Return whether `every` seconds have passed since the last state."""
        return time.monotonic() - self.last >= self.every

    def save(
        self,
        arrays: Mapping[str, np.ndarray],
        manifest: Mapping[str, Any],
        *,
        unchanged: Collection[str] = (),
    ) -> None:
        """Replace the state.

        Args:
            arrays: by name (letters, digits, `-` and `_`); not pickled, so no arrays of objects.
            manifest: the rest of the state; anything that JSON holds.
            unchanged: names of arrays of the last state that stay as they are and are not written again:
                a growing state costs what has grown.

        Raises:
            ValueError: the folder cannot be written, another run is at work on it or has been meanwhile, or
                a name in `unchanged` was not saved before.
            OSError: the disk is full. The last state is still whole.
        """
        place = check_writable_folder(self.folder, "checkpoint")
        self._hold(place)
        last = _read(place) or {"serial": 0, "arrays": {}}
        if self._seen not in (None, _name_of(last)):
            got = f"{place}, to which another run has written since"
            raise argument_error("checkpoint", "a folder for this run alone", got, "Choose another folder.")
        serial = last["serial"] + 1
        missing = sorted(set(unchanged) - set(last["arrays"]))
        if missing:
            raise argument_error("unchanged", f"names of arrays saved in {place} before", missing)
        entries = {name: last["arrays"][name] for name in unchanged}
        for name, array in arrays.items():
            path = place / f"array-{serial}-{name}.npy"
            with atomic_path(path, array.nbytes) as temporary, temporary.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            entries[name] = [path.name, file_digest(path)]
        content = {"run": self.run, "state": dict(manifest)}
        state = {
            "format": FORMAT,
            "writer": self._writer,
            "serial": serial,
            "arrays": entries,
            "manifest": content,
        }
        write_json(place / "manifest.json", with_digest(state))
        self._seen = _name_of(state)
        _delete(place, keep={_file_of(entry) for entry in entries.values()})
        self.last = time.monotonic()

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Return arrays and manifest of the last state; `None` if there is none.

        The arrays are mapped from their files, read-only: copy what is to be kept or changed.

        Raises:
            ValueError: the state is of another run (the message says in what it differs), or damaged; or
                another process is at work on it.
        """
        place = Path(self.folder)
        if place.is_dir():
            self._hold(place)
        state = _read(place)
        self._seen = _name_of(state or {"serial": 0})
        if state is None:
            return None
        old = state["manifest"].get("run", {})
        names = [name for name in {**old, **self.run} if old.get(name) != self.run.get(name)]
        if names:
            raise argument_error(
                "checkpoint",
                "a folder without a state, or with one of this same run",
                f"{place} of a run with "
                + ", ".join(f"{name} = {old.get(name)!r} (now {self.run.get(name)!r})" for name in names),
                "Choose another folder, or delete this one to start anew.",
            )
        try:
            arrays = {name: _array(place, entry) for name, entry in state["arrays"].items()}
        except (OSError, ValueError, EOFError, TypeError, LookupError) as error:
            raise _unusable(place, f"an array that cannot be read ({error})") from error
        return arrays, state["manifest"]["state"]

    def _hold(self, place: Path) -> None:
        if self._lock is None:
            self._lock = hold(place / ".lock", this_process(), "checkpoint")
            if self._lock is not None:
                weakref.finalize(self, self._lock.close)

    def append(
        self,
        part: Mapping[str, np.ndarray],
        parts: Sequence[Mapping[str, np.ndarray]],
        arrays: Mapping[str, np.ndarray],
        manifest: Mapping[str, Any],
    ) -> None:
        """Replace the state of a growing result: parts saved before stay as they are, one more joins them.

        Args:
            part: the new part; empty for none.
            parts: all parts saved before.
            arrays: the rest of the state; names that begin with no digit.
            manifest: as of `save`.
        """
        count = len(parts)
        new = {f"{count}-{name}": array for name, array in part.items()}
        before = [f"{number}-{name}" for number, part in enumerate(parts) for name in part]
        self.save({**arrays, **new}, {**manifest, "parts": count + bool(new)}, unchanged=before)

    def load_parts(
        self,
    ) -> tuple[list[dict[str, np.ndarray]], dict[str, np.ndarray], dict[str, Any]] | None:
        """Return parts, arrays and manifest that `append` left, copied; else as `load`."""
        found = self.load()
        if found is None:
            return None
        # Copies: the files behind the mapped arrays are deleted when a newer state is there.
        every = {name: np.array(array) for name, array in found[0].items()}
        try:
            parts: list[dict[str, np.ndarray]] = [{} for _ in range(found[1]["parts"])]
            for name in [name for name in every if name[0].isdigit()]:
                number, _, own = name.partition("-")
                parts[int(number)][own] = every.pop(name)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _unusable(Path(self.folder), "a manifest without the parts of a state") from error
        return parts, every, found[1]

    def remove(self) -> None:
        """Remove the state, and the folder if nothing else is in it."""
        place = Path(self.folder)
        # The manifest goes first: without it there is no state, whatever a kill leaves behind.
        (place / "manifest.json").unlink(missing_ok=True)
        if place.is_dir():
            _delete(place, keep=set())
            (place / ".lock").unlink(missing_ok=True)
            if not any(place.iterdir()):
                place.rmdir()
        if self._lock is not None:
            self._lock.close()
        self._seen = self._lock = None


def _name_of(state: Mapping[str, Any]) -> tuple[str, int]:
    return state.get("writer", ""), state["serial"]


def _file_of(entry: Any) -> str:
    """Return the name of the file of an array, without its digest, which the first format did not have."""
    return entry if isinstance(entry, str) else entry[0]


def _array(place: Path, entry: Any) -> np.ndarray:
    path = place / Path(_file_of(entry)).name
    if not isinstance(entry, str) and file_digest(path) != entry[1]:
        raise ValueError(f"{path.name} is damaged: its checksum is another")
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read(place: Path) -> dict[str, Any] | None:
    try:
        state = read_record(place / "manifest.json")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _unusable(place, "a manifest that is not JSON") from error
    if not isinstance(state, dict) or state.get("format") not in range(1, FORMAT + 1):
        raise _unusable(place, "a manifest of another format")
    if state["format"] >= _SEALED and not has_its_digest(state):
        raise _unusable(place, "a damaged manifest: its checksum is another")
    # A digest tells damage, and not who wrote the file.
    content = state.get("manifest")
    parts = isinstance(state.get("serial"), int), isinstance(state.get("arrays"), dict)
    if not (all(parts) and isinstance(content, dict) and isinstance(content.get("state"), dict)):
        raise _unusable(place, "a manifest without the parts of a state")
    return state


def _delete(place: Path, keep: set[str]) -> None:
    # Hidden names are what a kill in the middle of a write leaves.
    for pattern in ("array-*.npy", ".array-*", ".manifest*"):
        for path in place.glob(pattern):
            if path.name not in keep:
                path.unlink(missing_ok=True)


def _unusable(place: Path, found: str) -> ValueError:
    return argument_error(
        "checkpoint", "a folder with a usable state", f"{place} with {found}", "Delete it to start anew."
    )
