"""Folder of a run: written, and read back."""

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from w2vflow.experiments.ablation import AblationRun
from w2vflow.experiments.run import Run
from w2vflow.results import Cloud, Comparison
from w2vflow.semantics import Feature
from w2vflow.support.arguments import checked
from w2vflow.support.atomic_files import atomic_path, write_json, write_text
from w2vflow.support.checks import argument_error
from w2vflow.support.display import harmless, shown_words
from w2vflow.support.seals import file_digest, has_its_digest, read_record, with_digest
from w2vflow.theory import ExactStart

__all__ = ["SavedRun", "load_run", "write_ablation", "write_run"]

_NEEDED = ("config.json", "summary.json", "comparison.nc", "features.csv")
_OF_THE_PAGE = ("cloud.nc", "start.nc")
# Digests of the files of one run, by which those of another are told. Earlier versions wrote none.
_MANIFEST = "manifest.json"
# Concepts that a print shows.
_SHOWN = 10


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
        start: from which the page computes, or None where the run kept no positions.
    """

    folder: Path
    config: dict[str, Any]
    summary: dict[str, Any]
    comparison: Comparison
    features: list[Feature]
    cloud: Cloud | None
    start: ExactStart | None

    def __repr__(self) -> str:
        return f"SavedRun({shown_words([str(self.folder)])}: {self.comparison!r})"

    def __str__(self) -> str:
        """Return a screenful: what was run, the comparison, and the first concepts by their words."""
        names = ("statistics", "vocab_size", "dim", "scale", "seeds", "learning_rate", "sampler")
        settings = ", ".join(f"{name} {self.config[name]}" for name in names if name in self.config)
        lines = [f"Run in {self.folder}: {settings}", "", str(self.comparison), "", "words of the concepts"]
        for number, feature in enumerate(self.features[:_SHOWN], 1):
            ends = (shown_words(end[:4], " ") for end in (feature.positive, feature.negative))
            lines.append(f"{number:>7}  {' <-> '.join(ends)}")
        if len(self.features) > _SHOWN:
            lines.append(f"and {len(self.features) - _SHOWN} more in `features`")
        return harmless("\n".join(lines))


@checked
def write_run(run: Run, folder: str | os.PathLike[str]) -> list[Path]:
    """Write settings, numbers, comparison, concepts and positions into a folder; return their paths.

    They are made first, and take the places of those of an earlier run together: killed before, that run is
    still there; killed in between, the folder is refused by `load_run`, which holds each file against
    `manifest.json`. The same run writes the same `comparison.nc`.

    Raises:
        OSError: something cannot be written; what stood in the folder is kept.
    """
    settings = {"command": "run experiment", **asdict(run.experiment)}
    parts: dict[str, Callable[[Path], None]] = {
        "config.json": partial(write_json, value=settings),
        "summary.json": partial(write_json, value=run.summary),
        "comparison.nc": run.comparison.save,
        "features.csv": partial(write_text, text=_features_csv(run.features)),
    }
    for name, kept in zip(_OF_THE_PAGE, (run.cloud, run.start), strict=True):
        if kept is not None:
            parts[name] = kept.save
    paths = _write_together(Path(folder), parts)
    for name in _OF_THE_PAGE:
        if name not in parts:
            # That of an earlier run into this folder.
            (Path(folder) / name).unlink(missing_ok=True)
    return paths


@checked
def write_ablation(run: AblationRun, folder: str | os.PathLike[str]) -> list[Path]:
    """Write settings, numbers and comparisons of a study of the approximations, as `write_run` does."""
    settings = {"command": "run ablation", **asdict(run.ablation)}
    parts: dict[str, Callable[[Path], None]] = {
        "config.json": partial(write_json, value=settings),
        "summary.json": partial(write_json, value=run.summary),
    }
    for cell, comparison in run.comparisons.items():
        parts[f"comparison-{cell}.nc"] = comparison.save
    return _write_together(Path(folder), parts)


def _write_together(folder: Path, parts: Mapping[str, Callable[[Path], None]]) -> list[Path]:
    """Write the files of one run, and the manifest that holds them together; return their paths.

    All are made beside those that they replace. The manifest takes its place first: from then on a file of
    an earlier run, with a manifest or without, is none of this one.
    """
    with ExitStack() as stack:
        made = {name: stack.enter_context(atomic_path(folder / name)) for name in parts}
        for name, write in parts.items():
            write(made[name])
        digests = {name: file_digest(path) for name, path in made.items()}
        write_json(folder / _MANIFEST, with_digest({"files": digests}))
    return [folder / name for name in (*parts, _MANIFEST)]


@checked
def load_run(folder: str | os.PathLike[str]) -> SavedRun:
    """Return the run that `w2vflow run`, or `write_run`, left in a folder.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder is not that of a run (the message says what is missing), a file in it is
            damaged, or its files are of different runs.

    Example:
        run = load_run("runs/demo")
        run.comparison.step_times["sgd"]
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"There is no folder {place}. Make one with `w2vflow run`.")
    own = _own_files(place)
    missing = [name for name in _NEEDED if not (place / name).is_file() or (own and name not in own)]
    if missing:
        found = (
            "a study of the approximations"
            if (place / "config.json").is_file() and list(place.glob("comparison-*.nc"))
            else f"{place}, which has no {' and no '.join(missing)}"
        )
        raise argument_error("folder", "that of a run", found, "Make one with `w2vflow run --out FOLDER`.")
    _check_together(place, own)
    cloud, start = (
        place / name if (place / name).is_file() and (not own or name in own) else None
        for name in _OF_THE_PAGE
    )
    return SavedRun(
        place,
        _json(place / "config.json"),
        _json(place / "summary.json"),
        Comparison.load(place / "comparison.nc"),
        _features(place / "features.csv", quoted=bool(own)),
        Cloud.load(cloud) if cloud else None,
        ExactStart.load(start) if start else None,
    )


def _own_files(folder: Path) -> dict[str, str]:
    """Return the digests of the files of the run, by name; none in the folder of an earlier version."""
    path = folder / _MANIFEST
    if not path.is_file():
        return {}
    manifest = _json(path)
    if not has_its_digest(manifest):
        raise _unusable(f"a damaged {path} (its checksum is another)")
    return manifest["files"]


def _check_together(folder: Path, own: Mapping[str, str]) -> None:
    """Raise `ValueError` unless the files are those that were written with the manifest."""
    for name, digest in own.items():
        path = folder / name
        if not path.is_file():
            raise _unusable(f"{folder} without its {name}")
        if file_digest(path) != digest:
            raise _unusable(
                f"{folder} with files of different runs: {name} is not the one that {_MANIFEST} tells of; it "
                "was changed or damaged, or a run was killed while it took the place of another one"
            )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = read_record(path)
    except ValueError as error:
        raise _unusable(f"a damaged {path} ({error})") from error
    if not isinstance(value, dict):
        raise _unusable(f"{path} without names in it")
    return value


def _unusable(got: str) -> ValueError:
    return argument_error("folder", "that of a run", got, "Run it again.")


# What a spreadsheet takes for the beginning of a formula, of full width too.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_COLUMNS = ("concept", "eigenvalue", "positive_words", "negative_words", "name", "participation")


def _features_csv(features: list[Feature]) -> str:
    text = StringIO()
    # All text is quoted: carriage returns in a word would end the row.
    rows = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    rows.writerow(_COLUMNS)
    for number, feature in enumerate(features, 1):
        ends = _listed(feature.positive), _listed(feature.negative)
        name = _listed([feature.name]) if feature.name.startswith(('"', *_FORMULA)) else feature.name
        rows.writerow([number, feature.eigenvalue, *ends, name, feature.participation])
    return text.getvalue()


def _listed(words: Sequence[str]) -> str:
    """Return words between spaces, those with a space in quotation marks, all where a formula would begin."""
    text = StringIO()
    formula = "".join(words[:1]).startswith(_FORMULA)
    rows = csv.writer(text, delimiter=" ", quoting=csv.QUOTE_ALL if formula else csv.QUOTE_MINIMAL)
    rows.writerow(words)
    return text.getvalue().removesuffix("\r\n")


def _words(listed: str) -> tuple[str, ...]:
    return tuple(next(csv.reader([listed], delimiter=" ")))


def _features(path: Path, *, quoted: bool) -> list[Feature]:
    """Return the concepts; of a folder with a manifest, names that begin with a quotation mark are quoted."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        try:
            return [_feature(row, quoted) for row in rows]
        except (KeyError, ValueError, IndexError, TypeError, StopIteration, csv.Error) as error:
            raise _unusable(f"a damaged {path} ({error!r})") from error


def _feature(row: dict[str, str], quoted: bool) -> Feature:
    positive, negative = (_words(row[name]) for name in _COLUMNS[2:4])
    # Folders written before there were these columns.
    name = row.get("name") or f"{positive[0]} / {negative[0]}"
    if quoted and name.startswith('"'):
        (name,) = _words(name)
    participation = float(row.get("participation") or "nan")
    return Feature(float(row["eigenvalue"]), positive, negative, name, participation)
