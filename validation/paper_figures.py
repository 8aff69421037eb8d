"""Figures of arXiv 2502.09863 from counts of Wikipedia, and their numbers.

    W2VFLOW_TEST_DATA=FOLDER python validation/paper_figures.py [FIGURE ...] [--counts STATISTICS]

FIGURE is 1, 2, 3, 4, 5, 8 or simclr (appendix D.2); by default all. 4 and 8 ask Google's questions,
`FOLDER/eval/questions-words.txt`, of the counts in STATISTICS (a file that `w2vflow count` wrote; 10,000
words for the pictures in the documentation), or of the bundled 3,000 words. Writes figure1.png and so on into
docs/pictures, and PDF files into runs/figures, or with `--out FOLDER` all of them there; prints the numbers.
`--small` computes on few words. Some minutes on two cores.
"""

import argparse
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure
from paper_features import study_features
from paper_relations import figure_4, figure_8, learned, questions_file
from paper_simclr import SimCLR, study_simclr
from table import PICTURES, read_options

import w2vflow as wf
from w2vflow.counts import reweigh_words
from w2vflow.plotting import LearningRow, plot_concept_table, plot_init_scales, plot_learning, save_figure
from w2vflow.semantics import read_pairs

PRINTS = Path("runs/figures")
FIGURES = ("1", "2", "3", "4", "5", "8", "simclr")


@dataclass(frozen=True)
class Size:
    """How large the models are.

    Attributes:
        words: of the quartic model and the concepts.
        word2vec_words: of word2vec, whose flow takes longer.
        dim: embedding dimension.
        shown: how many concepts are drawn.
        scale: of the initial weights.
        scales: of the figure that compares them.
        seeds: runs of SGD.
        batch: pairs in a minibatch.
        most_dim: of the dimensions that relations are looked at in.
        all_words: of the statistics for relations, or only those of the questions.
        simclr: the study of its loss.
    """

    words: int = 2000
    word2vec_words: int = 500
    dim: int = 8
    shown: int = 6
    scale: float = 1e-4
    scales: tuple[float, ...] = (1e-1, 1e-2, 1e-4, 1e-8)
    seeds: int = 3
    batch: int = 131_072
    most_dim: int = 512
    all_words: bool = True
    simclr: SimCLR = field(default_factory=SimCLR)


SMALL = Size(
    40,
    40,
    3,
    3,
    scales=(1e-1, 1e-4),
    seeds=1,
    batch=1024,
    most_dim=16,
    all_words=False,
    simclr=SimCLR((0.5, 0.4), batch=16, seeds=1),
)


def quartic(stats: wf.CooccurrenceStatistics, basis: wf.Spectrum, size: Size) -> LearningRow:
    """Return the solvable model: closed form, flow, SGD."""
    problem = wf.Problem.from_statistics(stats)
    keys = jax.random.split(jax.random.key(0), size.seeds)
    W0 = wf.gaussian_init(keys, stats.vocab_size, size.dim, size.scale)
    law = wf.step_time_law(problem, size.dim, size.scale, spectrum=basis).mean
    ts = np.linspace(0, 1.15 * law[size.shown - 1], 161)
    sgd = wf.run_sgd_ensemble(
        problem,
        keys,
        ts[1:],
        dim=size.dim,
        scale=size.scale,
        learning_rate=0.04 / basis.eigenvalues[0],
        batch_size=size.batch,
        sampler="balanced",
    )
    flow = wf.solve_flow(problem, W0[0], ts, spectrum=basis, recording=wf.Recording(save_embeddings=True))
    theory = wf.predict(problem, W0[0], ts, spectrum=basis)
    moments = (0.6 * law[0], (law[0] + law[1]) / 2, ts[-1])
    return LearningRow(
        "quartic model",
        theory,
        flow,
        sgd,
        moments,
        slices_of(flow, moments, (0, 1, 2)),
        stats.words,
        extremes(basis.eigenvectors[:, :2]),
        time_unit=law[0],
    )


@dataclass(frozen=True)
class Word2vec:
    """word2vec itself: logistic loss, its own weights, words apart from contexts; from one start.

    Attributes:
        problem: the problem.
        starts: words and contexts of every seed.
        ladder: the prediction.
        steps: step times predicted from the first start.
        flow: from there, with embeddings.
    """

    problem: wf.Problem
    starts: np.ndarray
    ladder: wf.theory.Ladder
    steps: np.ndarray
    flow: wf.Trajectory

    @classmethod
    def trained(cls, stats: wf.CooccurrenceStatistics, size: Size) -> "Word2vec":
        """Predict and integrate it."""
        problem = wf.Problem.from_statistics(stats, weighting=wf.Mikolov(1e-4), loss="logistic", tied=False)
        keys = jax.random.split(jax.random.key(0), size.seeds)
        starts = np.asarray(wf.untied_init(keys, stats.vocab_size, size.dim, size.scale))
        ladder = wf.predict_ladder(problem, size.shown)
        with warnings.catch_warnings():
            # Of the last steps, which rise jointly: the figure shows by how much they are off.
            warnings.simplefilter("ignore", RuntimeWarning)
            steps = ladder.step_times(starts[0])
        # Fine where the first step is, which is many times faster than all others.
        early = np.linspace(0, 2 * steps[0], 31)
        ts = np.unique(np.concatenate([early, np.linspace(0, 1.15 * steps[-1], 161)]))
        recording = wf.Recording(save_embeddings=True)
        flow = wf.solve_flow(problem, starts[0], ts, rtol=1e-6, max_steps=1_000_000, recording=recording)
        return cls(problem, starts, ladder, np.asarray(steps), flow)


def word2vec(trained: Word2vec, size: Size) -> LearningRow:
    """Return word2vec's row: the ladder of plateaus as theory, the flow, SGD.

    The first direction is that in which all words part from all contexts; slices are along the second and the
    third.
    """
    flow, steps, problem = trained.flow, trained.steps, trained.problem
    end = 1.15 * steps[-1]
    even = np.linspace(0, end, 161)
    final = np.stack([flow.embeddings[-1], flow.contexts[-1]])
    rate = min(0.1 * wf.spectrum.stability_limit_at(problem, final), even[1])
    sgd = wf.run_sgd_ensemble(
        problem,
        jax.random.split(jax.random.key(0), size.seeds),
        even[1:],
        dim=size.dim,
        scale=size.scale,
        learning_rate=rate,
        batch_size=size.batch // 8,
        sampler="shared",
    )
    moments = (0.7 * steps[1], (steps[1] + steps[2]) / 2, end)
    slices = slices_of(flow, moments, (1, 2, min(3, size.dim - 1)))
    return LearningRow(
        "word2vec",
        staircase(trained.ladder, steps, end, size.dim),
        flow,
        sgd,
        moments,
        slices,
        problem.words,
        extremes(slices[-1][:, :2]),
        axes=(2, 3),
        first=2,
    )


def staircase(ladder: wf.theory.Ladder, steps: np.ndarray, end: float, dim: int) -> wf.Trajectory:
    """Return plateaus and the steps between them as a trajectory."""
    edges = np.repeat(steps, 2)
    ts = np.concatenate([[0.0], edges, [end]])
    plateaus = np.repeat(np.arange(len(steps) + 1), 2)
    squares = np.zeros((len(steps) + 1, dim))
    squares[1:, : len(steps)] = ladder.strengths
    return wf.Trajectory("theory", ts, np.sqrt(squares[plateaus]), ladder.losses[plateaus])


def slices_of(flow: wf.Trajectory, moments: Iterable[float], axes: tuple[int, ...]) -> list[np.ndarray]:
    """Return the words along the directions of the final weights, by their numbers, near each moment."""
    embeddings = flow.require_embeddings()
    right = np.linalg.svd(embeddings[-1], full_matrices=False)[2][list(axes)]
    return [embeddings[int(np.abs(flow.ts - moment).argmin())] @ right.T for moment in moments]


def extremes(directions: np.ndarray, n: int = 6) -> list[int]:
    """Return the rows furthest out along each direction, end by end in turn."""
    ends = [np.argsort(sign * column)[:n] for column in directions.T for sign in (-1, 1)]
    return list(dict.fromkeys(np.stack(ends, axis=1).ravel().tolist()))


def init_scales(
    stats: wf.CooccurrenceStatistics, basis: wf.Spectrum, size: Size
) -> dict[float, tuple[wf.Trajectory, wf.Trajectory]]:
    """Return closed form and flow from each initial scale."""
    problem = wf.Problem.from_statistics(stats)
    found = {}
    for scale in size.scales:
        W0 = wf.gaussian_init(jax.random.key(0), stats.vocab_size, size.dim, scale)
        law = wf.step_time_law(problem, size.dim, scale, spectrum=basis).mean
        ts = np.linspace(0, 1.4 * law[size.shown - 1], 201)
        found[scale] = (
            wf.predict(problem, W0, ts, spectrum=basis),
            wf.solve_flow(problem, W0, ts, spectrum=basis),
        )
    return found


def trained_vectors(stats: wf.CooccurrenceStatistics, untied: Word2vec, size: Size) -> dict[str, np.ndarray]:
    """Return vectors at the end of training: word2vec, word2vec as the article has it, and the quartic model.

    Of word2vec, words and contexts are added: both learn the same directions, but for the first.
    """
    # Figure 1 ends where its last concept is just learned: as long again, for those behind it.
    there = np.stack([untied.flow.embeddings[-1], untied.flow.contexts[-1]])
    words, contexts = at_the_end(untied.problem, there, float(untied.flow.ts[-1]))
    found = {"word2vec": words + contexts}
    W0 = np.asarray(wf.gaussian_init(jax.random.key(0), stats.vocab_size, size.dim, size.scale))
    tied = wf.problem.Symmetrized(wf.Mikolov(1e-4, negatives=1))
    for name, problem in (
        ("word2vec, tied, 1 negative", wf.Problem.from_statistics(stats, weighting=tied, loss="logistic")),
        ("quartic model", wf.Problem.from_statistics(stats)),
    ):
        # word2vec's weights are up to half as slow as the quartic model of the same `M*`.
        solvable = wf.Problem.from_target(problem.target_operator())
        steps = wf.predict_step_times(solvable, W0)
        (found[name],) = at_the_end(problem, W0, 2 * float(np.nanmax(steps)))
    return found


def at_the_end(problem: wf.Problem, W0: np.ndarray, time: float) -> tuple[np.ndarray, ...]:
    """Return the words' vectors after so much time, and of untied weights the contexts'."""
    recording = wf.Recording(save_embeddings=True)
    flow = wf.solve_flow(problem, W0, [time], rtol=1e-6, max_steps=1_000_000, recording=recording)
    sides = (flow.embeddings,) if problem.tied else (flow.embeddings, flow.contexts)
    return tuple(np.asarray(side[-1]) for side in sides)


def relation_counts(given: Path | None, size: Size) -> wf.CooccurrenceStatistics:
    """Return the counts of which relations are asked."""
    stats = wf.load_statistics("enwiki15k-v3000") if given is None else wf.CooccurrenceStatistics.load(given)
    if size.all_words:
        return stats
    asked = {word for pairs in read_pairs(questions_file()).values() for pair in pairs for word in pair}
    return reweigh_words(stats, {word: 0.0 for word in stats.words if word not in asked})


def figures(asked: Sequence[str], given: Path | None, size: Size) -> Iterator[tuple[str, Figure]]:
    """Compute and return the figures that are asked for, with the names of their files."""
    all_words = wf.load_statistics("enwiki15k-v3000")
    stats = all_words.most_frequent(size.words)
    if {"1", "2", "3"} & set(asked):
        problem = wf.Problem.from_statistics(stats)
        basis = wf.leading_eigenpairs(problem, problem.vocab_size)
    fewer = all_words.most_frequent(size.word2vec_words)
    if {"1", "5"} & set(asked):
        trained = Word2vec.trained(fewer, size)
    if "1" in asked:
        yield (
            "figure1",
            plot_learning([quartic(stats, basis, size), word2vec(trained, size)], concepts=size.shown)[
                0, 0
            ].figure,
        )
    if "2" in asked:
        yield (
            "figure2",
            plot_init_scales(init_scales(stats, basis, size), basis, concepts=size.shown)[0, 0].figure,
        )
    if "3" in asked:
        law = wf.step_time_law(problem, size.dim, size.scale, spectrum=basis).mean
        concepts = min(8, size.dim)
        table = plot_concept_table(
            basis, stats.words, step_times=law, time_unit=law[0], concepts=concepts, n=6
        )
        yield "figure3", table[0].figure
    if "5" in asked:
        yield "figure5", study_features(fewer, trained_vectors(fewer, trained, size))
    if {"4", "8"} & set(asked):
        found = learned(relation_counts(given, size), size.most_dim)
        if "4" in asked:
            yield "figure4", figure_4(found)
        if "8" in asked:
            yield "figure8", figure_8(found)
    if "simclr" in asked:
        yield "simclr", study_simclr(size.simclr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute what is asked for, write the figures and print their numbers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(FIGURES)}; by default all"
    )
    parser.add_argument("--counts", type=Path, metavar="STATISTICS", help="of which 4 and 8 are")
    asked = read_options(parser, PICTURES, arguments)
    unknown = set(asked.figures) - set(FIGURES)
    if unknown:
        parser.error(f"no figure {sorted(unknown)[0]}: there are {', '.join(FIGURES)}")
    jax.config.update("jax_enable_x64", True)
    size = SMALL if asked.small else Size()
    for name, figure in figures(asked.figures or FIGURES, asked.counts, size):
        save_figure(figure, asked.out / name, formats=["png"], dpi=220)
        save_figure(figure, (PRINTS if asked.out == PICTURES else asked.out) / name, formats=["pdf"])
        print(f"{name} is written", flush=True)


if __name__ == "__main__":
    main()
