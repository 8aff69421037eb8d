"""Concepts of periods of a corpus against those of the whole, from matrices of NumPy alone."""

import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf
from w2vflow.theory import compare_slices


def concepts(counts):
    """Eigenpairs of M* of counts, largest eigenvalue first."""
    P = counts / counts.sum()
    p = P.sum(axis=1)
    joint = np.outer(p, p)
    values, vectors = np.linalg.eigh(2 * (P - joint) / (P + joint))
    return values[::-1], vectors[:, ::-1]


def slices_of(seeds, size=40):
    """Counts of some periods: the same words, each with more of some theme."""
    first = random_statistics(size, 0).counts.toarray()
    rng = np.random.default_rng(1)
    found = {}
    for label, strength in seeds.items():
        theme = np.outer(*(2 * [rng.random(size) < 0.2])) * strength
        counts = 20 * first + theme
        words = tuple(f"word{i}" for i in range(size))
        found[label] = wf.CooccurrenceStatistics(words, counts, counts.sum(axis=1))
    return found


def test_eigenvalues_times_and_overlaps_of_every_slice():
    slices = slices_of({"1990": 3, "2000": 0, "2010": 6})
    found = compare_slices(slices, 3, dim=4, scale=1e-6)
    assert found.labels == ("1990", "2000", "2010")
    whole = concepts(sum(stats.counts.toarray() for stats in slices.values()))
    for row, stats in enumerate(slices.values()):
        values, vectors = concepts(stats.counts.toarray())
        overlaps = (whole[1][:, :3].T @ vectors) ** 2
        places = overlaps.argmax(axis=1)
        # The slices of this test have them all, none exchanged with one that is not learned.
        assert len(set(places)) == 3
        assert (places < 4).all()
        np.testing.assert_allclose(found.overlaps[row], overlaps.max(axis=1), rtol=1e-9)
        np.testing.assert_allclose(found.eigenvalues[row], values[places], rtol=1e-10)
        law = wf.step_time_law(wf.Problem.from_statistics(stats), 4, 1e-6).mean
        np.testing.assert_allclose(found.step_times[row], law[places], rtol=1e-10)
    times = next(iter(found.changes.values())).step_times
    assert [line.split()[1] for line in str(found).splitlines()[2:]] == [f"{time:.4g}" for time in times]


def test_equal_slices_are_the_whole():
    one = random_statistics(30, 3)
    found = compare_slices({"a": one, "b": one}, 4, dim=4, scale=1e-8)
    np.testing.assert_allclose(found.overlaps, 1, rtol=1e-9)
    np.testing.assert_allclose(found.step_times[0], found.changes["a"].step_times, rtol=1e-10)


def test_words_that_a_slice_lacks_are_left_out_of_it():
    slices = slices_of({"old": 2, "new": 5})
    counts = slices["old"].counts.toarray()
    counts[7] = counts[:, 7] = 0
    old = wf.CooccurrenceStatistics(slices["old"].words, counts, counts.sum(axis=1))
    found = compare_slices({**slices, "old": old}, 2, dim=3, scale=1e-6)
    kept = np.arange(40) != 7
    values = concepts(counts[np.ix_(kept, kept)])[0]
    assert np.isin(found.eigenvalues[0].round(8), values.round(8)).all()


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match="`slices` must be of at least one label"):
        compare_slices({}, 1, dim=1, scale=1e-6)
    slices = slices_of({"a": 1, "b": 2})
    poor = wf.CooccurrenceStatistics(slices["a"].words, np.ones((40, 40)), np.full(40, 40))
    with pytest.raises(ValueError, match="dim") as told:
        compare_slices({**slices, "poor": poor}, 2, dim=3, scale=1e-6)
    assert told.value.__notes__ == ["That is so of the slice 'poor'."]
