"""Folders of runs: which one a run takes, and whether the counts in it are those of a text."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import w2vflow as wf
from w2vflow.experiments import Experiment
from w2vflow.support.addresses import is_address
from w2vflow.support.atomic_files import plain, write_json
from w2vflow.support.seals import file_digest, read_record

__all__ = [
    "forget_counts",
    "free_folder",
    "holds",
    "holds_counts",
    "is_whole",
    "remember_counts",
    "text_key",
]

# Beside counts.npz: of which text they are.
_COUNTED = "counts.json"


def free_folder(folder: Path, own: Callable[[Path], bool]) -> Path:
    """Return a folder, or the first of folder-2, folder-3, ... that holds no other run.

    Args:
        folder: the one wanted.
        own: whether the run in a folder is the one that will be written.
    """
    place, number = folder, 1
    while any((place / name).exists() for name in ("config.json", "counts.npz")) and not own(place):
        number += 1
        place = Path(f"{folder}-{number}")
    return place


def holds(folder: Path, experiment: Experiment, digest: str | None = None) -> bool:
    """Return whether the run in a folder, if there is one, has these settings and counts of this digest."""
    if not (folder / "config.json").is_file():
        return True
    config, summary = _record(folder / "config.json"), _record(folder / "summary.json")
    wanted = {"command": "run experiment", **plain(asdict(experiment))}
    # Where counts lie does not tell what they are.
    same = {**config, **summary.get("asked", {}), "statistics": ""} == {**wanted, "statistics": ""}
    return same and digest in (None, summary.get("statistics", {}).get("sha256"))


def is_whole(folder: Path) -> bool:
    """Return whether a folder holds a run that came to its end."""
    return "sgd" in _record(folder / "summary.json").get("final_loss", {})


def text_key(texts: Sequence[str], settings: Mapping[str, Any]) -> str | None:
    """Return the digest of texts and of how they are counted; None of what cannot be read twice."""
    if settings["reader"] == "dataset" or any(text == "-" or is_address(text) for text in texts):
        return None
    digests = []
    for path in map(Path, wf.corpus.expand_paths(texts)):
        if not path.is_file():
            return None
        digests.append([path.suffix, file_digest(path)])
    told = json.dumps([wf.__version__, digests, dict(settings)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def holds_counts(folder: Path, key: str | None) -> bool:
    """Return whether the counts in a folder are those of a text."""
    counted, counts = _record(folder / _COUNTED), folder / "counts.npz"
    if key is None or counted.get("text") != key or not counts.is_file():
        return False
    return file_digest(counts) == counted.get("counts")


def remember_counts(folder: Path, key: str | None) -> None:
    """Write beside counts of which text they are."""
    if key is not None:
        write_json(folder / _COUNTED, {"text": key, "counts": file_digest(folder / "counts.npz")})


def forget_counts(folder: Path) -> None:
    """Remove the counts in a folder."""
    for name in (_COUNTED, "counts.npz"):
        (folder / name).unlink(missing_ok=True)


def _record(path: Path) -> dict[str, Any]:
    """Return a file of names and values; none where it cannot be read."""
    with suppress(OSError, ValueError):
        found = read_record(path)
        return found if isinstance(found, dict) else {}
    return {}
