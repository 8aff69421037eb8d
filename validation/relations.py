"""Relations as directions: random-matrix theory beside the task vectors of the Google questions.

    python validation/relations.py [statistics.npz] [--small]

Reads `$W2VFLOW_TEST_DATA/eval/questions-words.txt`. Without statistics the bundled ones.
"""

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from table import Points, Row, compute, read_options

import w2vflow as wf
from w2vflow.semantics import (
    Outlier,
    Relation,
    effective_dimension,
    read_pairs,
    relation_moments,
    signal_to_noise,
    study_relations,
    task_vectors,
)
from w2vflow.semantics.relations.outliers import outlier_of_squares
from w2vflow.semantics.relations.relations import uneven_lengths


@dataclass(frozen=True)
class Size:
    """How much is computed.

    Attributes:
        dim: of the vectors.
        splits: of each relation into halves.
        draws: of each relation without a direction.
        least_to_split: pairs of a relation that is split.
        words: only the most frequent of the statistics.
    """

    dim: int = 200
    splits: int = 50
    draws: int = 200
    least_to_split: int = 12
    words: int | None = None


# Of 1,000 words, two relations have the pairs that it takes, and one more than the other.
SMALL = Size(20, 3, 5, 8, 1000)

Pairs = dict[str, list[tuple[str, str]]]


def top(R: np.ndarray) -> tuple[float, float]:
    """Return the largest eigenvalue of `R R^T` and the squared cosine of its vector with the ones."""
    values, vectors = np.linalg.eigh(R @ R.T)
    return float(values[-1]), float(vectors[:, -1].sum() ** 2 / len(R))


def from_edge(R: np.ndarray) -> float:
    """Return the effective dimension as the source article's notebook does: from the largest eigenvalue."""
    centred = R - R.mean(axis=0)
    largest = np.linalg.norm(centred, 2) ** 2 / R.shape[1]
    return float(len(R) / (np.sqrt(largest / (centred**2).mean()) - 1) ** 2)


def each(names: Iterable[str], values: Iterable[float], form: str = ".3g") -> str:
    """Return a number for every relation, as a table shows them."""
    return "; ".join(f"{name} {format(value, form)}" for name, value in zip(names, values, strict=True))


def magnitude(values: np.ndarray, form: str = ".1%") -> str:
    """Return the median and the largest of the sizes of errors."""
    sizes = np.abs(values)
    return f"median {format(np.median(sizes), form)}, largest {format(sizes.max(), form)}"


def briefly(values: np.ndarray, form: str) -> str:
    """Return the median and the largest of the sizes of errors in two words."""
    sizes = np.abs(values)
    return f"{format(np.median(sizes), form)}, ≤{format(sizes.max(), form)}"


def of_all_pairs(relations: dict[str, Relation], conditions: str) -> Iterator[Row]:
    """Rows of every relation by its own moments: consistency of the model, nothing is held out."""
    names, found = list(relations), list(relations.values())
    predicted, even = [r.predicted for r in found], [r.moments.outlier() for r in found]
    isolated = sum(outlier.exists for outlier in predicted)

    def errors(outliers: list[Outlier]) -> tuple[np.ndarray, np.ndarray]:
        locations = [o.location / r.location - 1 for o, r in zip(outliers, found, strict=True)]
        overlaps = [o.overlap - r.overlap for o, r in zip(outliers, found, strict=True)]
        return np.array(locations), np.array(overlaps)

    (far, askew), (even_far, even_askew) = errors(predicted), errors(even)
    yield Row(
        "largest eigenvalue of R R^T of a relation (`study_relations`)",
        conditions,
        each(names, [o.location for o in predicted]),
        each(names, [r.location for r in found]),
        f"{magnitude(far)}; with steps taken as even: {magnitude(even_far)}",
        f"{isolated} of {len(found)} are predicted to leave the noise; moments and eigenvalue are of the "
        "same pairs",
        subject="Largest eigenvalue",
        short="own pairs",
        off=briefly(far, ".0%"),
        points=(Points.of("eigenvalue", [o.location for o in predicted], [r.location for r in found]),),
    )
    yield Row(
        "squared cosine of its eigenvector with the vector of ones (`study_relations`)",
        conditions,
        each(names, [o.overlap for o in predicted], ".2f"),
        each(names, [r.overlap for r in found], ".2f"),
        f"{magnitude(askew, '.2f')}; with steps taken as even: {magnitude(even_askew, '.2f')}",
        "the unevenness of steps (`uneven_lengths`): " + each(names, [r.unevenness for r in found], ".2f"),
        subject="Squared cosine",
        short="own pairs",
        off=briefly(askew, ".2f"),
        points=(Points.of("squared cosine", [o.overlap for o in predicted], [r.overlap for r in found]),),
    )
    edges = np.array([o.edge / r.noise - 1 for o, r in zip(predicted, found, strict=True)])
    yield Row(
        "largest eigenvalue of the noise: the edge by variances of single axes (`predict_outlier`)",
        conditions,
        each(names, [o.edge for o in predicted]),
        f"of centred rows: {each(names, [r.noise for r in found])}",
        f"{np.median(edges):+.0%} median, {edges.min():+.0%} to {edges.max():+.0%}",
        "noise is correlated across axes, most in geography: directions of its own (regions, sizes of "
        "places) stand out of it",
        subject="Largest eigenvalue",
        short="of the noise",
        off=f"{edges.min():+.0%} to {edges.max():+.0%}",
        points=(Points.of("eigenvalue", [o.edge for o in predicted], [r.noise for r in found]),),
    )


def of_the_other_half(R: dict[str, np.ndarray], conditions: str, size: Size) -> Row:
    """Moments of one half of the pairs against the eigenvalue and the overlap of the other half."""
    rng = np.random.default_rng(0)
    names, means = [], []
    for name, rows in R.items():
        if len(rows) < size.least_to_split:
            continue
        results = []
        for _ in range(size.splits):
            one, other = np.array_split(rows[rng.permutation(len(rows))], 2)
            moments = relation_moments(one)
            found = outlier_of_squares(
                moments.mean_squared, moments.variances, len(other), unevenness=uneven_lengths(one)
            )
            results.append((found.location, found.overlap, *top(other)))
        names.append(name)
        means.append(np.mean(results, axis=0))
    location, overlap, measured, cosine = np.array(means).T
    far = location / measured - 1
    return Row(
        "largest eigenvalue and overlap of pairs not seen, from the moments of others (`outlier_of_squares`)",
        f"{conditions}; relations of at least {size.least_to_split} pairs, halves drawn {size.splits} times",
        f"{each(names, location)}; overlaps {each(names, overlap, '.2f')}",
        f"{each(names, measured)}; overlaps {each(names, cosine, '.2f')}",
        f"{magnitude(far)}; overlaps {magnitude(overlap - cosine, '.2f')}",
        "means over the halves; a single half is off by the sampling error of 6 to 18 pairs",
        subject="Largest eigenvalue",
        short="unseen pairs",
        off=f"≤{np.abs(far).max():.1%}",
        points=(
            Points.of("eigenvalue", location, measured),
            Points.of("squared cosine", overlap, cosine),
        ),
    )


def without_a_direction(
    R: dict[str, np.ndarray], rows_of: dict[str, np.ndarray], pairs: Pairs, conditions: str, draws: int
) -> Iterator[Row]:
    """Rows of task vectors that share nothing: how often the theory says that they do."""
    rng = np.random.default_rng(1)

    def drawn(name: str) -> np.ndarray:
        known = [pair for pair in pairs[name] if all(word in rows_of for word in pair)]
        pool = rng.permutation(sorted({word for pair in known for word in pair}))
        return np.array([rows_of[b] - rows_of[a] for a, b in zip(pool[::2], pool[1::2], strict=False)])

    def flipped(name: str) -> np.ndarray:
        return R[name] * rng.choice([-1, 1], (len(R[name]), 1))

    ways = (
        ("words of the relation paired at random", "paired at random", drawn),
        ("signs drawn at random", "signs at random", flipped),
    )
    for what, short, draw in ways:
        alarms, overlaps, above, noises, expected = [], [], [], [], []
        for name in R:
            rows = [draw(name) for _ in range(draws)]
            moments = [relation_moments(one) for one in rows]
            outliers = [m.outlier() for m in moments]
            tops = np.array([top(one) for one in rows])
            alarms.append(np.mean([o.exists for o in outliers]))
            above.append(np.mean(tops[:, 0] > [o.edge for o in outliers]))
            overlaps.append(tops[:, 1].mean())
            noises.append(np.mean([signal_to_noise(one) for one in rows]))
            expected.append(1 / len(rows[0]))
        yield Row(
            f"no common direction in pairs that share none: {what} (`Moments.outlier`)",
            f"{conditions}, {draws} draws of each of {len(R)} relations",
            f"no outlier; overlap 1 / N: {np.mean(expected):.3f} in the mean",
            f"outlier in {np.mean(alarms):.1%} of the draws ({max(alarms):.1%} of the worst relation, "
            f"{min(alarms):.1%} of the best); overlap {np.mean(overlaps):.3f}",
            f"{np.mean(alarms):.1%} false",
            f"few pairs; the largest eigenvalue alone is above the edge in {np.mean(above):.0%} of the "
            f"draws, and the signal-to-noise ratio is {np.mean(noises):.2f} in the mean: noise has "
            "directions of its own, and only the mean tells",
            subject="Squared cosine",
            short=short,
            off=f"{np.mean(alarms):.1%} false alarms",
            points=(Points.of("squared cosine", expected, overlaps),),
        )


def of_dimensions(
    R: dict[str, np.ndarray], relations: dict[str, Relation], conditions: str, size: Size
) -> Iterator[Row]:
    """Rows of the effective dimension: of noise of known variances, and of the relations."""
    rng = np.random.default_rng(2)
    true, mine, theirs = [], [], []
    for relation in relations.values():
        nu = relation.moments.variances
        X = rng.normal(size=(size.draws, relation.n, len(nu))) * np.sqrt(nu)
        true.append(nu.sum() ** 2 / (nu**2).sum())
        mine.append([effective_dimension(rows) for rows in X])
        theirs.append([from_edge(rows) for rows in X])
    errors = [np.array(found) / np.array(true)[:, None] - 1 for found in (mine, theirs)]
    many = np.array([r.n >= size.least_to_split for r in relations.values()])
    figures = [
        f"{error[kept].mean():+.0%} +- {error[kept].std(axis=1).mean():.0%}"
        for error in errors
        for kept in (many, ~many)
    ]
    yield Row(
        "effective dimension of Gaussian noise with a relation's own variances (`effective_dimension`)",
        f"{conditions}, {size.draws} draws of each",
        f"true: {min(true):.0f} to {max(true):.0f}",
        f"off by {figures[0]} of the truth (mean, standard deviation of a draw) for {size.least_to_split} "
        f"pairs or more, {figures[1]} for fewer",
        f"by the largest eigenvalue, as in the article's notebook: {figures[2]} and {figures[3]}",
        "a ratio of two unbiased estimates: too large by about the relative variance of the lower one, most "
        f"at {min(r.n for r in relations.values())} pairs ({errors[0].mean(axis=1).max():+.0%})",
        subject="Effective dimension",
        short="Gaussian noise",
        off=f"{errors[0].mean(axis=1).min():+.0%} to {errors[0].mean(axis=1).max():+.0%}",
        points=(Points.of("effective dimension", true, np.mean(mine, axis=1), np.std(mine, axis=1)),),
    )
    spread = [r.moments.variances.sum() ** 2 / (r.moments.variances**2).sum() for r in relations.values()]
    dimensions, bars = (
        np.array([getattr(r, name) for r in relations.values()])
        for name in ("effective_dimension", "effective_dimension_error")
    )
    yield Row(
        "effective dimension of the noise of relations (`study_relations`)",
        conditions,
        f"if axes were uncorrelated: {each(list(R), spread, '.0f')}",
        "; ".join(
            f"{name} {r.effective_dimension:.0f} +- {r.effective_dimension_error:.0f}"
            for name, r in relations.items()
        ),
        f"by the largest eigenvalue: {each(list(R), [from_edge(rows) for rows in R.values()], '.0f')}",
        "pairs that share a word (states of cities) are not independent",
        subject="Effective dimension",
        short="of relations",
        off=f"{(dimensions / spread - 1).min():+.0%} to {(dimensions / spread - 1).max():+.0%}",
        points=(Points.of("effective dimension", spread, dimensions, bars),),
    )


def rows(stats: wf.CooccurrenceStatistics, size: Size) -> Iterator[Row]:
    """Return the rows of this part of the table."""
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), size.dim, tol=1e-5)
    vectors = spectrum.eigenvectors * np.sqrt(np.maximum(spectrum.eigenvalues, 0))
    pairs = read_pairs(Path(os.environ["W2VFLOW_TEST_DATA"]) / "eval" / "questions-words.txt")
    study = study_relations(vectors, stats.words, pairs)
    print(study, flush=True)
    relations = {name: relation for name, relation in study.relations.items() if relation.n >= 5}
    R = {name: task_vectors(vectors, stats.words, pairs[name]) for name in relations}
    left = [f"{name} ({study.relations[name].n})" for name in study.relations if name not in relations]
    left += [f"{name} ({n})" for name, n in study.too_few.items()]
    conditions = (
        f"V = {len(stats.words):,}, d = {size.dim}, V Lambda^(1/2) of M*, constant G; Google categories of "
        "at least 5 known pairs" + (f"; left out: {', '.join(left)}" if left else "")
    )
    yield from of_all_pairs(relations, conditions)
    yield of_the_other_half(R, conditions, size)
    rows_of = dict(zip(stats.words, vectors, strict=True))
    yield from without_a_direction(R, rows_of, pairs, conditions, size.draws)
    yield from of_dimensions(R, relations, conditions, size)


def main() -> None:
    """Compute the rows of the bundled statistics or of others."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("statistics", type=Path, nargs="?", help="a file of `w2vflow count`")
    asked = read_options(parser)
    size, part = SMALL if asked.small else Size(), "relations"
    if asked.statistics is None:
        stats = wf.load_statistics("enwiki15k-v3000")
    else:
        stats = wf.CooccurrenceStatistics.load(asked.statistics)
        part += f"-{stats.vocab_size}"
    if size.words is not None:
        stats = stats.most_frequent(min(size.words, stats.vocab_size))
    compute(part, partial(rows, stats, size), small=asked.small)


if __name__ == "__main__":
    main()
