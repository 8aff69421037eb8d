"""Finite steps and minibatches: predicted, and measured by descent and SGD on enwiki15k.

python validation/discrete.py [--small]
"""

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
import optax
from table import Points, Row, run_part

import w2vflow as wf
from w2vflow.sgd import recommended_learning_rate, run_gd, stationary_noise, step_time_noise

SCALE = 1e-2
# Sampler, tied, part of the dimension, rate over 1 / |lambda_1|, observations.
SETTLED = [
    ("balanced", True, 1, 0.04, 250),
    ("blocks", True, 1, 0.02, 400),
    ("blocks", False, 1, 0.02, 250),
    ("corpus", True, 4, 0.005, 100),
    ("shared", True, 4, 0.005, 150),
]


@dataclass(frozen=True)
class Size:
    """How large the models are.

    Attributes:
        words: of the vocabulary.
        dim: embedding dimension.
        batch: pairs in a minibatch; twice as many at the recommended rate.
        shorter: by what `SETTLED`'s numbers of observations are divided.
        accuracy: for which a rate is recommended.
        seeds: runs at that rate.
    """

    words: int = 2000
    dim: int = 16
    batch: int = 65_536
    shorter: int = 1
    accuracy: float = 0.01
    seeds: int = 6


SMALL = Size(60, 8, 1024, 20, 0.02, 2)


def rows(size: Size) -> Iterator[Row]:
    """Yield the rows of this part."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(size.words)
    problem = wf.Problem.from_statistics(stats)
    basis = wf.leading_eigenpairs(problem, problem.vocab_size)
    yield from _step_size(problem, basis, size.dim)
    for tied in (True, False):
        yield _stability(wf.Problem.from_statistics(stats, tied=tied))
    for sampler, tied, part, rate, count in SETTLED:
        which, observations = wf.Problem.from_statistics(stats, tied=tied), count // size.shorter
        yield _settled(which, sampler, size.dim // part, size.batch, rate, observations)
    yield from _recommended(problem, basis, size)


def _step_size(problem: wf.Problem, basis: wf.Spectrum, dim: int) -> Iterator[Row]:
    spec = basis.leading(dim)
    leading = spec.eigenvalues[0]
    W0 = wf.gaussian_init(jax.random.key(0), problem.vocab_size, dim, SCALE)
    flow_times = wf.predict_step_times(problem, W0, spectrum=spec)
    grid = np.linspace(0, 1.15 * np.nanmax(flow_times), 200)[1:]
    for share in (0.05, 0.1, 0.4):
        rate = share / leading
        ts = np.unique(np.rint(grid / rate)) * rate
        full = run_gd(problem, W0, ts, learning_rate=rate)
        known = {
            name: wf.predict(problem, W0, full.ts, learning_rate=eta, spectrum=basis)
            for name, eta in (("flow", 0.0), ("descent", rate))
        }
        measured = wf.measure_step_times(full, spec)
        errors = {
            name: np.nanmax(np.abs(wf.measure_step_times(run, spec) / measured - 1))
            for name, run in known.items()
        }
        mean = {
            name: np.mean(np.abs(run.singular_values - full.singular_values)) / np.sqrt(leading)
            for name, run in known.items()
        }
        conditions = (
            f"V {problem.vocab_size:,}, d {dim}, tied, scale {SCALE:g}, eta lambda_1 = {share:g}, one seed"
        )
        yield Row(
            "step times of descent: `predict(learning_rate=eta)`",
            conditions,
            f"first at {wf.measure_step_times(known['descent'], spec)[0]:.6f}, last at "
            f"{wf.measure_step_times(known['descent'], spec)[-1]:.6f}",
            f"{measured[0]:.6f} and {measured[-1]:.6f} by `run_gd`",
            f"{100 * errors['descent']:.3f}% of the worst of {dim}; the flow {100 * errors['flow']:.2f}%",
            "second order in eta lambda_1; first order for close concepts; below `stability_limit`",
            subject="Step times, descent",
            short=f"ηλ₁ = {share:g}",
            off=f"≤{100 * errors['descent']:.2f}%",
            points=(Points.of("step time", wf.measure_step_times(known["descent"], spec), measured),),
        )
        yield Row(
            "singular values under descent: `predict(learning_rate=eta)`",
            conditions,
            "the exact solution with growth l_k and an advance",
            "`run_gd`, all times",
            f"{mean['descent']:.2g} of s_1 on average; the flow {mean['flow']:.2g}",
            "joint learning of close concepts is corrected on average only",
            subject="Singular values, descent",
            short=f"ηλ₁ = {share:g}",
            off=f"{mean['descent']:.1g} of s₁",
            points=(Points.of("singular value", known["descent"].singular_values, full.singular_values),),
        )


def _stability(problem: wf.Problem) -> Row:
    limit = wf.stability_limit(problem)
    find = wf.leading_eigenpairs if problem.tied else wf.extreme_eigenpairs
    spec, steps = find(problem, 2), 600
    W = spec.eigenvectors * np.sqrt(np.abs(spec.eigenvalues))
    solution = W if problem.tied else np.stack([W, W * np.sign(spec.eigenvalues)])
    start = solution + 1e-6 * np.random.default_rng(0).normal(size=solution.shape)
    lowest, found, left = float(problem.loss(solution)), {}, {}
    for share in (0.98, 1.02):
        rate = share * limit
        try:
            run = run_gd(problem, start, [rate * steps], learning_rate=rate, optimizer=optax.sgd)
            excess = (float(run.loss[0]) - lowest) / (float(problem.loss(start)) - lowest)
            found[share], left[share] = f"{excess:.2g}", excess > 1
        except RuntimeError:
            found[share], left[share] = "diverged", True
    if left[0.98] or not left[1.02]:
        raise ValueError(f"`stability_limit` is off by more than 2%: {found}")
    return Row(
        "`stability_limit`",
        f"V {problem.vocab_size:,}, d 2, {'tied' if problem.tied else 'untied'}, {steps} steps from 1e-6 "
        "beside the solution",
        f"{limit:.6g}: settles below, leaves above",
        f"excess of the loss, of that at the start: {found[0.98]} at 0.98, {found[1.02]} at 1.02 by `run_gd`",
        "within 2%",
        "noise of minibatches lowers it: see `recommended_learning_rate`",
        subject="Largest stable rate",
        short="tied" if problem.tied else "untied",
        off="≤2%",
        # All that is measured is that it lies between the two rates tried.
        points=(Points.of("learning rate", [limit], [limit], [0.02 * limit]),),
    )


def _settled(problem: wf.Problem, sampler: str, dim: int, batch_size: int, share: float, count: int) -> Row:
    find = wf.leading_eigenpairs if problem.tied else wf.extreme_eigenpairs
    spec = find(problem, dim)
    sizes = np.abs(spec.eigenvalues)
    rate, speed = share / sizes[0], 2 if problem.tied else 1
    run = {"learning_rate": rate, "batch_size": batch_size, "sampler": sampler}
    predicted = stationary_noise(problem, dim, spectrum=spec, **run)
    W = spec.eigenvectors * np.sqrt(sizes)
    W0 = W if problem.tied else np.stack([W, W * np.sign(spec.eigenvalues)])
    # One autocorrelation time of the last concept apart; the first four of them are left out.
    ts = np.arange(1, count + 5) / (speed * sizes[-1])
    values = wf.run_sgd(problem, W0, ts, key=jax.random.key(0), **run).singular_values[4:]
    measured = values.astype(np.float64).std(axis=0, ddof=1)
    ratio = measured / predicted
    off = 100 * np.abs(ratio - 1)
    return Row(
        f"noise of settled singular values, sampler {sampler}: `stationary_noise`",
        f"V {problem.vocab_size:,}, d {dim}, {'tied' if problem.tied else 'untied'}, {batch_size:,} pairs, "
        f"eta lambda_1 = {share:g}, {count} observations",
        f"first {predicted[0]:.4g}, last {predicted[-1]:.4g}",
        f"{measured[0]:.4g} and {measured[-1]:.4g} by `run_sgd`",
        f"{np.mean(off):.0f}% on average over concepts, {np.max(off):.0f}% of the worst, all together "
        f"{100 * (np.sqrt(np.mean(ratio**2)) - 1):+.1f}%; of that measuring errors "
        f"{100 / np.sqrt(2 * count):.0f}% each, or more",
        "where directions leave the learned plane by a tenth, or noise is a fifth of s_k",
        subject="Noise once settled",
        short=f"{sampler}, {'tied' if problem.tied else 'untied'}",
        off=f"{np.mean(off):.0f}%, ≤{np.max(off):.0f}%",
        points=(Points.of("noise of a singular value", predicted, measured, measured / np.sqrt(2 * count)),),
    )


def _recommended(problem: wf.Problem, basis: wf.Spectrum, size: Size) -> Iterator[Row]:
    dim, accuracy, spec = size.dim, size.accuracy, basis.leading(size.dim)
    batch = {"batch_size": 2 * size.batch, "sampler": "blocks"}
    found = recommended_learning_rate(problem, dim, accuracy=accuracy, scale=SCALE, spectrum=basis, **batch)
    rate, keys = found.rate, jax.random.split(jax.random.key(0), size.seeds)
    W0 = wf.gaussian_init(keys, problem.vocab_size, dim, SCALE)
    end = 1.2 * np.nanmax(wf.predict_step_times(problem, W0, spectrum=spec))
    ts = np.linspace(0, end, 250)[1:]
    sgd = wf.run_sgd_ensemble(problem, keys, ts, dim=dim, scale=SCALE, learning_rate=rate, **batch)
    flow, full = (
        wf.measure_step_times(wf.predict(problem, W0, sgd.ts, learning_rate=eta, spectrum=basis), spec)
        for eta in (0.0, rate)
    )
    measured = wf.measure_step_times(sgd, spec)
    off = np.abs(measured / flow - 1)
    noise = stationary_noise(problem, dim, learning_rate=rate, spectrum=spec, **batch)
    # At twice its step time a concept of the first half has long settled.
    scatter = [
        np.std(sgd.singular_values[:, sgd.ts > 2 * flow[:, k].max(), k].astype(np.float64)) for k in range(4)
    ]
    relative = 100 * np.array([noise[:4], scatter]) / np.sqrt(spec.eigenvalues[:4])
    conditions = (
        f"V {problem.vocab_size:,}, d {dim}, tied, scale {SCALE:g}, blocks of {batch['batch_size']:,} pairs, "
        f"eta lambda_1 = {rate * spec.eigenvalues[0]:.3g}, {size.seeds} seeds"
    )
    by_concept = np.nanmedian(off, axis=0)
    yield Row(
        f"accuracy of SGD at `recommended_learning_rate(accuracy={accuracy:g})`",
        f"{conditions}; bound by {found.bound_by}",
        f"{accuracy:.0%} of step times against the flow, {accuracy:.0%} of settled singular values",
        f"step times {100 * np.nanmedian(off):.2f}% (median), first concept {100 * by_concept[0]:.2f}%, last "
        f"{100 * by_concept[-1]:.2f}%; settled values of the first four at most {relative[1].max():.2f}%, "
        f"where `stationary_noise` says {relative[0].max():.2f}%",
        "reached" if np.nanmedian(off) <= accuracy else "missed",
        "the last one or two of d concepts have more noise",
        subject="Step times, recommended rate",
        short=f"asked for {accuracy:.0%}",
        off=f"{100 * np.nanmedian(off):.2f}%, ≤{100 * np.nanmax(by_concept):.1f}%",
        points=(Points.of("step time", flow.mean(axis=0), np.nanmean(measured, axis=0)),),
    )
    predicted = step_time_noise(problem, W0, learning_rate=rate, spectrum=spec, **batch)
    yield _noise_of_steps(conditions, predicted, full, measured)


def _noise_of_steps(conditions: str, predicted: np.ndarray, full: np.ndarray, measured: np.ndarray) -> Row:
    """Return the row of what minibatches do to step times, those of descent being `full`."""
    score, deviation = (measured - full) / predicted, np.abs(measured / full - 1)
    return Row(
        "noise of step times over minibatches: `step_time_noise`",
        conditions,
        f"standard deviations of {100 * np.nanmedian(predicted[:, 0] / full[:, 0]):.2f}% (first concept) to "
        f"{100 * np.nanmedian(predicted[:, -1] / full[:, -1]):.2f}% (last)",
        f"{100 * np.nanmedian(deviation[:, 0]) / 0.6745:.2f}% and "
        f"{100 * np.nanmedian(deviation[:, -1]) / 0.6745:.2f}% by `run_sgd_ensemble`",
        f"deviation over prediction: {np.sqrt(np.nanmean(score**2)):.2f} root mean square, "
        f"{np.nanmean(score):+.2f} mean",
        "too large for close concepts, and several times for the last one or two",
        subject="Noise of step times",
        short="minibatches",
        off=f"ratio {np.sqrt(np.nanmean(score**2)):.2f}",
        points=(
            Points.of(
                "noise of a step time, %",
                100 * np.nanmedian(predicted / full, axis=0),
                100 * np.nanmedian(deviation, axis=0) / 0.6745,
            ),
        ),
    )


if __name__ == "__main__":
    run_part("discrete", __doc__, rows, Size(), SMALL)
