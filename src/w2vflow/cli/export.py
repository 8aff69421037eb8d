"""`w2vflow export`: vectors in the files of other programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

import w2vflow as wf
from w2vflow.cli.configuration import from_file
from w2vflow.cli.console import Console, OptionalFloat, OptionalInt, Settings, set_up_jax
from w2vflow.cli.embed import Format, vector_format
from w2vflow.cli.run import RunExperiment
from w2vflow.cli.sources import load_counts, size_of_counts
from w2vflow.experiments import Experiment
from w2vflow.support.addresses import is_address
from w2vflow.support.checks import argument_error, check_dimension
from w2vflow.support.plan import Plan

__all__ = ["Export"]

# Words, their vectors, and what is told of them.
Found = tuple[Sequence[str], Any, dict[str, Any]]


@dataclass(frozen=True)
class Export:
    """Write word vectors in the format of another program: of a run, of the theory, or of a file.

    Of a run, from its folder: the exact solution, in the limit of small steps, from the run's own start, at
    its end or another time. Of counts, at a time as `w2vflow spectrum` lists them:

        w2vflow export runs/my-text --out vectors.bin
        w2vflow export counts.npz --time 0.05 --dim 16 --out vectors.bin

    What a solver had at the time nearest to one, from a trajectory saved with its embeddings; and vectors
    from one format to another:

        w2vflow export sgd.nc --time 0.05 --seed 3 --out vectors.txt
        w2vflow export glove.txt --out glove.bin

    `w2vflow embed` makes the best vectors of counts.
    """

    input: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="INPUT")]]
    """Folder of a run, counts (a file or a bundled name), trajectory with embeddings (.nc), or vectors."""
    out: Path
    """.bin for word2vec's binary format, .txt or .vec for text, .safetensors; other names need `--format`."""
    format: Format | None = None
    """Where the ending does not say it; tensorboard is a folder of two files for the projector."""
    time: OptionalFloat = None
    """Of a trajectory, the observed time nearest to it; of it and of a run the last by default."""
    seed: int = 0
    """Which seed of a run or a trajectory, from 0; of counts, that of the initial weights."""
    dim: int = 16
    """Dimension of the vectors from counts."""
    scale: float = 1e-2
    """Size of the initial weights from counts, of standard deviation scale / sqrt(dim)."""
    vocab_size: OptionalInt = None
    """How many of the first words to use, of counts the most frequent; all by default. No others are read."""
    keep: Literal["first"] | None = None
    """What to do with words of a file of vectors that come twice: stop, or keep the first vector."""
    words: str | None = None
    """Statistics that name the rows of a trajectory, if it does not name them itself."""
    output: tyro.conf.OmitArgPrefixes[Settings] = field(default_factory=Settings)

    def run(self) -> None:
        """Find the vectors and write them."""
        console, written = self.output.console(), self.format or vector_format(self.out)
        counts, run = self._counts_or_run()
        if self.output.dry_run:
            return console.plan(self._plan(counts, run), self.out.parent)
        console.folder(self.out.parent)
        record: dict[str, Any]
        if counts:
            words, vectors, record = self._from_counts(console)
        elif run is not None:
            words, vectors, record = self._from_run(run, console)
        elif Path(self.input).suffix == ".nc":
            words, vectors, record = self._from_trajectory()
        else:
            # Of a number that is none, what is said below.
            limit = max(1, self.vocab_size) if self.vocab_size is not None else None
            (words, vectors), record = wf.import_vectors(self.input, limit=limit, keep=self.keep), {}
        if self.vocab_size is not None:
            if not 1 <= self.vocab_size <= len(words):
                expected = f"between 1 and the {len(words)} words of the input"
                raise argument_error("vocab_size", expected, self.vocab_size)
            words, vectors = words[: self.vocab_size], vectors[: self.vocab_size]
        wf.export_vectors(self.out, vectors, words, written)
        about = "".join(f", {name} {value:.6g}" for name, value in record.items())
        line = f"{len(words):,} words in {vectors.shape[1]} dimensions{about}."
        record |= {"words": len(words), "dim": vectors.shape[1], "format": written}
        console.result([line], record, [self.out])

    def _counts_or_run(self) -> tuple[bool, Experiment | None]:
        """Return whether the input are counts, and the settings of the run whose folder it is."""
        counts = self.input in wf.corpus.bundled_names() or self.input.endswith(".npz")
        if not counts and not is_address(self.input) and not Path(self.input).exists():
            bundled = list(wf.corpus.bundled_names())
            expected = f"a file, the folder of a run, or one of the bundled statistics {bundled}"
            raise argument_error("input", expected, self.input)
        settings = Path(self.input) / "config.json"
        run = None
        if settings.is_file():
            run = from_file(RunExperiment, "run experiment", settings).experiment
            if not 0 <= self.seed < run.seeds:
                raise argument_error("seed", f"one of the {run.seeds} seeds of the run, from 0", self.seed)
        # Runs and trajectories have a last time.
        given = self.time is not None and 0 <= self.time < float("inf")
        if not given and (counts or self.time is not None):
            expected = "0 or more and finite" + (", with counts" if counts else "")
            remedy = "`w2vflow spectrum` lists when concepts are learned."
            raise argument_error("time", expected, self.time, remedy)
        return counts, run

    def _plan(self, counts: bool, run: Experiment | None) -> Plan:
        if run is not None:
            size, pairs = size_of_counts(run.statistics, None)
            return wf.experiments.plan_spectrum(min(size, run.vocab_size), pairs, run.dim)
        if counts:
            size, pairs = size_of_counts(self.input, self.vocab_size)
            check_dimension(self.dim, size)
            return wf.experiments.plan_spectrum(size, pairs, self.dim)
        return wf.experiments.plan_vectors([Path(self.input)], written=True)

    def _from_counts(self, console: Console) -> Found:
        """Return the closed form at the time, from Gaussian weights."""
        set_up_jax()
        import jax

        console("counts")
        stats = load_counts(self.input, self.vocab_size)
        check_dimension(self.dim, stats.vocab_size)
        W0 = wf.gaussian_init(jax.random.key(self.seed), stats.vocab_size, self.dim, self.scale)
        return self._closed_form(stats, W0, float(self.time or 0), console)

    def _from_run(self, run: Experiment, console: Console) -> Found:
        """Return the closed form from the start of one seed of a run, at its last time by default."""
        set_up_jax()
        console("counts of the run")
        saved = wf.experiments.load_run(self.input)
        seen = saved.comparison.trajectories["theory"].ts
        stats = load_counts(run.statistics, None)
        stats = stats.most_frequent(min(run.vocab_size, stats.vocab_size))
        # Another run into this folder, killed early, leaves its counts beside the files of the one before.
        if saved.summary.get("statistics", {}).get("sha256", stats.sha256) != stats.sha256:
            got = f"{self.input}, whose counts at {run.statistics} are others"
            raise argument_error("input", "a run with the counts that it is of", got, "Run it again.")
        W0 = wf.experiments.initial_weights(run, stats.vocab_size)[1][self.seed]
        return self._closed_form(stats, W0, float(seen[-1] if self.time is None else self.time), console)

    def _closed_form(
        self, stats: "wf.CooccurrenceStatistics", W0: Any, time: float, console: Console
    ) -> Found:
        record = {"time": time, "seed": self.seed}
        if time == 0:
            return stats.words, W0, record
        console(f"closed form for {stats.vocab_size:,} words")
        found = wf.predict(wf.Problem.from_statistics(stats), W0, [time], save_embeddings=True)
        return stats.words, found.require_embeddings()[-1], record

    def _from_trajectory(self) -> Found:
        """Return the embedding of one seed at the observed time nearest to the one asked for."""
        traj = wf.Trajectory.load(self.input)
        if traj.embeddings is None:
            got = f"{self.input}, which has none"
            remedy = "Run the solver with `Recording(save_embeddings=True)`, or make vectors from counts."
            raise argument_error("input", "a trajectory with embeddings", got, remedy)
        words = traj.words if self.words is None else wf.corpus.open_statistics(self.words).words
        if words is None:
            expected = "given, for a trajectory that does not name its words"
            raise argument_error("words", expected, "none", "Name its counts.")
        if traj.seeds is not None:
            traj = traj.sel(seed=self.seed)
        time = float(traj.ts[-1]) if self.time is None else self.time
        index = int(abs(traj.ts - time).argmin())
        found = traj.require_embeddings()[index]
        if len(words) < len(found):
            raise argument_error("words", f"at least the {len(found)} of the trajectory", len(words))
        return words[: len(found)], found, {"time": float(traj.ts[index]), "seed": self.seed}
