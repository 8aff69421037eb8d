"""Rows of the table: corpora with known spectra, and Muon.

python validation/solvable.py [--small]
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from table import Points, Row, run_part

import w2vflow as wf
from w2vflow.theory import muon_step_times, muon_strengths
from w2vflow.theory.solvable import SolvableCorpus, binary_attributes, interval, interval_limit, ring

# An accurate polar factor, and no momentum.
MUON = partial(
    optax.contrib.muon, beta=0.0, nesterov=False, ns_coeffs=(1.875, -1.25, 0.375), ns_steps=30, eps=1e-30
)
# Of attributes, strongest first.
STRENGTHS = (0.5, 0.46, 0.42, 0.38, 0.34, 0.3, 0.26, 0.22, 0.18, 0.14, 0.1)


@dataclass(frozen=True)
class Size:
    """How large the models are.

    Attributes:
        attributes: of words that are combinations of them: there are two to this power.
        words: on a ring, on an interval, and of Wikipedia.
        dim: embedding dimension.
        pairs: eigenpairs looked for.
        seeds: starts of the circle of months.
    """

    attributes: int = len(STRENGTHS)
    words: int = 2000
    dim: int = 16
    pairs: int = 24
    seeds: int = 50


SMALL = Size(6, 60, 8, 5, 2)


def rows(size: Size) -> Iterator[Row]:
    """Yield the rows, as they are computed."""
    words = size.words
    attributes = binary_attributes(STRENGTHS[: size.attributes])
    combined = f"`binary_attributes`, {size.attributes} attributes, V = {2**size.attributes:,}"
    exact = "none: exact sums"
    yield eigenvalues(combined, f"{size.attributes} attributes", attributes, exact)
    yield eigenvalues(f"`ring`, V = {words:,}, concentration 3", "ring", ring(words, 3.0), exact)
    line = interval(words, 0.5)
    off = np.abs(line.spectrum.eigenvalues[:10] / interval_limit(0.5, 10) - 1).max()
    continuous = f"exact for its words; the continuous kernel's first ten are {off:.1e} away at most"
    yield eigenvalues(f"`interval`, V = {words:,}, reach 0.5", "interval", line, continuous)
    yield found(attributes, size.pairs)
    yield order(attributes, size.dim)
    yield circle(size.seeds)
    yield from muon(words, size.dim)


def eigenvalues(name: str, short: str, corpus: SolvableCorpus, breaks: str) -> Row:
    """All eigenvalues and eigenspaces by formula, against LAPACK."""
    target = np.asarray(corpus.problem().target())
    spectrum = corpus.spectrum
    largest = np.abs(spectrum.eigenvalues).max()
    dense = np.linalg.eigvalsh(target)[::-1]
    residual = np.linalg.norm(
        target @ spectrum.eigenvectors - spectrum.eigenvectors * spectrum.eigenvalues, axis=0
    )
    leading = ", ".join(f"{value:.6g}" for value in spectrum.eigenvalues[:3])
    return Row(
        f"all eigenvalues by formula, {name}",
        "dense M*",
        leading + ", ...",
        "LAPACK: " + ", ".join(f"{value:.6g}" for value in dense[:3]) + ", ...",
        f"{np.abs(dense - spectrum.eigenvalues).max() / largest:.1e} of the largest, any of them; residuals "
        f"of eigenvectors up to {residual.max() / largest:.1e}",
        breaks,
        subject="Eigenvalues by formula",
        short=short,
        off=f"{np.abs(dense - spectrum.eigenvalues).max() / largest:.0e}",
        # LAPACK's smallest are what rounding leaves of 0.
        points=(
            Points.of("eigenvalue", *(side[: len(side) // 20] for side in (spectrum.eigenvalues, dense))),
        ),
    )


def found(corpus: SolvableCorpus, n: int) -> Row:
    """What block Lanczos finds of a spectrum that is known."""
    values = wf.leading_eigenpairs(corpus.problem(), n).eigenvalues
    exact = corpus.spectrum.eigenvalues[:n]
    off = np.abs(values / exact - 1).max()
    return Row(
        "leading eigenpairs, `leading_eigenpairs`",
        f"`binary_attributes`, V = {corpus.problem().vocab_size:,}, {n} pairs, default tolerance",
        f"lambda_{n} = {exact[-1]:.10g} by formula",
        f"{values[-1]:.10g}",
        f"{off:.1e} relative, any of them",
        "equal eigenvalues have a space and no directions",
        subject="Eigenvalues found",
        short=f"attributes, {n} pairs",
        off=f"≤{off:.0e}",
        points=(Points.of("eigenvalue", exact, values),),
    )


def order(corpus: SolvableCorpus, dim: int) -> Row:
    """Attributes emerge one by one, when the known spectrum says so."""
    problem, spectrum = corpus.problem(), corpus.spectrum
    W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, dim, 1e-8)
    predicted = wf.predict_step_times(problem, W0, spectrum=spectrum)[:6]
    ts = np.linspace(0, 1.1 * predicted[-1], 401)[1:]
    flow = wf.solve_flow(problem, W0, ts, spectrum=spectrum)
    measured = wf.measure_step_times(flow, spectrum)[:6]
    return Row(
        "step times of attributes from the known spectrum, `predict_step_times`",
        f"`binary_attributes`, V = {problem.vocab_size:,}, d = {dim}, scale 1e-8, one seed; no eigensolver",
        ", ".join(f"{corpus.labels[k].removeprefix('attribute ')}: {predicted[k]:.5g}" for k in range(6)),
        "flow: " + ", ".join(f"{time:.5g}" for time in measured),
        f"{np.abs(predicted / measured - 1).max():.1e} relative, any of the six",
        "grows with the scale and where eigenvalues nearly agree (`predict` is exact there)",
        subject="Step times",
        short="attributes",
        off=f"≤{np.abs(predicted / measured - 1).max():.0e}",
        points=(Points.of("step time", predicted, measured),),
    )


def circle(seeds: int) -> Row:
    """The pair of the first wave around the year."""
    months = ring(12)
    keys = jax.random.split(jax.random.key(0), seeds)
    starts = wf.gaussian_init(keys, 12, 4, 1e-8)
    predicted = wf.predict_step_times(months.problem(), starts, spectrum=months.spectrum)[:, :2]
    ts = np.linspace(0, 1.2 * predicted.max(), 401)[1:]
    flow = wf.solve_flow(months.problem(), starts, ts, spectrum=months.spectrum)
    measured = wf.measure_step_times(flow, months.spectrum)[:, :2]
    law = wf.step_time_law(months.problem(), 4, 1e-8, spectrum=months.spectrum).mean[:2]
    pair, each = predicted.mean(axis=1) / measured.mean(axis=1) - 1, predicted / measured - 1
    return Row(
        "when the months form a circle: both steps of a degenerate pair, `predict_step_times`",
        f"`ring`, 12 words, d = 4, scale 1e-8, {seeds} seeds",
        f"mean over seeds {predicted[:, 0].mean():.4f} and {predicted[:, 1].mean():.4f} "
        f"(law: {law[0]:.4f} and {law[1]:.4f})",
        f"flow: {measured[:, 0].mean():.4f} and {measured[:, 1].mean():.4f}",
        f"each up to {np.abs(each).max():.1e}, their mean up to {np.abs(pair).max():.1e}, any seed",
        "directions within the plane are the start's own; eigenvalues that only nearly agree: `predict`",
        subject="Step times",
        short="circle of months",
        off=f"≤{np.abs(each).max():.0e}",
        points=(Points.of("step time", predicted, measured),),
    )


def muon(words: int, dim: int) -> Iterator[Row]:
    """Aligned and random starts on Wikipedia, optax's Muon against the closed form."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(words)
    problem, half = wf.Problem.from_statistics(stats), dim // 2
    spectrum = wf.leading_eigenpairs(problem, dim)
    values = jnp.asarray(spectrum.eigenvalues)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(dim, dim)))[0]
    end, rate = float(np.sqrt(values[0])), 0.01
    ts = np.linspace(0, 1.05 * end, 201)[1:]
    for kind in ("aligned", "random"):
        if kind == "aligned":
            W0 = 0.01 * spectrum.eigenvectors @ turn
        else:
            W0 = np.asarray(wf.gaussian_init(jax.random.key(0), problem.vocab_size, dim, 0.01))
        size = float(np.linalg.norm(W0, 2))
        run = wf.run_gd(problem, W0, ts, learning_rate=rate, optimizer=MUON)
        start = jnp.full(dim, 1e-4 if kind == "aligned" else 0.0)
        predicted = -np.sort(-np.sqrt(muon_strengths(values, start, jnp.asarray(run.ts))), axis=1)
        times, measured = np.asarray(muon_step_times(values, start)), wf.measure_step_times(run, spectrum)
        off = np.abs(run.singular_values - predicted)
        rising = run.ts < 0.9 * float(np.sqrt(values[-1]))
        breaks = (
            "what has arrived goes back and forth by a step; for momentum see `muon_strengths`"
            if kind == "aligned"
            else "concepts that are still turning when they level off come late: neighbours of lambda_d first"
        )
        yield Row(
            f"Muon, {kind} start, `muon_strengths`, `muon_step_times`",
            f"enwiki15k, V = {words:,}, d = {dim}, {kind} start of size 0.01 (norm {size:.3g}), step {rate}",
            f"steps 1, {half}, {dim} at {times[0]:.4f}, {times[half - 1]:.4f}, {times[-1]:.4f}",
            "optax.contrib.muon, accurate polar factor: "
            f"{measured[0]:.4f}, {measured[half - 1]:.4f}, {measured[-1]:.4f}",
            f"s_k within {off[rising].max():.1e} while all rise, {off.max():.1e} at any time "
            f"(largest s_k: {end:.3g})",
            breaks,
            subject="Step times, Muon",
            short=f"{kind} start",
            off=f"≤{100 * np.nanmax(np.abs(times / measured - 1)):.1g}%",
            points=(Points.of("step time", times, measured),),
        )


if __name__ == "__main__":
    run_part("solvable", __doc__, rows, Size(), SMALL)
