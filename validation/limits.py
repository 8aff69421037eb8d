"""Errors of predictions over their regime, and where they warn or are refused: one picture.

    python validation/limits.py [--small] [--out FOLDER]

Six panels, of words of Wikipedia: step times over the scale of the start, over the gap of two eigenvalues,
those of the ladder over the scale, eigenvalues of a changed corpus over the size of the change, float32 over
the scale, step times of descent over the step size. Prints what is drawn in docs/pictures/limits.png.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from ladder import PROBLEMS
from ladder import step_times as passages
from steps import crossings, exact_times, starts, times_near
from table import PICTURES, read_options

import w2vflow as wf
from w2vflow.counts import reweigh_words
from w2vflow.plotting import new_figure, publication, save_figure
from w2vflow.plotting.style import BLUE, ORANGE, RED, Axes
from w2vflow.spectrum import rounding_advance
from w2vflow.theory import changed_spectrum, estimate_step_time_errors, predict_ladder

STATISTICS = "enwiki15k-v3000"
# Predicted step times are looked at in turn by these factors, far enough apart for large errors.
APART = (0.4, 0.6, 0.75, 0.85, 0.95, 1.0, 1.05, 1.15, 1.3, 1.6, 2.2)
# Errors below are not told apart in the picture.
LEAST = 1e-6


@dataclass(frozen=True)
class Size:
    """How much is computed.

    Attributes:
        words, ladder_words, few_words: of the law, of the ladder, and of descent and change.
        dim, ladder_dim: of embeddings.
        seeds: over which the law is measured.
        points: of a curve.
        largest: power of ten of the scale up to which the law is measured.
    """

    words: int = 2000
    ladder_words: int = 200
    few_words: int = 300
    dim: int = 16
    ladder_dim: int = 6
    seeds: int = 8
    points: int = 12
    largest: float = -0.3


SMALL = Size(60, 30, 40, 4, 2, 2, 3, -1)


@dataclass(frozen=True)
class Panel:
    """Errors over a setting.

    Attributes:
        title: the prediction.
        setting: what is on the axis, with its values, `(n,)`.
        errors: by name, as shares, `(n,)` each.
        told: at which values it warns or is refused, `(n,)`.
        how: `warns` or `refused`.
    """

    title: str
    setting: tuple[str, np.ndarray]
    errors: dict[str, np.ndarray]
    told: np.ndarray
    how: str = "warns"

    @property
    def line(self) -> float:
        """The value between the last silent and the first told; NaN where all are silent."""
        values = self.setting[1]
        at = int(self.told.argmax())
        return float(np.sqrt(values[at - 1] * values[at])) if self.told.any() and at else np.nan

    def __str__(self) -> str:
        lines = [f"{self.title}; {self.how} from {self.setting[0]} = {self.line:.2g}"]
        for i, value in enumerate(self.setting[1]):
            each = ", ".join(f"{name} {errors[i]:.2%}" for name, errors in self.errors.items())
            lines.append(f"  {value:8.2g}  {each}{f'  ({self.how})' if self.told[i] else ''}")
        return "\n".join(lines)


def heard(work: Callable[[], Any]) -> tuple[Any, bool]:
    """Return what the call returns, and whether it warned."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", RuntimeWarning)
        found = work()
    return found, any(issubclass(one.category, RuntimeWarning) for one in said)


def over_scale(stats: wf.CooccurrenceStatistics, size: Size) -> Panel:
    """Step times of a seed over the scale of its start, against the exact solution."""
    problem = wf.Problem.from_statistics(stats.most_frequent(size.words))
    basis = wf.leading_eigenpairs(problem, problem.vocab_size)
    values, scales = basis.eigenvalues[: size.dim], np.logspace(-12, size.largest, size.points)
    middle, last, own, told = [], [], [], []
    for scale in scales.tolist():
        W0 = starts(problem, size.seeds, scale, size.dim)
        predicted, warned = heard(lambda w=W0: wf.predict_step_times(problem, w, spectrum=basis))
        exact = [
            crossings(wf.predict(problem, W, times_near(t, APART), spectrum=basis), values)
            for W, t in zip(W0, predicted, strict=True)
        ]
        errors = np.median(np.abs(predicted / np.array(exact) - 1), axis=0)
        middle.append(np.median(errors))
        last.append(errors.max())
        estimates = estimate_step_time_errors(problem, W0, spectrum=basis)
        own.append(np.median(np.median(estimates, axis=0)))
        told.append(warned)
    errors = {"middle concept": middle, "worst concept": last, "middle, by its own estimate": own}
    return panel("predict_step_times", "scale of the start", scales, errors, told)


def over_gap(size: Size) -> Panel:
    """Step times of two concepts over the gap between them, the others far below."""
    gaps, scale = np.logspace(-4, -0.3, 2 * size.points), 1e-4
    worst, own, told = [], [], []
    for gap in gaps.tolist():
        values = np.concatenate([[1, 1 - gap, 0.3, 0.2], np.linspace(0.1, -1, size.few_words - 4)])
        problem = wf.Problem.from_target(np.diag(values))
        basis = wf.leading_eigenpairs(problem, len(values))
        W0 = starts(problem, 4 * size.seeds, scale, 4)
        predicted, warned = heard(lambda p=problem, w=W0, b=basis: wf.predict_step_times(p, w, spectrum=b))
        errors = np.abs(predicted / exact_times(problem, W0, basis, predicted) - 1)[:, :2]
        worst.append(np.median(errors.max(axis=1)))
        estimates = estimate_step_time_errors(problem, W0, spectrum=basis)[:, :2]
        own.append(np.median(estimates.max(axis=1)))
        told.append(warned)
    errors = {"worse of the two": worst, "by its own estimate": own}
    return panel("predict_step_times", "gap of two eigenvalues", gaps, errors, told)


def ladder_over_scale(stats: wf.CooccurrenceStatistics, size: Size) -> Panel:
    """Step times of word2vec's own weights and loss over the scale, against the flow."""
    name = "tied, Mikolov(1e-4, 0.75, 5), logistic"
    problem = wf.Problem.from_statistics(stats.most_frequent(size.ladder_words), **PROBLEMS[name])
    ladder = predict_ladder(problem, size.ladder_dim)
    scales = np.logspace(-10, 0, size.points)
    first, worst, told = [], [], []
    for scale in scales.tolist():
        W0 = starts(problem, 1, scale, size.ladder_dim)[0]
        predicted, warned = heard(lambda w=W0: ladder.step_times(w))
        told.append(warned)
        if np.isnan(predicted).any():
            # What starts above half of its plateau has no step.
            first, worst = [*first, np.nan], [*worst, np.nan]
            continue
        ends = (2 * predicted.min(), 1.3 * predicted.max())
        ts = np.unique(np.concatenate([np.linspace(0, end, 601) for end in ends]))[1:]
        measured = passages(wf.solve_flow(problem, W0, ts, rtol=1e-6, max_steps=1_000_000), ladder)
        errors = np.abs(predicted / measured - 1)
        first.append(errors[0])
        worst.append(np.nanmax(errors))
    errors = {"first step": first, "worst step": worst}
    return panel("predict_ladder", "scale of the start", scales, errors, told)


def over_change(stats: wf.CooccurrenceStatistics, size: Size) -> Panel:
    """Eigenvalues of a corpus in which a tenth of the words are made more or less frequent."""
    part = stats.most_frequent(size.few_words)
    spectrum, rng = wf.leading_eigenpairs(wf.Problem.from_statistics(part), 12), np.random.default_rng(0)
    powers = {word: rng.normal() for word in part.words if rng.random() < 0.1}
    changes = np.geomspace(0.03, 6, size.points)
    worst, told = [], []
    for change in changes.tolist():
        factors = {word: float(np.exp(change * power)) for word, power in powers.items()}
        changed = wf.Problem.from_statistics(reweigh_words(part, factors))
        found, warned = heard(lambda c=changed: changed_spectrum(c, spectrum))
        exact = wf.leading_eigenpairs(changed, 12)
        worst.append(np.abs(found.eigenvalues / exact.eigenvalues - 1)[:6].max())
        told.append(warned)
    setting = "spread of the log of the factors"
    return panel("changed_spectrum", setting, changes, {"worst of six eigenvalues": worst}, told)


def float32_over_scale(stats: wf.CooccurrenceStatistics, size: Size) -> Panel:
    """Step times of descent in float32 over the scale, against float64."""
    problem = wf.Problem.from_statistics(stats.most_frequent(size.few_words))
    basis, scales = wf.leading_eigenpairs(problem, size.few_words), np.logspace(-30, -4, size.points)
    values, dim = basis.eigenvalues, 3
    rate = float(np.float32(0.05 / values[0]))
    worst, own, told = [], [], []
    for scale in scales.tolist():
        W0 = starts(problem, 1, scale, dim)[0]
        ends = wf.predict_step_times(problem, W0, spectrum=basis)
        ts = looks(rate, 1.2 * ends.max())
        times = []
        for exact in (False, True):
            with jax.enable_x64(exact):
                one = wf.Problem.from_statistics(stats.most_frequent(size.few_words))
                start = W0.astype(float if exact else np.float32)
                run, warned = heard(lambda p=one, w=start, t=ts: wf.run_gd(p, w, t, learning_rate=rate))
            times.append(crossings(run, values[:dim]))
            told += [warned] if not exact else []
        worst.append(np.max(1 - times[0] / times[1]))
        own.append(np.max(rounding_advance(problem, W0, np.float32)))
    errors = {"worst of three concepts": worst, "by the warning's estimate": own}
    # The line is met from above.
    turned = {name: np.array(curve)[::-1] for name, curve in errors.items()}
    return panel("float32", "scale of the start", scales[::-1], turned, told[::-1])


def over_rate(stats: wf.CooccurrenceStatistics, size: Size) -> Panel:
    """Step times of descent over its rate, with the correction for finite steps and without."""
    problem = wf.Problem.from_statistics(stats.most_frequent(size.few_words))
    basis, scale, dim = wf.leading_eigenpairs(problem, size.few_words), 1e-6, 4
    limit = float(wf.stability_limit(problem))
    shares = np.append(np.geomspace(0.005, 0.9, size.points), [1.05, 1.5])
    W0 = starts(problem, 1, scale, dim)[0]
    plain = wf.predict_step_times(problem, W0, spectrum=basis)
    own, without, told = [], [], []
    for share in shares.tolist():
        rate = share * limit
        try:
            predicted = wf.predict_step_times(problem, W0, spectrum=basis, learning_rate=rate)
        except ValueError:
            own, without, told = [*own, np.nan], [*without, np.nan], [*told, True]
            continue
        ts = looks(rate, 1.3 * predicted.max() + rate)
        run = wf.run_gd(problem, W0, ts, learning_rate=rate)
        measured = crossings(run, basis.eigenvalues[:dim])
        own.append(np.abs(predicted / measured - 1).max())
        without.append(np.abs(plain / measured - 1).max())
        told.append(False)
    errors = {"worst of four concepts": own, "the flow's own times": without}
    setting = "learning rate over the stability limit"
    return panel("steps of descent", setting, shares, errors, told, "refused")


def looks(rate: float, end: float) -> np.ndarray:
    """Return some hundred times after whole steps: in between, the logit of a rise is linear."""
    return rate * np.unique(np.linspace(1, end / rate, 300).astype(int))


def panel(
    title: str, setting: str, values: np.ndarray, errors: dict[str, Any], told: Any, how: str = "warns"
) -> Panel:
    """Return a panel of lists."""
    curves = {name: np.array(curve) for name, curve in errors.items()}
    return Panel(title, (setting, values), curves, np.array(told), how)


def panels(size: Size) -> Iterator[Panel]:
    """Yield what is drawn, in turn."""
    stats = wf.load_statistics(STATISTICS)
    yield over_scale(stats, size)
    yield over_gap(size)
    yield ladder_over_scale(stats, size)
    yield over_change(stats, size)
    yield float32_over_scale(stats, size)
    yield over_rate(stats, size)


def draw(ax: Axes, shown: Panel) -> None:
    """Draw the errors, and the line from which on they are told."""
    setting, values = shown.setting
    for colour, (name, errors) in zip((BLUE, ORANGE, RED), shown.errors.items(), strict=False):
        style = "--" if "estimate" in name else "o-"
        ax.loglog(values, np.maximum(errors, LEAST), style, color=colour, label=name)
    ends = values.min() / 1.5, values.max() * 1.5
    title = shown.title
    if np.isfinite(shown.line):
        ax.axvline(shown.line, color="0.4", linestyle=":")
        ax.axvspan(shown.line, ends[int(values[shown.told].mean() > shown.line)], color="0.93", zorder=0)
        title += f" (grey: {shown.how})"
    ax.set(title=title, xlabel=setting, ylabel="relative error", xlim=ends)
    ax.legend(frameon=False, loc="best")


def main() -> None:
    """Print all errors and draw them."""
    jax.config.update("jax_enable_x64", True)
    asked = read_options(argparse.ArgumentParser(description=__doc__.split("\n", 1)[0]), PICTURES)
    asked.out.mkdir(parents=True, exist_ok=True)
    with publication():
        figure, axes = new_figure(3, 2.6, 2.4, rows=2)
        for ax, shown in zip(axes, panels(SMALL if asked.small else Size()), strict=True):
            print(shown, flush=True)
            draw(ax, shown)
        print(*save_figure(figure, asked.out / "limits", formats=("png",), dpi=115))


if __name__ == "__main__":
    main()
