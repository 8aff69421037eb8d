"""Emergence of relations: corpora whose attributes are learned at known times, and counting by hand."""

import itertools
import math

import jax
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import w2vflow as wf
from w2vflow.plotting.emergence import plot_emergence, plot_emergence_order, spread
from w2vflow.semantics.analogies import evaluate_analogies
from w2vflow.semantics.questions import Question, Questions
from w2vflow.semantics.relations import emergence as emergence_module
from w2vflow.semantics.relations.emergence import (
    emergence_along,
    emergence_over_dimension,
    emergence_over_time,
)
from w2vflow.semantics.relations.precedence import compare_groups, rank_correlation, rate_concepts
from w2vflow.theory.aligned import half_rise_times
from w2vflow.theory.solvable import binary_attributes
from w2vflow.theory.step_times.law import effective_initial_strengths

mpl.use("agg")

ATTRIBUTES = 4


@pytest.fixture(scope="module")
def corpus():
    return binary_attributes([0.8, 0.6, 0.45, 0.35])


@pytest.fixture(scope="module")
def flips(corpus):
    """For every attribute the relation between words that differ in it alone, from + to -."""
    return {
        f"flip {k + 1}": [(word, f"{word[:k]}-{word[k + 1 :]}") for word in corpus.words if word[k] == "+"]
        for k in range(ATTRIBUTES)
    }


def guessed(words, pairs, known):
    """The accuracy of one who sees the first `known` attributes and takes the first word that fits."""
    right = []
    for (a, b), (c, d) in itertools.permutations(pairs, 2):
        # Attributes are +-1: b - a + c is one of the words only where the sum has no other entries.
        target = [(x == "+") * 1 - (y == "+") + (z == "+") for x, y, z in zip(b, a, c, strict=True)][:known]
        scores = [
            sum((2 * t - 1) * (1 if letter == "+" else -1) for t, letter in zip(target, word, strict=False))
            for word in words
        ]
        best = max((score, -row) for row, score in enumerate(scores) if words[row] not in (a, b, c))
        right.append(words[-best[1]] == d)
    return np.mean(right)


def test_a_flip_is_detectable_with_its_attribute_and_solvable_with_all(corpus, flips):
    """Words that differ in attributes not yet learned lie on top of each other."""
    dims = list(range(1, ATTRIBUTES + 1))
    found = emergence_over_dimension(corpus.spectrum, corpus.words, flips, dims)
    assert found.axis == "dimension"
    assert found.concepts.tolist() == dims
    for k, (name, course) in enumerate(found.relations.items()):
        assert (course.pairs, course.questions, course.unknown) == (8, 56, 0)
        expected = [guessed(corpus.words, flips[name], known) for known in dims]
        assert course.accuracy == pytest.approx(expected)
        assert expected[-1] == 1
        assert max(expected[:-2]) < 0.6
        # Noise there is none: the direction is that of the attribute, exactly.
        assert (course.overlap > 0.99).tolist() == [known > k for known in dims]
        assert course.detectable_at == course.detectable_at_concept == course.carried_by == k + 1
        level = np.flatnonzero(np.array(expected) >= 0.5)[0]
        share = (0.5 - expected[level - 1]) / (expected[level] - expected[level - 1])
        assert course.solved_at == pytest.approx(dims[level - 1] + share)
        assert course.solved_at == course.solved_at_concept
        ranks = [corpus.words.index(word) + 1 for pair in flips[name] for word in pair]
        assert course.word_rank == pytest.approx(math.exp(np.mean(np.log(ranks))))


def test_an_aligned_start_follows_the_exact_solution(corpus, flips):
    spectrum, problem = corpus.spectrum, corpus.problem()
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(ATTRIBUTES, ATTRIBUTES)))[0]
    W0 = spectrum.eigenvectors[:, :ATTRIBUTES] * (0.02 * rng.uniform(0.5, 1, ATTRIBUTES)) @ turn
    # Off the moments at which one word overtakes another: the two round differently.
    ts = np.array([0.06, 0.22, 0.4, 0.62, 0.94, 2.0])
    quick = emergence_over_time(spectrum, corpus.words, flips, W0, ts)
    exact = wf.predict(problem, W0, ts, spectrum=spectrum, save_embeddings=True)
    slow = emergence_along(exact, spectrum, corpus.words, flips)
    assert quick.axis == slow.axis == "time"
    assert quick.concepts.tolist() == slow.concepts.tolist()
    assert quick.concepts[0] == 0
    assert quick.concepts[-1] == ATTRIBUTES
    for name, course in quick.relations.items():
        assert course.accuracy == pytest.approx(slow.relations[name].accuracy)
        assert course.overlap == pytest.approx(slow.relations[name].overlap, abs=1e-6)
        assert course.snr == pytest.approx(slow.relations[name].snr, rel=1e-6)
        assert course.accuracy[-1] == 1


@pytest.mark.parametrize("scale", [1e-3, 1e-16])
def test_random_starts_know_nothing_and_end_as_the_exact_solution(corpus, flips, scale):
    spectrum = corpus.spectrum
    W0 = wf.gaussian_init(jax.random.key(1), 16, ATTRIBUTES, scale)
    end = 2 * np.nanmax(wf.predict_step_times(corpus.problem(), W0, spectrum=spectrum))
    ts = np.array([0.0, 1e-9, 0.02, 0.3, 0.6, 0.8, 1.0]) * end
    found = emergence_over_time(spectrum, corpus.words, flips, W0, ts)
    for k, course in enumerate(found.relations.values()):
        for curve in (course.accuracy, course.error, course.snr, course.overlap):
            assert np.isfinite(curve).all()
        # One in 13 by chance; questions share words, so that 56 of them are some 14.
        assert course.accuracy[:2].max() < 0.077 + 5 * 0.07
        assert course.accuracy[-1] == 1
        assert course.detectable_at < ts[-1]
        assert course.overlap[-1] > 0.99
        assert course.carried_by == k + 1
    # Noise of 8 pairs may be taken for an outlier once in a while.
    assert sum(course.overlap[0] > 0 for course in found.relations.values()) <= 1
    assert (found.concepts[0], found.concepts[-1]) == (0, ATTRIBUTES)


def test_uncertainty_by_leaving_out_pairs():
    """Against a loop over pairs and questions."""
    rng = np.random.default_rng(0)
    sides = np.array([pair for pair in itertools.permutations(range(7), 2) if sum(pair) % 3])
    right = rng.random((4, len(sides))) < 0.4
    without = np.array(
        [
            [np.mean([row[q] for q in range(len(sides)) if p not in sides[q]]) for row in right]
            for p in range(7)
        ]
    )
    expected = np.sqrt(6 / 7 * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    assert emergence_module._jackknife(right, sides, 7) == pytest.approx(expected)


def test_half_rises():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    curves = np.array(
        [
            [0, 0.2, 0.6, 0.8],  # halfway from 0.2 to 0.6
            [0.9, 0.1, 0.2, 0.8],  # there from the start
            [0, 0, 0, 0],
            [0, 0.5, 0.1, 0.4],  # the first time counts
            [0, 0, 0, 0.6],
        ]
    )
    assert emergence_module._half_rise(values, curves) == pytest.approx([3, 1, np.inf, 1.4, 6])


@pytest.mark.parametrize("pairs", [5, 6, 8, 10, 14, 20])
def test_intervals_hold_the_half_rise(pairs):
    """Pairs that come one by one; a question is answered when both of its pairs have come."""
    values = np.linspace(0, 1, 41)
    sides = np.array(list(itertools.permutations(range(pairs), 2)))
    rng, inside = np.random.default_rng(0), 0
    for _ in range(300):
        come = rng.random(pairs)
        right = come[sides].max(axis=1) <= values[:, None]
        known = emergence_module._Known([], 0, sides, np.ones((pairs, 2), int))
        course = emergence_module._course(known, right, np.zeros((41, 3)), values, np.arange(41))
        # Both have come with chance t^2.
        low, high = course.solved_between
        inside += low <= np.sqrt(0.5) <= high
        assert low <= course.solved_at <= high
    # 285 expected; two standard errors below.
    assert inside >= 285 - 2 * np.sqrt(300 * 0.95 * 0.05)


def test_relations_that_are_never_solved(corpus):
    """Pairs at random have no direction and no answers."""
    words = corpus.words
    order = np.random.default_rng(3).permutation(16)
    pairs = {"none": [(words[i], words[j]) for i, j in order.reshape(-1, 2)]}
    course = emergence_over_dimension(corpus.spectrum, words, pairs, [1, 3, 4]).relations["none"]
    assert np.isnan([course.solved_at, course.solved_at_concept, *course.solved_between]).all()
    assert np.isnan([course.detectable_at, course.carried_by]).all()


def test_unknown_words_and_relations_with_few_pairs_are_listed(corpus, flips):
    some = flips["flip 1"][:6]
    questions = Questions(
        {
            "six": [Question(*some[0], c, (d, "other")) for c, d in some[1:]]
            + [Question(*one, some[0][0], ("missing", some[0][1])) for one in some[1:]]
            + [Question("missing", "b", *some[0][:1], some[0][1:])],
            "four": [Question(*some[0], c, (d,)) for c, d in some[1:4]],
            "empty": [],
        }
    )
    found = emergence_over_dimension(corpus.spectrum, corpus.words, questions, [1, 4])
    course = found.relations["six"]
    assert list(found.relations) == ["six"]
    assert (course.pairs, course.questions, course.unknown) == (6, 10, 1)
    # Without the pair that all questions start from or end with, nothing is known.
    assert np.isfinite(course.error).all()
    assert found.too_few == {"four": 4, "empty": 0}
    text = str(found)
    assert "four      4 known pairs: too few" in text
    assert len(text.splitlines()) == 4


def test_labels_make_way():
    heights = np.array([0.1, 0.11, 0.12, 0.5, 0.9, 0.91])
    moved = spread(heights, 0.05)
    assert (np.diff(moved) >= 0.05 - 1e-12).all()
    assert moved[:3] == pytest.approx([0.06, 0.11, 0.16])
    assert moved[3] == 0.5
    assert moved[4:] == pytest.approx([0.88, 0.93])


def overlapping(boxes):
    return [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_pictures(corpus, flips):
    W0 = wf.gaussian_init(jax.random.key(1), 16, ATTRIBUTES, 1e-3)
    found = emergence_over_time(corpus.spectrum, corpus.words, flips, W0, np.linspace(0, 2, 9))
    figure = Figure(figsize=(9, 8), layout="constrained")
    above, below = figure.subplots(2, 1)
    kinds = {"apart": ["flip 2"], "kinds": ("others", "second")}
    assert plot_emergence(found, ax=above, time_unit=0.5, **kinds) is above
    assert plot_emergence_order(found, ax=below, **kinds) is below
    figure.draw_without_rendering()
    names = [text for text in above.texts if text.get_text() in flips]
    assert len(names) == ATTRIBUTES
    # All four end at 100%: their labels have to make way, and stay within the figure.
    # The box of an annotation has its line in it.
    boxes = [Text.get_window_extent(text) for text in names]
    assert not overlapping(boxes)
    assert all(figure.bbox.containsx(box.x1) and figure.bbox.containsy(box.y1) for box in boxes)
    curves = [line for line in above.lines if len(line.get_xdata()) == 9]
    assert len(curves) == ATTRIBUTES
    assert max(curves[0].get_xdata()) == 2 / 0.5
    assert len({(line.get_color(), str(line.get_linestyle())) for line in curves}) == 2
    solved = found.column("solved_at")
    assert [label.get_text() for label in below.get_yticklabels()] == sorted(solved, key=solved.get)
    assert [text.get_text() for text in below.get_legend().get_texts()][:2] == ["others", "second"]
    alone = plot_emergence(emergence_over_dimension(corpus.spectrum, corpus.words, flips, [1, 3, 4]))
    assert alone.get_xlabel() == "embedding dimension"
    assert alone.get_legend().get_texts()[0].get_text() == "relations"
    mpl.pyplot.close(alone.figure)


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ([], "`dims` must be a list of whole numbers"),
        ([1.5], "`dims` must be a list of whole numbers"),
        ([2, 2], "`dims` must be increasing, from 1 to at most the 10 positive"),
        ([0, 2], "`dims` must be increasing, from 1"),
        ([2, 11], r"but got \[2, 11\]"),
    ],
)
def test_dimensions_that_cannot_be(corpus, flips, dims, message):
    with pytest.raises(ValueError, match=message):
        emergence_over_dimension(corpus.spectrum, corpus.words, flips, dims)


def test_bad_arguments(corpus, flips):
    spectrum, words, problem = corpus.spectrum, corpus.words, corpus.problem()
    few = {name: pairs[:4] for name, pairs in flips.items()}
    with pytest.raises(ValueError, match=r"`questions` must be of a relation with 5 pairs .*'flip 1': 4"):
        emergence_over_dimension(spectrum, words, few, [1])
    with pytest.raises(ValueError, match="`words` must be one for each of the 16 vectors"):
        emergence_over_dimension(spectrum, words[:15], flips, [1])
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 2), 16, 3, 1e-3)
    with pytest.raises(ValueError, match=r"`W0` must be of one seed, \(V, dim\)"):
        emergence_over_time(spectrum, words, flips, W0, [1.0])
    with jax.enable_x64(False), pytest.raises(ValueError, match="`emergence_over_time` needs float64"):
        emergence_over_time(spectrum, words, flips, W0[0], [1.0])
    traj = wf.predict(problem, W0, [1.0], spectrum=spectrum, save_embeddings=True)
    with pytest.raises(ValueError, match="`traj` must be of one seed, but got 2 seeds"):
        emergence_along(traj, spectrum, words, flips)
    with pytest.raises(ValueError, match="`spectrum` must be at least 3 eigenpairs, but got 2 pairs"):
        emergence_along(traj.sel(seed=0), spectrum.leading(2), words, flips)
    with pytest.raises(ValueError, match="`traj` must be a trajectory with embeddings"):
        emergence_along(wf.predict(problem, W0[0], [1.0], spectrum=spectrum), spectrum, words, flips)
    times = {"a": 1.0, "b": 2.0, "c": 3.0}
    with pytest.raises(ValueError, match=r"`group` must be of names among \['a', 'b', 'c'\], but got z"):
        compare_groups(times, ["a", "z"])
    for group in ([], list(times)):
        with pytest.raises(ValueError, match="`group` must be some but not all of the 3"):
            compare_groups(times, group)
    with pytest.raises(ValueError, match="`times` must be few enough for 1,000,000 choices"):
        compare_groups({str(n): 1.0 * n for n in range(30)}, [str(n) for n in range(15)])
    with pytest.raises(ValueError, match="`x` must be as long as `y` and `given`"):
        rank_correlation([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="`x` must be at least 4 values, but got 3"):
        rank_correlation([1, 2, 3], [1, 2, 3], given=[[1, 2, 3]])
    with pytest.raises(ValueError, match="`words` must be 16, one a row, but got 15 words"):
        rate_concepts(spectrum, words[:15], {"a": 1.0})
    with pytest.raises(ValueError, match="`ratings` must be of some of `words`, but got none of 16"):
        rate_concepts(spectrum, words, {"a": 1.0})


@pytest.mark.slow
def test_on_wikipedia(wikipedia, corpus_folder):
    """Accuracies are those of whole embeddings, and the closed form's follow the exact trajectory's."""
    file = corpus_folder / "eval" / "questions-words.txt"
    problem, words = wf.Problem.from_statistics(wikipedia), wikipedia.words
    spectrum = wf.leading_eigenpairs(problem, 200)
    over_dimension = emergence_over_dimension(spectrum, words, file, [4, 64])
    score = evaluate_analogies(
        spectrum.eigenvectors[:, :64] * np.sqrt(spectrum.eigenvalues[:64]), words, file
    )
    assert over_dimension.too_few["city-in-state"] == 0
    assert set(over_dimension.too_few) | set(over_dimension.relations) == set(score.by_category)
    for name, course in over_dimension.relations.items():
        whole = score.by_category[name]
        assert course.accuracy[-1] == pytest.approx(whole.accuracy)
        assert (course.questions, course.unknown) == (whole.total, whole.out_of_vocabulary)
    W0 = wf.gaussian_init(jax.random.key(0), len(words), 40, 1e-6)
    steps = half_rise_times(spectrum.eigenvalues[:40], effective_initial_strengths(spectrum, W0))
    ts = np.geomspace(steps[0], 1.3 * steps.max(), 8)
    exact = wf.predict(problem, W0, ts, spectrum=spectrum, save_embeddings=True)
    quick = emergence_over_time(spectrum, words, file, W0, ts)
    along = emergence_along(exact, spectrum, words, file)
    apart = [quick.relations[name].accuracy - course.accuracy for name, course in along.relations.items()]
    assert np.sqrt(np.mean(np.square(apart))) < 0.04
    assert max(course.accuracy[-1] for course in along.relations.values()) > 0.5
