"""Figures 1, 2 and 4 of arXiv 2502.09863 from the bundled counts of Wikipedia.

    python validation/paper_figures.py [--small] [--out FOLDER]

Writes figure1.png, figure2.png and figure4.png into docs/pictures, and PDF files into runs/figures, or all of
them into one folder. About three minutes on two cores.
"""

import argparse
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from table import PICTURES, read_options

import w2vflow as wf
from w2vflow.plotting import LearningRow, plot_concept_table, plot_init_scales, plot_learning, save_figure

PRINTS = Path("runs/figures")


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
    """

    words: int = 2000
    word2vec_words: int = 500
    dim: int = 8
    shown: int = 6
    scale: float = 1e-4
    scales: tuple[float, ...] = (1e-1, 1e-2, 1e-4, 1e-8)
    seeds: int = 3
    batch: int = 131_072


SMALL = Size(40, 40, 3, 3, scales=(1e-1, 1e-4), seeds=1, batch=1024)


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


def word2vec(stats: wf.CooccurrenceStatistics, size: Size) -> LearningRow:
    """Return word2vec itself: logistic loss, its own weights, words apart from contexts; flow and SGD.

    The theory is the ladder of plateaus. The first direction is that in which all words part from all
    contexts; slices are along the second and the third.
    """
    problem = wf.Problem.from_statistics(stats, weighting=wf.Mikolov(1e-4), loss="logistic", tied=False)
    keys = jax.random.split(jax.random.key(0), size.seeds)
    W0 = np.asarray(wf.untied_init(keys, stats.vocab_size, size.dim, size.scale))
    ladder = wf.predict_ladder(problem, size.shown)
    with warnings.catch_warnings():
        # Of the last steps, which rise jointly: the figure shows by how much they are off.
        warnings.simplefilter("ignore", RuntimeWarning)
        steps = ladder.step_times(W0[0])
    end = 1.15 * steps[-1]
    even = np.linspace(0, end, 161)
    # Fine where the first step is, which is many times faster than all others.
    ts = np.unique(np.concatenate([np.linspace(0, 2 * steps[0], 31), even]))
    flow = wf.solve_flow(
        problem, W0[0], ts, rtol=1e-6, max_steps=1_000_000, recording=wf.Recording(save_embeddings=True)
    )
    final = np.stack([flow.embeddings[-1], flow.contexts[-1]])
    rate = min(0.1 * wf.spectrum.stability_limit_at(problem, final), even[1])
    sgd = wf.run_sgd_ensemble(
        problem,
        keys,
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
        staircase(ladder, steps, end, size.dim),
        flow,
        sgd,
        moments,
        slices,
        stats.words,
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute everything and write the figures."""
    asked = read_options(argparse.ArgumentParser(description=__doc__.split("\n", 1)[0]), PICTURES, arguments)
    jax.config.update("jax_enable_x64", True)
    size = SMALL if asked.small else Size()
    all_words = wf.load_statistics("enwiki15k-v3000")
    stats = all_words.most_frequent(size.words)
    problem = wf.Problem.from_statistics(stats)
    basis = wf.leading_eigenpairs(problem, problem.vocab_size)
    law = wf.step_time_law(problem, size.dim, size.scale, spectrum=basis).mean
    rows = [quartic(stats, basis, size), word2vec(all_words.most_frequent(size.word2vec_words), size)]
    concepts = min(8, size.dim)
    figures = {
        "figure1": plot_learning(rows, concepts=size.shown),
        "figure2": plot_init_scales(init_scales(stats, basis, size), basis, concepts=size.shown),
        "figure4": plot_concept_table(
            basis, stats.words, step_times=law, time_unit=law[0], concepts=concepts, n=6
        ),
    }
    for name, axes in figures.items():
        figure = axes.flat[0].get_figure()
        save_figure(figure, asked.out / name, formats=["png"], dpi=220)
        save_figure(figure, (PRINTS if asked.out == PICTURES else asked.out) / name, formats=["pdf"])


if __name__ == "__main__":
    main()
