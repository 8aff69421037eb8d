"""Rows of the table: corpora with known spectra, and Muon.

Run from the root of the repository: `python validation/solvable.py`.
"""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from table import Row, compute

import w2vflow as wf
from w2vflow.solvable import SolvableCorpus, binary_attributes, interval, interval_limit, ring
from w2vflow.theory.muon import muon_step_times, muon_strengths

# An accurate polar factor, and no momentum.
MUON = partial(
    optax.contrib.muon, beta=0.0, nesterov=False, ns_coeffs=(1.875, -1.25, 0.375), ns_steps=30, eps=1e-30
)


def rows() -> Iterator[Row]:
    """Yield the rows, as they are computed."""
    attributes = binary_attributes([0.5, 0.46, 0.42, 0.38, 0.34, 0.3, 0.26, 0.22, 0.18, 0.14, 0.1])
    yield eigenvalues("`binary_attributes`, 11 attributes, V = 2,048", attributes, "none: exact sums")
    yield eigenvalues("`ring`, V = 2,000, concentration 3", ring(2000, 3.0), "none: exact sums")
    line = interval(2000, 0.5)
    off = np.abs(line.spectrum.eigenvalues[:10] / interval_limit(0.5, 10) - 1).max()
    continuous = f"exact for its words; the continuous kernel's first ten are {off:.1e} away at most"
    yield eigenvalues("`interval`, V = 2,000, reach 0.5", line, continuous)
    yield found(attributes)
    yield order(attributes)
    yield circle()
    yield from muon()


def eigenvalues(name: str, corpus: SolvableCorpus, breaks: str) -> Row:
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
    )


def found(corpus: SolvableCorpus) -> Row:
    """What block Lanczos finds of a spectrum that is known."""
    pairs = wf.leading_eigenpairs(corpus.problem(), 24)
    exact = corpus.spectrum
    off = np.abs(pairs.eigenvalues / exact.eigenvalues[:24] - 1).max()
    return Row(
        "leading eigenpairs, `leading_eigenpairs`",
        "`binary_attributes`, V = 2,048, 24 pairs, default tolerance",
        f"lambda_24 = {exact.eigenvalues[23]:.10g} by formula",
        f"{pairs.eigenvalues[23]:.10g}",
        f"{off:.1e} relative, any of them",
        "equal eigenvalues have a space and no directions",
    )


def order(corpus: SolvableCorpus) -> Row:
    """Attributes emerge one by one, when the known spectrum says so."""
    problem, spectrum = corpus.problem(), corpus.spectrum
    W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, 16, 1e-8)
    predicted = wf.predict_step_times(problem, W0, spectrum=spectrum)[:6]
    ts = np.linspace(0, 1.1 * predicted[-1], 401)[1:]
    flow = wf.solve_flow(problem, W0, ts, spectrum=spectrum)
    measured = wf.measure_step_times(flow, spectrum)[:6]
    return Row(
        "step times of attributes from the known spectrum, `predict_step_times`",
        "`binary_attributes`, V = 2,048, d = 16, scale 1e-8, one seed; no eigensolver",
        ", ".join(f"{corpus.labels[k].removeprefix('attribute ')}: {predicted[k]:.5g}" for k in range(6)),
        "flow: " + ", ".join(f"{time:.5g}" for time in measured),
        f"{np.abs(predicted / measured - 1).max():.1e} relative, any of the six",
        "grows with the scale and where eigenvalues nearly agree (`predict` is exact there)",
    )


def circle() -> Row:
    """The pair of the first wave around the year."""
    months = ring(12)
    keys = jax.random.split(jax.random.key(0), 50)
    starts = wf.gaussian_init(keys, 12, 4, 1e-8)
    predicted = wf.predict_step_times(months.problem(), starts, spectrum=months.spectrum)[:, :2]
    ts = np.linspace(0, 1.2 * predicted.max(), 401)[1:]
    flow = wf.solve_flow(months.problem(), starts, ts, spectrum=months.spectrum)
    measured = wf.measure_step_times(flow, months.spectrum)[:, :2]
    law = wf.step_time_law(months.problem(), 4, 1e-8, spectrum=months.spectrum)[0][:2]
    pair, each = predicted.mean(axis=1) / measured.mean(axis=1) - 1, predicted / measured - 1
    return Row(
        "when the months form a circle: both steps of a degenerate pair, `predict_step_times`",
        "`ring`, 12 words, d = 4, scale 1e-8, 50 seeds",
        f"mean over seeds {predicted[:, 0].mean():.4f} and {predicted[:, 1].mean():.4f} "
        f"(law: {law[0]:.4f} and {law[1]:.4f})",
        f"flow: {measured[:, 0].mean():.4f} and {measured[:, 1].mean():.4f}",
        f"each up to {np.abs(each).max():.1e}, their mean up to {np.abs(pair).max():.1e}, any seed",
        "directions within the plane are the start's own; eigenvalues that only nearly agree: `predict`",
    )


def muon() -> Iterator[Row]:
    """Aligned and random starts on Wikipedia, optax's Muon against the closed form."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(2000)
    problem, dim = wf.Problem.from_statistics(stats), 16
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
            f"enwiki15k, V = 2,000, d = {dim}, {kind} start of size 0.01 (norm {size:.3g}), step {rate}",
            f"steps 1, 8, 16 at {times[0]:.4f}, {times[7]:.4f}, {times[15]:.4f}",
            "optax.contrib.muon, accurate polar factor: "
            f"{measured[0]:.4f}, {measured[7]:.4f}, {measured[15]:.4f}",
            f"s_k within {off[rising].max():.1e} while all rise, {off.max():.1e} at any time "
            f"(largest s_k: {end:.3g})",
            breaks,
        )


if __name__ == "__main__":
    compute("solvable", rows)
