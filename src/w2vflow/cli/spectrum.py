"""`w2vflow spectrum`: the concepts of some counts and their predicted step times, before any training."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

import w2vflow as wf
from w2vflow.cli.console import OptionalInt, OptionalPath, Settings, set_up_jax
from w2vflow.cli.sources import load_counts, size_of_counts
from w2vflow.support.checks import argument_error
from w2vflow.support.display import shown_words
from w2vflow.support.plan import Plan

__all__ = ["Concepts"]


@dataclass(frozen=True)
class Concepts:
    """List the concepts that word2vec will learn, in order: strength, when, and the words at their ends.

    Computes eigenvalues and eigenvectors of M*; nothing is trained, and it takes seconds for a few thousand
    words:

        w2vflow spectrum counts.npz
        w2vflow spectrum enwiki15k-v3000 --k 50 --out spectrum.nc

    Times are in the unit in which dW/dt = -dL/dW: a step of SGD of learning rate 0.001 takes 0.001 of it.
    Over how many words a concept is spread is its inverse participation ratio.
    """

    statistics: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="STATISTICS")]]
    """File of `w2vflow count`, or statistics that `w2vflow datasets` lists."""
    k: int = 20
    """How many concepts."""
    vocab_size: OptionalInt = None
    """How many of the most frequent words to use; all by default."""
    dim: OptionalInt = None
    """Dimension of the embedding whose step times are predicted; k by default."""
    scale: float = 1e-2
    """Size of its initial weights, of standard deviation scale / sqrt(dim)."""
    words: int = 4
    """How many words to show of each end."""
    out: OptionalPath = None
    """Keep eigenvalues and eigenvectors in this file, ending in .nc; `w2vflow.load` reads it."""
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Compute the concepts and print the table."""
        console, dim = self.output.console(), self.k if self.dim is None else self.dim
        for name, value in {"k": self.k, "words": self.words, "dim": dim}.items():
            if value < 1:
                raise argument_error(name, "at least 1", value)
        if self.out is not None and self.out.suffix != ".nc":
            raise argument_error("out", "a file name ending in .nc", self.out)
        if self.output.dry_run:
            return console.plan(self._plan(), Path() if self.out is None else self.out.parent)
        if self.out is not None:
            console.folder(self.out.parent)
        set_up_jax()
        stats = load_counts(self.statistics, self.vocab_size)
        size = stats.vocab_size
        console(f"concepts of {size:,} words")
        problem = wf.Problem.from_statistics(stats)
        dim = min(dim, size)
        pairs = wf.leading_eigenpairs(problem, min(max(self.k, dim), size))
        listed = pairs.leading(min(self.k, size))
        features = wf.label_features(listed, stats.words, n=min(self.words, size))
        # No more can be learned than have a positive eigenvalue.
        dim = min(dim, int((pairs.eigenvalues > 0).sum()))
        law = wf.step_time_law(problem, dim, self.scale, spectrum=pairs) if dim else ((), ())
        rows = _rows(features, *(np.asarray(part).tolist() for part in law))
        if self.out is not None:
            listed.save(self.out, stats.words)
        record = {"statistics": self.statistics, "sha256": stats.sha256, "vocab_size": size}
        record |= {"dim": dim, "scale": self.scale, "concepts": rows}
        console.result(["", *_table(rows)], record, [] if self.out is None else [self.out])

    def _plan(self) -> Plan:
        size, pairs = size_of_counts(self.statistics, self.vocab_size)
        return wf.experiments.plan_spectrum(size, pairs, min(max(self.k, self.dim or 1), size))


def _rows(features: "list[wf.semantics.Feature]", times: Any, spreads: Any) -> list[dict[str, Any]]:
    """Return a record of each concept; those that the embedding has no room for have no time."""
    return [
        {
            "concept": k + 1,
            "eigenvalue": feature.eigenvalue,
            "step_time": times[k] if k < len(times) else None,
            "standard_deviation": spreads[k] if k < len(times) else None,
            "participation": feature.participation,
            "positive_words": feature.positive,
            "negative_words": feature.negative,
        }
        for k, feature in enumerate(features)
    ]


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["concept    lambda   step time (sd over seeds)   over words  words at its ends"]
    for row in rows:
        time, spread = row["step_time"], row["standard_deviation"]
        when = "-" if time is None else f"{time:.4g} ({spread:.2g})"
        ends = " <-> ".join(shown_words(row[f"{end}_words"], " ") for end in ("positive", "negative"))
        lines.append(
            f"{row['concept']:>7}{row['eigenvalue']:>10.4g}   {when:<26}{row['participation']:>11.0f}  {ends}"
        )
    return lines
