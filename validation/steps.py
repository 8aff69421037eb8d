"""When concepts are learned: the law of step times against the flow, over seeds, scales and fractions.

python validation/steps.py [--small]
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import mpmath as mp
import numpy as np
from table import Points, Row, run_part

import w2vflow as wf
from w2vflow.theory import (
    effective_rank,
    estimate_step_time_errors,
    fit_power_law,
    predict_rank,
    silent_alignment,
    step_visibility,
    visible_steps,
)


@dataclass(frozen=True)
class Size:
    """How large the models are.

    Attributes:
        words: of the vocabulary.
        dim: embedding dimension; rows show concepts up to the last by quarters.
        law_seeds: over which the law's mean and spread are measured.
        seeds: over which other errors are measured.
        high_dim: of the model whose learning follows a power law.
        fitted: first and last eigenvalue of that power law.
        digits_dim, digits_words: of the model in many digits, and how many of its words are compared.
    """

    words: int = 2000
    dim: int = 16
    law_seeds: int = 24
    seeds: int = 8
    high_dim: int = 200
    fitted: tuple[int, int] = (5, 100)
    digits_dim: int = 8
    digits_words: int = 40

    @property
    def half(self) -> int:
        """Number of the concept in the middle."""
        return self.dim // 2


SMALL = Size(60, 8, 2, 2, high_dim=16, fitted=(2, 12), digits_dim=3, digits_words=10)


def words_of(problem: wf.Problem) -> str:
    """Return the size of the vocabulary as rows show it."""
    return f"V = {problem.vocab_size:,}"


def starts(problem: wf.Problem, seeds: int, scale: float, dim: int, seed: int = 0) -> np.ndarray:
    keys = jax.random.split(jax.random.key(seed), seeds)
    return np.asarray(wf.gaussian_init(keys, problem.vocab_size, dim, scale))


def crossings(traj: wf.Trajectory, values: np.ndarray, fraction: float = 0.5) -> np.ndarray:
    """When each `s_k^2` first passes a fraction of `lambda_k`, by its logit between observed times."""
    share = np.clip(traj.singular_values[..., : len(values)] ** 2 / values, 1e-300, 1 - 1e-9)
    logit = np.moveaxis(np.log(share / (1 - share)), -2, -1) - np.log(fraction / (1 - fraction))
    after = (logit >= 0).argmax(axis=-1)
    assert (after > 0).all(), "some step lies outside the observed times"
    low = np.take_along_axis(logit, after[..., None] - 1, -1)[..., 0]
    high = np.take_along_axis(logit, after[..., None], -1)[..., 0]
    return traj.ts[after - 1] - low / (high - low) * (traj.ts[after] - traj.ts[after - 1])


def times_near(times: np.ndarray, apart: tuple[float, ...] = (0.9, 0.98, 1.0, 1.02, 1.1, 1.3)) -> np.ndarray:
    """Times close to the predicted steps of one seed, so that none is interpolated from afar."""
    return np.unique(np.concatenate([times * factor for factor in apart]))


def exact_times(
    problem: wf.Problem, W0: np.ndarray, basis: wf.Spectrum, predicted: np.ndarray, fraction: float = 0.5
) -> np.ndarray:
    """Steps of each seed measured on the exact solution."""
    values = basis.eigenvalues[: W0.shape[-1]]
    seeds = (
        wf.predict(problem, W, times_near(t), spectrum=basis) for W, t in zip(W0, predicted, strict=True)
    )
    return np.stack([crossings(traj, values, fraction) for traj in seeds])


def percent(value: float) -> str:
    return f"{100 * value:.2g}%"


def against_the_flow(problem: wf.Problem, basis: wf.Spectrum, size: Size) -> Iterator[Row]:
    W0, values = starts(problem, 2, 1e-8, size.dim), basis.eigenvalues[: size.dim]
    predicted = wf.predict_step_times(problem, W0, spectrum=basis)
    errors, isolated, found = [], [], []
    for W, t in zip(W0, predicted, strict=True):
        ts = times_near(t, (0.97, 0.99, 1.0, 1.01, 1.03))
        measured = crossings(wf.solve_flow(problem, W, ts, basis="eigenvectors", spectrum=basis), values)
        errors.append(np.abs(t / measured - 1))
        found.append(measured)
        # Further from the step before and the step after than it takes itself, and than they take.
        widths = np.log(81) / (2 * values)
        clear = np.diff(measured) > np.maximum(widths[1:], widths[:-1])
        isolated.append(np.concatenate([[True], clear]) & np.concatenate([clear, [False]]))
    errors, isolated = np.array(errors), np.array(isolated)
    counted = [
        f"{np.flatnonzero(one) + 1}".strip("[]").replace("  ", " ").replace(" ", ", ") for one in isolated
    ]
    yield Row(
        "step time of every seed, `predict_step_times`, concepts further apart than their width",
        f"{words_of(problem)}, d = {size.dim}, scale 1e-8, tied, 2 seeds; concepts " + " and ".join(counted),
        "t_k from a QR of the overlaps",
        "half-rise in `solve_flow`, eigenbasis, rtol 1e-9",
        f"largest {percent(errors[isolated].max())}, median {percent(np.median(errors[isolated]))}",
        f"other concepts, whose steps overlap: median {percent(np.median(errors[~isolated]))}, "
        f"largest {percent(errors[~isolated].max())}",
        subject="Step times of a seed",
        short="flow, scale 1e-8",
        off=f"{percent(errors[isolated].max())}, ≤{percent(errors.max())}",
        points=(Points.of("step time", predicted, found),),
    )


def over_seeds(problem: wf.Problem, basis: wf.Spectrum, size: Size) -> Iterator[Row]:
    seeds = size.law_seeds
    shown = sorted({0, *(quarter * size.dim // 4 - 1 for quarter in (1, 2, 3, 4))})
    for scale in (1e-8, 1e-2):
        W0 = starts(problem, seeds, scale, size.dim, seed=1)
        measured = exact_times(problem, W0, basis, wf.predict_step_times(problem, W0, spectrum=basis))
        mean, deviation = wf.step_time_law(problem, size.dim, scale, spectrum=basis)
        lines = [
            ", ".join(f"{1e3 * m[k]:.2f}±{1e3 * s[k]:.2f}" for k in shown)
            for m, s in ((mean, deviation), (measured.mean(axis=0), measured.std(axis=0, ddof=1)))
        ]
        wider = deviation[-1] / measured[:, -1].std(ddof=1)
        off = (measured.mean(axis=0) - mean) / (deviation / np.sqrt(seeds))
        relative = np.abs(mean / measured.mean(axis=0) - 1)
        yield Row(
            "mean and spread of step times over seeds, `step_time_law`",
            f"{words_of(problem)}, d = {size.dim}, scale {scale:g}, tied, {seeds} seeds; "
            f"concepts {', '.join(str(k + 1) for k in shown)}; times in 1e-3",
            lines[0],
            f"{lines[1]} (exact solution)",
            f"means off by {percent(np.median(relative))} in the median of all {size.dim}, "
            f"{percent(relative.max())} at most; {np.sqrt(np.mean(off**2)):.1f} standard errors rms",
            f"spread of the last concept too large by {wider:.1f}: concepts without room in the embedding "
            "overtake it",
            subject="Mean step times",
            short=f"scale {scale:g}",
            off=f"{percent(np.median(relative))}, ≤{percent(relative.max())}",
            points=(Points.of("step time", mean, measured.mean(axis=0), measured.std(axis=0, ddof=1)),),
        )


def fractions(problem: wf.Problem, basis: wf.Spectrum, size: Size) -> Iterator[Row]:
    W0, half = starts(problem, size.seeds, 1e-8, size.dim), size.half
    for fraction in (0.1, 0.9):
        predicted = wf.predict_step_times(problem, W0, fraction=fraction, spectrum=basis)
        measured = exact_times(problem, W0, basis, predicted, fraction)
        errors = np.abs(predicted / measured - 1)
        yield Row(
            f"time to {fraction:g} lambda_k, `predict_step_times(..., fraction={fraction:g})`",
            f"{words_of(problem)}, d = {size.dim}, scale 1e-8, tied, {size.seeds} seeds",
            f"concepts 1 and {half}: {1e3 * predicted[0, 0]:.4f}, {1e3 * predicted[0, half - 1]:.4f} "
            "(first seed, 1e-3)",
            f"{1e3 * measured[0, 0]:.4f}, {1e3 * measured[0, half - 1]:.4f} (exact solution)",
            f"median {percent(np.median(errors))}, first {half} concepts at most "
            f"{percent(errors[:, :half].max())}",
            f"last concept: {percent(np.median(errors[:, -1]))} in the median",
            subject=f"Times to {fraction:g} λ_k",
            short="scale 1e-8",
            off=f"{percent(np.median(errors))}, ≤{percent(errors.max())}",
            points=(Points.of("step time", predicted, measured),),
        )


def over_scales(problem: wf.Problem, basis: wf.Spectrum, size: Size) -> Iterator[Row]:
    half, dim = size.half, size.dim
    for scale in (1e-1, 1e-2, 1e-4, 1e-8):
        W0 = starts(problem, size.seeds, scale, dim)
        predicted = wf.predict_step_times(problem, W0, spectrum=basis)
        made = np.median(np.abs(predicted / exact_times(problem, W0, basis, predicted) - 1), axis=0)
        told = np.median(estimate_step_time_errors(problem, W0, spectrum=basis), axis=0)
        factor = np.exp(np.abs(np.log(told / made)))
        yield Row(
            "error of the law itself, `estimate_step_time_errors`",
            f"{words_of(problem)}, d = {dim}, scale {scale:g}, tied, median of {size.seeds} seeds; "
            f"middle concept, {half}th, {dim}th",
            ", ".join(percent(x) for x in (np.median(told), told[half - 1], told[-1])),
            ", ".join(percent(x) for x in (np.median(made), made[half - 1], made[-1])) + " (exact solution)",
            f"within a factor of {np.median(factor):.1f} in the median, {factor.max():.1f} at most",
            "first order: near-degenerate concepts, and where it exceeds some 5%",
            subject="The law's own error",
            short=f"scale {scale:g}",
            off=f"factor {np.median(factor):.1f}, ≤{factor.max():.1f}",
            points=(Points.of("error of a step time, %", 100 * told, 100 * made),),
        )


def untied(problem: wf.Problem, size: Size) -> Iterator[Row]:
    both = wf.Problem.from_target(problem.target_operator(), tied=False)
    extreme = wf.extreme_eigenpairs(both, both.vocab_size)
    keys, half = jax.random.split(jax.random.key(0), size.seeds // 2), size.half
    for contexts in ("random", "zero"):
        W0 = wf.untied_init(keys, both.vocab_size, size.dim, 1e-6, contexts=contexts)
        predicted = wf.predict_step_times(both, W0, spectrum=extreme)
        values = np.abs(extreme.eigenvalues[: size.dim])
        seeds = (
            wf.predict(both, W, times_near(t), spectrum=extreme) for W, t in zip(W0, predicted, strict=True)
        )
        measured = np.stack([crossings(traj, values) for traj in seeds])
        errors = np.abs(predicted / measured - 1)
        signs = "".join("+" if x > 0 else "-" for x in extreme.eigenvalues[: size.dim])
        yield Row(
            "step times of words and contexts, `predict_step_times` of an untied problem",
            f"{words_of(problem)}, d = {size.dim}, scale 1e-6, contexts {contexts}, {len(keys)} seeds; "
            f"signs of lambda: {signs}",
            f"concepts 1, 2, {half} (1e-3): "
            + ", ".join(f"{1e3 * predicted[0, k]:.4f}" for k in (0, 1, half - 1)),
            "half-rise in the exact solution of the doubled flow",
            f"median {percent(np.median(errors))}; first {half} concepts at most "
            f"{percent(errors[:, :half].max())}",
            f"last concept: {percent(np.median(errors[:, -1]))} in the median",
            subject="Step times, untied",
            short=f"contexts {contexts}",
            off=f"{percent(np.median(errors))}, ≤{percent(errors.max())}",
            points=(Points.of("step time", predicted, measured),),
        )


def many_digits(problem: wf.Problem, basis: wf.Spectrum, size: Size) -> Iterator[Row]:
    """The formula as written, in arithmetic with 50 digits to spare."""
    dim, words = size.digits_dim, size.digits_words
    W0 = starts(problem, 1, 1e-8, dim)[0]
    overlaps = basis.eigenvectors.T @ W0
    largest = float(basis.eigenvalues[0])
    for exponent in (10, 100, 500):
        t = exponent * np.log(10) / (2 * largest)
        traj = wf.predict(problem, W0, [t], spectrum=basis, save_embeddings=True)
        gram = exact_gram(basis.eigenvalues, overlaps, basis.eigenvectors[:words], t, 50 + 2 * exponent)
        W = traj.embeddings[0, :words]
        error = np.linalg.norm(W @ W.T - gram) / np.linalg.norm(gram)
        entries = np.abs(W @ W.T - gram) / np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
        yield Row(
            "exact solution, `predict`, against the formula in many digits",
            f"{words_of(problem)}, d = {dim}, scale 1e-8, tied, one seed, e^(2 lambda_1 t) = 1e{exponent}",
            f"W W^T of the {words} most frequent words",
            f"mpmath, {50 + 2 * exponent} digits, from the same eigenpairs and overlaps",
            f"{error:.1e} normwise; {entries.max():.1e} of the largest entry of row and column",
            "rounding alone",
            subject="Exact solution",
            short=f"grown by 1e{exponent}",
            off=f"{error:.0e}",
            points=(Points.of("squared length of a word", np.sum(W**2, axis=1), np.diag(gram)),),
        )


def exact_gram(
    values: np.ndarray, overlaps: np.ndarray, rows: np.ndarray, t: float, digits: int
) -> np.ndarray:
    """Return `U e^(Lambda t) B (I + B^T diag(f) B)^-1 B^T e^(Lambda t) U^T` for some rows U of the basis."""
    with mp.workdps(digits):
        dim, time = overlaps.shape[1], mp.mpf(float(t))
        lam = [mp.mpf(float(x)) for x in values]
        f = [mp.expm1(2 * x * time) / x for x in lam]
        B = [[mp.mpf(float(x)) for x in row] for row in overlaps]
        P = mp.eye(dim)
        for i in range(dim):
            for j in range(i + 1):
                P[i, j] += mp.fsum(w * b[i] * b[j] for w, b in zip(f, B, strict=True))
                P[j, i] = P[i, j]
        grown = [[mp.exp(x * time) * entry for entry in b] for x, b in zip(lam, B, strict=True)]
        U = [[mp.mpf(float(x)) for x in row] for row in rows]
        W = mp.matrix([[mp.fdot(u, (g[j] for g in grown)) for j in range(dim)] for u in U])
        Q = W * mp.inverse(P) * W.T
        return np.array([[float(Q[i, j]) for j in range(len(U))] for i in range(len(U))])


def scaling(problem: wf.Problem, basis: wf.Spectrum, size: Size) -> Iterator[Row]:
    for scale in (1e-2, 1e-8):
        W0 = starts(problem, size.seeds, scale, size.dim)
        predicted = wf.predict_step_times(problem, W0, spectrum=basis)
        measured = exact_times(problem, W0, basis, predicted)
        seen = [step_visibility(problem, times, spectrum=basis) for times in (predicted, measured)]
        first = [np.mean(visible_steps(each)) for each in seen]
        gaps = [each.mean(axis=0)[:3] for each in seen]
        conditions = f"{words_of(problem)}, d = {size.dim}, scale {scale:g}, tied"
        aligned = silent_alignment(problem, size.dim, scale, spectrum=basis)
        yield Row(
            "visible steps before two overlap, `step_visibility`, `visible_steps`",
            f"{conditions}, mean of {size.seeds} seeds",
            f"{first[0]:.2f}; gap over width of steps 1, 2, 3: " + ", ".join(f"{x:.2f}" for x in gaps[0]),
            f"{first[1]:.2f}; " + ", ".join(f"{x:.2f}" for x in gaps[1]) + " (exact solution)",
            f"{abs(first[0] - first[1]):.2f} steps",
            "silent alignment is incomplete (below 2 e-folds) at concepts "
            + (", ".join(str(k + 1) for k in np.flatnonzero(aligned < 2)) or "none"),
            subject="Gaps over widths",
            short=f"scale {scale:g}",
            off=f"≤{np.abs(gaps[0] - gaps[1]).max():.1g}",
            points=(Points.of("gap over width", *gaps),),
        )
        ts = np.linspace(0, 1.2 * measured.max(), 400)
        traj = wf.predict(problem, W0, ts, spectrum=basis)
        ranks = predict_rank(predicted, ts), effective_rank(traj, basis.leading(size.dim))
        difference = ranks[1] - ranks[0]
        yield Row(
            "effective rank over time, `predict_rank`",
            f"{conditions}, {size.seeds} seeds, {len(ts)} times",
            "number of step times passed",
            "`effective_rank` of the exact solution",
            f"differs at {percent(np.mean(difference != 0))} of times, by at most {np.abs(difference).max()}",
            "where the step times are off: the last concepts",
            subject="Effective rank",
            short=f"scale {scale:g}",
            off=f"{percent(np.mean(difference != 0))} of times",
            points=(Points.of("effective rank", *(each.mean(axis=0) for each in ranks)),),
        )


def power_laws(problem: wf.Problem, basis: wf.Spectrum, size: Size) -> Iterator[Row]:
    values, scale, (first, last) = basis.eigenvalues, 1e-8, size.fitted
    law = fit_power_law(values, first=first, last=last)
    W0, strong = starts(problem, 1, scale, size.high_dim)[0], values[first - 1]
    ts = np.geomspace(1, strong / values[last - 1], 12) * np.log(strong / scale**2) / (2 * strong)
    traj = wf.predict(problem, W0, ts, spectrum=basis)
    floor = (np.sum(values**2) - np.sum(values[values > 0] ** 2)) / 4
    rank = effective_rank(traj, basis.leading(size.high_dim))
    slower = 1 - 1 / np.log(values[last // 5 - 1] / scale**2)
    for name, exponent, curve, breaks in (
        (
            "effective rank",
            law.rank_exponent,
            rank,
            "the spectrum is no clean power law: the exponent depends on the range fitted",
        ),
        (
            "loss above its limit",
            law.loss_exponent,
            traj.loss - floor,
            f"the sum of lambda_k^2 ends at {words_of(problem)} words, and the power law before; at a <= 1/2 "
            "there is no exponent, and `loss_exponent` refuses",
        ),
    ):
        measured = np.polyfit(np.log(ts), np.log(curve), 1)[0]
        yield Row(
            f"exponent of the {name} over time, `fit_power_law`",
            f"{words_of(problem)}, d = {size.high_dim}, scale {scale:g}, one seed; eigenvalues "
            f"{first} to {last} fall as k^-{law.exponent:.3f} (standard error {law.error:.3f})",
            f"{exponent:.3f}; with the logarithm {exponent / slower:.3f}",
            f"{measured:.3f} (exact solution, while concepts {first} to {last} are learned)",
            percent(abs(exponent / slower / measured - 1)),
            breaks,
            subject=f"Exponent, {name.split(' above')[0]}",
            short="scale 1e-8",
            off=percent(abs(exponent / slower / measured - 1)),
            points=(Points.of("exponent", exponent / slower, measured),),
        )


def rows(size: Size) -> Iterator[Row]:
    """Return the rows of steps and scaling."""
    # The law is measured beyond where it warns as well.
    warnings.filterwarnings("ignore", "`predict_step_times` holds for small starts")
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(size.words)
    problem = wf.Problem.from_statistics(stats)
    basis = wf.leading_eigenpairs(problem, problem.vocab_size)
    yield from against_the_flow(problem, basis, size)
    yield from over_seeds(problem, basis, size)
    yield from fractions(problem, basis, size)
    yield from over_scales(problem, basis, size)
    yield from untied(problem, size)
    yield from many_digits(problem, basis, size)
    yield from scaling(problem, basis, size)
    yield from power_laws(problem, basis, size)


if __name__ == "__main__":
    run_part("steps", __doc__, rows, Size(), SMALL)
