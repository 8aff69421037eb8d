"""Untied weights: the exact solution beside the flow, and the opposed cone that SGD learns first.

    python validation/untied.py [--small] [--out FOLDER]

On the way it draws docs/pictures/cone.png, or cone.png in another folder.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import matplotlib as mpl
import numpy as np
from scipy.sparse.linalg import svds
from table import PICTURES, Points, Row, compute, read_options

import w2vflow as wf
from w2vflow.problem import balanced_init, untied_init
from w2vflow.spectrum import left_directions
from w2vflow.support.atomic_files import atomic_path

SCALE = 1e-2


@dataclass(frozen=True)
class Size:
    """How large the models are.

    Attributes:
        words: of the vocabulary.
        dim: embedding dimension.
        seeds: runs of SGD.
        batch: pairs in a minibatch.
        moment: time between two looks at SGD, which takes five steps meanwhile.
        large_scale: of the start that is furthest from balanced.
    """

    words: int = 2000
    dim: int = 16
    seeds: int = 3
    batch: int = 2**16
    moment: float = 1e-3
    large_scale: float = 0.3

    @property
    def rate(self) -> float:
        """Learning rate of SGD."""
        return self.moment / 5


SMALL = Size(60, 8, 2, 512, 4e-2, 0.03)


class Cone(NamedTuple):
    """What opposed cones look like, of one seed at one time.

    Attributes:
        one_side: share of words whose entry in the leading left singular vector of `W` has the sign of most.
        opposed: mean cosine of a word vector with a context vector, over all pairs.
        alike: mean cosine of two word vectors.
    """

    one_side: float
    opposed: float
    alike: float


def one_sided(vector: np.ndarray) -> float:
    """Return the share of entries that have the sign of most."""
    return float(max((vector > 0).mean(), (vector < 0).mean()))


def cone_of(W: np.ndarray, C: np.ndarray) -> Cone:
    """Return how far words and contexts lie in two opposed cones."""
    first = left_directions(W, 1)[:, 0]
    words, contexts = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (W, C))
    middle = words.mean(axis=0)
    return Cone(max((first > 0).mean(), (first < 0).mean()), middle @ contexts.mean(axis=0), middle @ middle)


def cones(traj: wf.Trajectory, at: int) -> Cone:
    """Return the mean over seeds of the cones at one time."""
    pairs = zip(traj.embeddings[:, at], traj.contexts[:, at], strict=True)
    return Cone(*np.mean([cone_of(*pair) for pair in pairs], axis=0))


def after_first(traj: wf.Trajectory, steps: np.ndarray) -> int:
    """Return which time is a quarter of the way from the first step to the second."""
    return int(np.argmin(np.abs(traj.ts - np.mean(steps[:, :2], axis=0) @ np.array([0.75, 0.25]))))


def figures(values: np.ndarray, form: str = ".4g") -> str:
    """Return numbers as a table shows them."""
    return ", ".join(format(value, form) for value in np.atleast_1d(values))


def against_the_flow(problem: wf.Problem, spec: wf.Spectrum, size: Size) -> Iterator[Row]:
    """Rows of `predict` beside `solve_flow`, from balanced starts and from others."""
    key, ts = jax.random.key(0), np.linspace(0, 150 * size.moment, 31)
    words, dim = size.words, size.dim
    starts = {
        f"balanced, scale {SCALE}": balanced_init(key, words, dim, SCALE),
        f"lambda-balanced, lam = 100, scale {SCALE}": balanced_init(key, words, dim, SCALE, imbalance=100.0),
        f"random, scale {SCALE}": untied_init(key, words, dim, SCALE),
        f"random, scale {size.large_scale}": untied_init(key, words, dim, size.large_scale),
    }
    largest = np.abs(spec.eigenvalues[0])
    for name, W0 in starts.items():
        exact = wf.predict(problem, W0, ts, spectrum=spec)
        flow = wf.solve_flow(problem, W0, ts)
        off = np.abs(exact.singular_values**2 - flow.singular_values**2).max() / largest
        learned = int((flow.singular_values[-1] ** 2 > np.abs(spec.eigenvalues[:dim]) / 2).sum())
        imbalance = exact.metadata["imbalance_over_lambda_1"]
        yield Row(
            "singular values of untied weights (`predict`)",
            f"V = {words}, d = {dim}, untied, {name}, {len(ts)} times to {ts[-1]:g}; "
            f"{learned} concepts learned",
            f"final s_1^2 {exact.singular_values[-1, 0] ** 2:.6g}, loss {exact.loss[-1]:.8g}",
            f"flow: {flow.singular_values[-1, 0] ** 2:.6g}, {flow.loss[-1]:.8g}",
            f"{off:.1e} of the largest size of lambda, largest over modes and times",
            f"exact where W0^T W0 - C0^T C0 = lam I (here off by {imbalance:.1e} of the largest size of "
            "lambda, of which the error is at most about a third); warns above 1%, as at scale 1",
            subject="Strengths, flow",
            short=name,
            off=f"≤{off:.1e}",
            points=(Points.of("strength", exact.singular_values**2, flow.singular_values**2),),
        )


def against_sgd(
    tied: wf.Problem, untied: wf.Problem, spec: wf.Spectrum, size: Size, picture: Path
) -> Iterator[Row]:
    """Rows of steps, directions and cones of SGD; draws the picture."""
    keys, rate = jax.random.split(jax.random.key(0), size.seeds), size.rate
    settings = {
        "dim": size.dim,
        "scale": SCALE,
        "learning_rate": rate,
        "batch_size": size.batch,
        "sampler": "blocks",
    }
    ts = np.arange(1, 81) * size.moment
    sgd = wf.run_sgd_ensemble(untied, keys, ts, recording=wf.Recording(save_embeddings=True), **settings)
    W0 = untied_init(keys, size.words, size.dim, SCALE)
    exact = wf.predict(untied, W0, sgd.ts, learning_rate=rate, spectrum=spec, save_embeddings=True)
    predicted = wf.predict_step_times(untied, W0, learning_rate=rate, spectrum=spec)[:, :6]
    measured = wf.measure_step_times(sgd, spec)[:, :6]
    conditions = (
        f"V = {size.words}, d = {size.dim}, scale {SCALE}, random start, SGD, sampler blocks, "
        f"batch {size.batch}, learning rate {rate}, {size.seeds} seeds"
    )
    yield Row(
        "step times of the first six modes by size of lambda (`predict_step_times`)",
        f"untied, {conditions}; lambda = {figures(spec.eigenvalues[:6])}",
        figures(predicted.mean(axis=0)),
        f"SGD: {figures(measured.mean(axis=0))}",
        f"{np.nanmax(np.abs(predicted / measured - 1)):.2%}, largest over seeds and modes",
        "small starts; the negative mode is the first of every seed: "
        f"{'yes' if (np.nanargmin(measured, axis=1) == 0).all() else 'no'}",
        subject="Step times, SGD",
        short="six modes",
        off=f"≤{np.nanmax(np.abs(predicted / measured - 1)):.1%}",
        points=(Points.of("step time", predicted, measured),),
    )
    curves = np.abs(exact.singular_values**2 - sgd.singular_values**2).max() / np.abs(spec.eigenvalues[0])
    yield Row(
        "singular values under SGD, untied (`predict` at the learning rate)",
        f"untied, {conditions}, {len(ts)} times to {ts[-1]:g}",
        f"final s_1^2 {np.mean(exact.singular_values[:, -1, 0] ** 2):.5g}",
        f"SGD: {np.mean(sgd.singular_values[:, -1, 0] ** 2):.5g}",
        f"{curves:.2%} of the largest size of lambda, largest over seeds, modes and times",
        "noise of the batches, `noise`",
        subject="Strengths, SGD",
        short=f"{size.seeds} seeds",
        off=f"≤{curves:.1%}",
        points=(Points.of("strength", exact.singular_values**2, sgd.singular_values**2),),
    )
    yield from _cone_rows(sgd, exact, spec, predicted, conditions)
    yield _factor_row(tied, keys, settings, spec, measured, conditions, size)
    draw(sgd, exact, spec, after_first(sgd, predicted), picture)


def _cone_rows(
    sgd: wf.Trajectory, exact: wf.Trajectory, spec: wf.Spectrum, steps: np.ndarray, conditions: str
) -> Iterator[Row]:
    """Rows of what is learned when only the negative mode is, and of opposed vectors at the end."""
    at = after_first(sgd, steps)
    first = spec.eigenvectors[:, 0]
    cosines = [(left_directions(t.embeddings[:, at], 1)[..., 0] @ first) ** 2 for t in (exact, sgd)]
    early, late = (np.array([cones(t, when) for t in (exact, sgd)]) for when in (at, -1))
    share = one_sided(first)
    yield Row(
        "what an untied model learns first: the eigenvector of the most negative eigenvalue (`predict`)",
        f"untied, {conditions}, at t = {sgd.ts[at]:.3g}, a quarter of the way from the first step to the "
        "second",
        f"v of lambda = {spec.eigenvalues[0]:.4g}, on one side for {share:.2%} of the words; squared cosine "
        f"of the leading left singular vector of W with it {figures(cosines[0], '.5f')}",
        f"SGD: {early[1, 0]:.2%} of the words on one side; {figures(cosines[1], '.5f')}",
        f"{np.abs(cosines[1] - cosines[0]).max():.1e}, largest over seeds",
        "where the most negative eigenvalue is the largest in size; tied weights never learn it",
        subject="First direction, SGD",
        short="the negative mode",
        off=f"≤{np.abs(cosines[1] - cosines[0]).max():.1%}",
        points=(Points.of("cosine", np.sqrt(cosines[0]), np.sqrt(cosines[1])),),
    )
    yield Row(
        "opposed cones: mean cosine of words with contexts, and of words with words (`predict`)",
        f"untied, {conditions}, at t = {sgd.ts[at]:.3g} and {sgd.ts[-1]:.3g}",
        f"{figures(early[0, 1:], '+.4f')}; {figures(late[0, 1:], '+.4f')}",
        f"SGD: {figures(early[1, 1:], '+.4f')}; {figures(late[1, 1:], '+.4f')}",
        f"{np.abs(np.diff([early, late], axis=1)[..., 1:]).max():.1e}, largest",
        "-1 and +1 where the first mode is alone; each later one opens the cones",
        subject="Cosines, SGD",
        short="two opposed cones",
        off=f"≤{np.abs(np.diff([early, late], axis=1)[..., 1:]).max():.4f}",
        points=(Points.of("cosine", *np.stack([early, late], axis=1)[..., 1:]),),
    )
    pairs = spec.eigenvectors[:, :6].T
    words, contexts = pairs @ sgd.embeddings[:, -1], pairs @ sgd.contexts[:, -1]
    norms = np.linalg.norm(words, axis=-1) * np.linalg.norm(contexts, axis=-1)
    alignment = np.mean(np.sum(words * contexts, axis=-1) / norms, axis=0)
    signs = np.sign(spec.eigenvalues[:6])
    yield Row(
        "vectors of words and contexts along a mode: equal, or opposed where lambda < 0",
        f"untied, {conditions}, at t = {sgd.ts[-1]:.3g}, first six modes",
        f"cosine of v^T W with v^T C: {figures(signs, '+.0f')}",
        f"SGD: {figures(alignment, '+.4f')}",
        f"{np.abs(alignment - signs).max():.1e}",
        "modes that are learned; before, the cosine tends there as e^(- size of lambda times t)",
        subject="Cosines, SGD",
        short="along six modes",
        off=f"≤{np.abs(alignment - signs).max():.1e}",
        points=(Points.of("cosine", signs, alignment),),
    )


def _factor_row(
    tied: wf.Problem,
    keys: jax.Array,
    settings: dict,
    spec: wf.Spectrum,
    measured: np.ndarray,
    conditions: str,
    size: Size,
) -> Row:
    """Return the row of the same concept learned by tied weights."""
    leading = wf.leading_eigenpairs(tied, size.dim)
    ts = np.arange(1, 41) * size.moment / 2
    sgd = wf.run_sgd_ensemble(tied, keys, ts, **settings)
    times = wf.measure_step_times(sgd, leading)[:, 0]
    place = int(np.argmax(spec.eigenvalues[:6]))
    W0 = wf.gaussian_init(keys, size.words, size.dim, SCALE)
    of_tied = wf.predict_step_times(tied, W0, learning_rate=size.rate, spectrum=leading)[:, 0]
    both = untied_init(keys, size.words, size.dim, SCALE)
    problem = wf.Problem.from_target(tied.target_operator(), tied=False)
    of_untied = wf.predict_step_times(problem, both, learning_rate=size.rate, spectrum=spec)[:, place]
    predicted, found = (of_untied / of_tied).mean(), (measured[:, place] / times).mean()
    return Row(
        "untied weights learn at half the speed of tied ones (`predict_step_times`)",
        f"the concept of lambda = {leading.eigenvalues[0]:.4g}, tied and untied, {conditions}",
        f"ratio of step times {predicted:.4f}: 2 from the rate, the rest from the smaller start",
        f"SGD: {found:.4f}",
        f"{abs(predicted / found - 1):.2%}",
        "small starts",
        subject="Step times, SGD",
        short="tied, untied",
        off=f"{abs(predicted / found - 1):.1%}",
        points=(
            Points.of(
                "step time",
                [of_tied.mean(), of_untied.mean()],
                [times.mean(), np.mean(measured[:, place])],
            ),
        ),
    )


def with_its_own_weights(stats: wf.CooccurrenceStatistics, dim: int) -> Iterator[Row]:
    """Rows of word2vec's own weights and loss, where the first direction is that of `A - B`."""
    for negatives, subsample in ((5.0, 1e-4), (1.0, 0.0)):
        weighting = wf.Mikolov(subsample, 0.75, negatives, skip_target=False)
        problem = wf.Problem.from_statistics(stats, weighting=weighting, loss="logistic", tied=False)
        weights = problem.pair_weights()
        difference = weights.positive.toarray() - weights.left @ weights.right.T
        U, sizes, Vt = svds(difference, 2, random_state=0)
        u, v, size, place = U[:, -1], Vt[-1], sizes[-1], f"Mikolov({subsample:g}, 0.75, {negatives:g})"
        # dW/dt = (A - B) C while all is small: u^T W C^T v grows as e^(2 size t) from about scale^2 / 2.
        linear = np.log(2 * np.array([0.1, 0.4]) / SCALE**2) / (2 * size)
        ts = np.append(linear, 5 * linear[1])
        W0 = untied_init(jax.random.key(0), stats.vocab_size, dim, SCALE)
        flow = wf.solve_flow(problem, W0, ts, rtol=1e-6, recording=wf.Recording(save_embeddings=True))
        grown = np.abs([(u @ W) @ (v @ C) for W, C in zip(flow.embeddings, flow.contexts, strict=True)])
        rate = np.log(grown[1] / grown[0]) / (ts[1] - ts[0])
        left, right = (left_directions(side[1], 1)[:, 0] for side in (flow.embeddings, flow.contexts))
        early, late = (cone_of(flow.embeddings[i], flow.contexts[i]) for i in (1, 2))
        outweigh = float(weights.left.sum(axis=0) @ weights.right.sum(axis=0) / weights.positive.sum())
        yield Row(
            "what word2vec's own weights and loss learn first: the leading singular pair u, v of A - B",
            f"V = {stats.vocab_size}, d = {dim}, logistic, {place}, untied, random start, scale {SCALE}, at "
            f"t = {ts[1]:.3g} (s_1^2 = {flow.singular_values[1, 0] ** 2:.2g}) and {ts[2]:.3g} "
            f"(s_1^2 = {flow.singular_values[2, 0] ** 2:.3g})",
            f"growth rate of s_1^2 {2 * size:.5g} (the next: {2 * sizes[0]:.4g}); u.v = {u @ v:+.3f}; "
            f"entries of u and of v of one sign for {one_sided(u):.2%} and {one_sided(v):.2%} of the words",
            f"flow: {rate:.5g}; squared cosines with u {(left @ u) ** 2:.4f}, with v {(right @ v) ** 2:.4f}; "
            f"mean cosine of words with contexts {early.opposed:+.4f}, then {late.opposed:+.4f}; of words "
            f"with words {early.alike:+.4f}, then {late.alike:+.4f}; words on one side "
            f"{early.one_side:.2%}, then {late.one_side:.2%}",
            f"{abs(rate / (2 * size) - 1):.2%} of the rate",
            "the linear phase; as the first pair saturates, it turns. Sum of B over sum of A here: "
            f"{outweigh:.3g}",
            subject="First growth rate",
            short=place,
            off=f"{abs(rate / (2 * size) - 1):.1%}",
            points=(
                Points.of("growth rate", 2 * size, rate),
                Points.of("cosine", [1, 1], np.abs([left @ u, right @ v])),
            ),
        )


def draw(sgd: wf.Trajectory, exact: wf.Trajectory, spec: wf.Spectrum, at: int, picture: Path) -> None:
    """Draw the steps, the two cones after the first of them, and how they widen."""
    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, (steps, cones, cosines) = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
    values = spec.eigenvalues[:6]
    for mode, value in enumerate(values):
        colour = "#D55E00" if value < 0 else "#0072B2"
        steps.plot(sgd.ts, sgd.singular_values[..., mode].T ** 2, color=colour, lw=1, alpha=0.7)
        steps.plot(exact.ts, exact.singular_values[0, :, mode] ** 2, "k:", lw=1.5)
        steps.annotate(
            f"{value:+.0f}", (sgd.ts[-1], abs(value)), (3, 0), textcoords="offset points", va="center"
        )
    steps.plot([], [], "0.5", lw=1, label=f"SGD, {sgd.seeds} seeds")
    steps.plot([], [], "k:", lw=1.5, label="closed form, first seed")
    steps.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.4, 0.95))
    steps.set(xlabel="time", ylabel="$s_k^2$", title="The negative eigenvalue is learned first")
    W, C = sgd.embeddings[0, at], sgd.contexts[0, at]
    axes = np.linalg.svd(np.concatenate([W, C]), full_matrices=False)[2][:2]
    for side, colour, name in ((W, "#56B4E9", "words"), (C, "#E69F00", "contexts")):
        cones.scatter(*(axes @ side.T), s=4, color=colour, label=name)
    cones.plot(0, 0, "k+", ms=9)
    cones.set(
        title=f"SGD, t = {sgd.ts[at]:.3f}: two opposed cones", xlabel="first axis", ylabel="second axis"
    )
    cones.set_aspect("equal", "datalim")
    cones.legend(frameon=False, markerscale=3)
    over_time = np.array([cone_of(*pair) for pair in zip(sgd.embeddings[0], sgd.contexts[0], strict=True)])
    cosines.axhline(0, color="0.8", lw=1)
    cosines.plot(sgd.ts, over_time[:, 2], color="#009E73", label="two words")
    cosines.plot(sgd.ts, over_time[:, 1], color="#D55E00", label="a word and a context")
    cosines.set(
        xlabel="time", ylabel="mean cosine", ylim=(-1.05, 1.05), title="The cones open as more is learned"
    )
    cosines.legend(frameon=False)
    for axis in (steps, cones, cosines):
        axis.spines[["top", "right"]].set_visible(False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
    plt.close(figure)


def rows(size: Size, picture: Path) -> Iterator[Row]:
    """Return the rows of this part of the table."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(size.words)
    tied, untied = (wf.Problem.from_statistics(stats, tied=side) for side in (True, False))
    spec = wf.extreme_eigenpairs(untied, size.words)
    yield from against_sgd(tied, untied, spec, size, picture)
    yield from with_its_own_weights(stats, size.dim)
    yield from against_the_flow(untied, spec, size)


if __name__ == "__main__":
    asked = read_options(argparse.ArgumentParser(description=__doc__.split("\n", 1)[0]), PICTURES)
    size = SMALL if asked.small else Size()
    compute("untied", partial(rows, size, asked.out / "cone.png"), small=asked.small)
