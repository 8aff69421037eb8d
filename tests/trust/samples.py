"""Small results of all kinds, an older and a newer one of each, and functions that write and read them."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from blake3 import blake3
from tests.systems import random_statistics
from tests.texts import themed_text

import w2vflow as wf
from w2vflow.corpus import CountingRule, Phrases, Resources, count_to_file
from w2vflow.experiments import Experiment, load_run, write_run
from w2vflow.experiments.run import Run
from w2vflow.results import Cloud, embedding_cloud
from w2vflow.support.checkpoint import Checkpoint

WORDS = 30
DIM = 4
# What a state in a checkpoint is known by.
RUN = {"dim": DIM}


@dataclass(frozen=True)
class Sample:
    """A result of every kind. `number` makes different ones."""

    number: int
    stats: wf.CooccurrenceStatistics
    spectrum: wf.Spectrum
    trajectory: wf.Trajectory
    comparison: wf.Comparison
    cloud: Cloud
    run: Run
    phrases: Phrases

    @property
    def vectors(self) -> np.ndarray:
        return np.asarray(self.trajectory.require_embeddings()[-1])


def made(number: int) -> Sample:
    """Return the sample of a number, computed."""
    stats = random_statistics(WORDS, number)
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), DIM)
    rng, ts = np.random.default_rng(number), np.linspace(0, 1, 9)
    both = [
        wf.Trajectory(
            source, ts, rng.random((9, DIM)), rng.random(9), rng.random((9, WORDS, DIM)), words=stats.words,
            metadata={"seed": number, "solver": source},
        )
        for source in ("theory", "flow", "sgd")
    ]  # fmt: skip
    comparison = wf.compare(*both, spectrum=spectrum)
    cloud = embedding_cloud(both, spectrum, stats.words)
    features = wf.label_features(spectrum, stats.words)
    experiment = Experiment(vocab_size=WORDS, dim=DIM, seed=number)
    run = Run(
        experiment, stats.words, spectrum, comparison, {}, features, {"lambda": float(number)}, cloud, None
    )
    phrases = Phrases((("new", "york"), ("los", "angeles")), (150.0 + number, 20.0), "latin")
    return Sample(number, stats, spectrum, both[1], comparison, cloud, run, phrases)


def keep(folder: Path) -> None:
    """Leave two samples in a folder, for processes that have computed nothing and need no JAX for them."""
    for number in (0, 1):
        sample = made(number)
        parts = {
            name: _on_host(getattr(sample, name))
            for name in ("stats", "spectrum", "trajectory", "comparison", "cloud")
        }
        run = replace(sample.run, **{name: parts[name] for name in ("spectrum", "comparison", "cloud")})
        (folder / f"sample-{number}").write_bytes(pickle.dumps(replace(sample, **parts, run=run)))
        themed_text(folder / f"text-{number}.txt", documents=200, seed=number)


def _on_host(part: Any) -> Any:
    return jax.tree.map(np.asarray, part) if isinstance(part, eqx.Module) else part


@cache
def kept(folder: Path, number: int) -> Sample:
    """Return the sample of a number that was left in a folder."""
    return pickle.loads((folder / f"sample-{number}").read_bytes())


def save_state(path: Path, sample: Sample) -> None:
    """Leave a state with arrays of both kinds, one of which was there before."""
    state = Checkpoint(path, RUN)
    state.save({"0-loss": np.arange(7.0)}, {"step": sample.number})
    state.append({"loss": np.arange(5.0)}, [{"loss": 0}], {"W": sample.vectors}, {"step": sample.number + 5})


def load_state(path: Path) -> Any:
    return Checkpoint(path, RUN).load()


WRITERS: dict[str, tuple[str, Callable[[Path, Sample], Any]]] = {
    "trajectory": (".nc", lambda path, sample: sample.trajectory.save(path)),
    "comparison": (".nc", lambda path, sample: sample.comparison.save(path)),
    "spectrum": (".nc", lambda path, sample: sample.spectrum.save(path)),
    "cloud": (".nc", lambda path, sample: sample.cloud.save(path)),
    "statistics": (".npz", lambda path, sample: sample.stats.save(path)),
    "phrases": (".json", lambda path, sample: sample.phrases.save(path)),
    "safetensors": (".safetensors", lambda path, sample: export(path, sample, "safetensors")),
    "word2vec-text": (".txt", lambda path, sample: export(path, sample, "word2vec-text")),
    "word2vec-binary": (".bin", lambda path, sample: export(path, sample, "word2vec-binary")),
    "packed vectors": (".vec.gz", lambda path, sample: export(path, sample, "word2vec-text")),
    "tensorboard": ("", lambda path, sample: export(path, sample, "tensorboard")),
    "page": (
        ".html",
        lambda path, sample: wf.write_report(path, sample.comparison, sample.cloud, sample.run.features),
    ),
    "run folder": ("", lambda path, sample: write_run(sample.run, path)),
}


def export(path: Path, sample: Sample, format: str) -> None:
    wf.export_vectors(path, sample.vectors, sample.stats.words, format)


# Functions that read what the writers have written.
READERS: dict[str, Callable[[Path], Any]] = {
    "trajectory": wf.Trajectory.load,
    "comparison": wf.Comparison.load,
    "spectrum": wf.Spectrum.load,
    "cloud": Cloud.load,
    "statistics": wf.CooccurrenceStatistics.load,
    "phrases": Phrases.load,
    "safetensors": wf.import_vectors,
    "word2vec-text": wf.import_vectors,
    "word2vec-binary": wf.import_vectors,
    "packed vectors": wf.import_vectors,
    "tensorboard": wf.import_vectors,
    "run folder": load_run,
    "checkpoint": load_state,
    "token file": wf.TokenFile.load,
}


def write_tokens(path: Path, text: Path) -> None:
    wf.tokenize(text, path, vocab_size=WORDS, tokens="latin", reader="lines", workers=1)


def write_counts(path: Path, text: Path) -> None:
    """Count a text; what is done is kept beside the file until that is whole."""
    count_to_file(
        text,
        path,
        vocab_size=WORDS,
        rule=CountingRule(window=4, tokens="latin"),
        reader="lines",
        resources=Resources(workers=1, memory="500MB"),
    )


def fingerprint(value: Any) -> str:
    """Return a digest of all that a result holds: numbers with their types and shapes, texts, order."""
    content = blake3()
    _add(content, value)
    return content.hexdigest()


def _add(content: Any, value: Any) -> None:
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        content.update(f"{array.dtype} {array.shape}".encode())
        content.update(repr(array.tolist()).encode() if array.dtype.kind in "OU" else array.tobytes())
    elif isinstance(value, wf.CooccurrenceStatistics):
        pairs = value.counts
        parts = (pairs.indptr, pairs.indices, pairs.data, value.unigram, tuple(value.words))
        _add(content, (*parts, dict(value.metadata), value.denominator, value.directions))
    elif isinstance(value, Mapping):
        _add(content, [part for item in value.items() for part in item])
    elif isinstance(value, Sequence) and not isinstance(value, str):
        content.update(f"{type(value).__name__} {len(value)}".encode())
        for part in value:
            _add(content, part)
    elif is_dataclass(value):
        _add(content, [getattr(value, field.name) for field in fields(value)])
    elif isinstance(value, Path):
        content.update(b"path")
    else:
        assert isinstance(value, str | int | float | bool | None), type(value)
        content.update(f"{type(value).__name__} {value!r}".encode())
