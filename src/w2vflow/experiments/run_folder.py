"""Folder of a run: written, and read back."""

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from w2vflow.experiments.ablation import AblationRun
from w2vflow.experiments.run import Run
from w2vflow.results import Cloud, Comparison
from w2vflow.semantics import Feature
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import write_json, write_text
from w2vflow.support.checks import argument_error

__all__ = ["SavedRun", "load_run", "write_ablation", "write_run"]

_NEEDED = ("config.json", "summary.json", "comparison.nc", "features.csv")


@checked
@dataclass(frozen=True, eq=False)
class SavedRun:
    """A run that was read from its folder.

    Attributes:
        folder: its path.
        config: the settings; `w2vflow run --config folder/config.json` reruns it.
        summary: every number that the terminal showed.
        comparison: theory, flow and SGD of all seeds, without the embeddings.
        features: words at the ends of each concept.
        cloud: positions of words over time, or None where the run kept none.
    """

    folder: Path
    config: dict[str, Any]
    summary: dict[str, Any]
    comparison: Comparison
    features: list[Feature]
    cloud: Cloud | None


@checked
def write_run(run: Run, folder: str | os.PathLike[str]) -> list[Path]:
    """Write settings, numbers, comparison, concepts and positions into a folder; return their paths.

    Every file appears whole or not at all. The same run writes the same `comparison.nc`.

    Raises:
        OSError: something cannot be written.
    """
    paths = [Path(folder) / name for name in (*_NEEDED, "cloud.nc")]
    config, summary, comparison, features, cloud = paths
    write_json(config, {"command": "run experiment", **asdict(run.experiment)})
    write_json(summary, run.summary)
    run.comparison.save(comparison)
    write_text(features, _features_csv(run.features))
    if run.cloud is None:
        # That of an earlier run into this folder would be taken for its own.
        cloud.unlink(missing_ok=True)
        return paths[:-1]
    run.cloud.save(cloud)
    return paths


@checked
def write_ablation(run: AblationRun, folder: str | os.PathLike[str]) -> list[Path]:
    """Write settings, numbers and comparisons of a study of the approximations, as `write_run` does."""
    folder = Path(folder)
    paths = [folder / "config.json", folder / "summary.json"]
    write_json(paths[0], {"command": "run ablation", **asdict(run.ablation)})
    write_json(paths[1], run.summary)
    for cell, comparison in run.comparisons.items():
        paths.append(folder / f"comparison-{cell}.nc")
        comparison.save(paths[-1])
    return paths


@checked
def load_run(folder: str | os.PathLike[str]) -> SavedRun:
    """Return the run that `w2vflow run`, or `write_run`, left in a folder.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder is not that of a run (the message says what is missing), or a file in it
            is damaged.

    Example:
        run = load_run("runs/demo")
        run.comparison.step_times["sgd"]
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"There is no folder {place}. Make one with `w2vflow run`.")
    missing = [name for name in _NEEDED if not (place / name).is_file()]
    if missing:
        found = (
            "a study of the approximations"
            if (place / "config.json").is_file() and list(place.glob("comparison-*.nc"))
            else f"{place}, which has no {' and no '.join(missing)}"
        )
        raise argument_error("folder", "that of a run", found, "Make one with `w2vflow run --out FOLDER`.")
    cloud = place / "cloud.nc"
    return SavedRun(
        place,
        _json(place / "config.json"),
        _json(place / "summary.json"),
        Comparison.load(place / "comparison.nc"),
        _features(place / "features.csv"),
        Cloud.load(cloud) if cloud.is_file() else None,
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _unusable(f"a damaged {path} ({error})") from error
    if not isinstance(value, dict):
        raise _unusable(f"{path} without names in it")
    return value


def _unusable(got: str) -> ValueError:
    return argument_error("folder", "that of a run", got, "Run it again.")


_COLUMNS = ("concept", "eigenvalue", "positive_words", "negative_words", "name", "participation")


def _features_csv(features: list[Feature]) -> str:
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for number, feature in enumerate(features, 1):
        ends = _listed(feature.positive), _listed(feature.negative)
        rows.writerow([number, repr(feature.eigenvalue), *ends, feature.name, repr(feature.participation)])
    return text.getvalue()


def _listed(words: Sequence[str]) -> str:
    """Return words between spaces, those with a space in quotation marks."""
    text = StringIO()
    csv.writer(text, delimiter=" ").writerow(words)
    return text.getvalue().removesuffix("\r\n")


def _words(listed: str) -> tuple[str, ...]:
    return tuple(next(csv.reader([listed], delimiter=" ")))


def _features(path: Path) -> list[Feature]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        try:
            return [_feature(row) for row in rows]
        except (KeyError, ValueError, IndexError, TypeError, StopIteration, csv.Error) as error:
            raise _unusable(f"a damaged {path} ({error!r})") from error


def _feature(row: dict[str, str]) -> Feature:
    positive, negative = (_words(row[name]) for name in _COLUMNS[2:4])
    # Folders written before there were these columns.
    name = row.get("name") or f"{positive[0]} / {negative[0]}"
    participation = float(row.get("participation") or "nan")
    return Feature(float(row["eigenvalue"]), positive, negative, name, participation)
