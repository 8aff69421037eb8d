"""Eigenpairs of another problem are refused, with a fingerprint and without."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf

V, DIM = 12, 3


def of(seed, **settings):
    counts = np.random.default_rng(seed).poisson(30, size=(V, V))
    counts = counts + counts.T
    words = [f"w{i}" for i in range(V)]
    stats = wf.CooccurrenceStatistics(words, counts, counts.sum(1))
    return wf.Problem.from_statistics(stats, **settings)


ONE, OTHER = of(0), of(1)
W0 = 1e-2 * np.random.default_rng(2).normal(size=(V, DIM))
NOISE = {"batch_size": 64, "sampler": "balanced"}
TAKERS = {
    "predict": lambda p, s: wf.predict(p, W0, [1.0], spectrum=s),
    "predict_phases": lambda p, s: wf.predict_phases([wf.Phase(p, [1.0], spectrum=s)], W0),
    "solve_flow": lambda p, s: wf.solve_flow(p, W0, [0.1], spectrum=s),
    "predict_step_times": lambda p, s: wf.predict_step_times(p, W0, spectrum=s),
    "estimate_step_time_errors": lambda p, s: wf.theory.estimate_step_time_errors(p, W0, spectrum=s),
    "step_time_law": lambda p, s: wf.step_time_law(p, DIM, 1e-2, spectrum=s),
    "step_visibility": lambda p, s: wf.theory.step_visibility(p, [1.0, 2.0], spectrum=s),
    "silent_alignment": lambda p, s: wf.theory.silent_alignment(p, DIM, 1e-4, spectrum=s),
    "stationary_noise": lambda p, s: wf.sgd.stationary_noise(p, DIM, learning_rate=1e-3, spectrum=s, **NOISE),
    "step_time_noise": lambda p, s: wf.sgd.step_time_noise(p, W0, learning_rate=1e-3, spectrum=s, **NOISE),
    "poisson_uncertainty": lambda p, s: wf.theory.poisson_uncertainty(p, s),
    "rare_pair_bias": lambda p, s: wf.theory.rare_pair_bias(p, s),
    "pmi_influence": lambda p, s: wf.theory.pmi_influence(p, s, 0),
    "count_influence": lambda p, s: wf.theory.count_influence(p, s, 0),
    "word_influence": lambda p, s: wf.theory.word_influence(p, s),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", TAKERS)
def test_pairs_of_another_problem_are_refused(name):
    own, wrong = (wf.leading_eigenpairs(problem, V) for problem in (ONE, OTHER))
    TAKERS[name](ONE, own)
    for pairs in (wrong, replace(wrong, origin=None)):
        with pytest.raises(ValueError, match=r"`spectrum` must be eigenpairs of M\* of this problem"):
            TAKERS[name](ONE, pairs)


def test_both_problems_are_named():
    wrong = wf.leading_eigenpairs(OTHER, 5)
    ids = [bytes(np.asarray(wf.leading_eigenpairs(p, 5).origin)).hex()[:8] for p in (ONE, OTHER)]
    with pytest.raises(ValueError, match=rf"fingerprint {ids[0]}.*of another one \(fingerprint {ids[1]}\)"):
        wf.predict_step_times(ONE, W0, spectrum=wrong)


def test_a_single_wrong_pair_of_a_matrix_is_refused():
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(V, V)))[0]
    values = np.linspace(5, -3, V)
    problem = wf.Problem.from_target(turn * values @ turn.T)
    none = np.zeros(0)
    wf.spectrum.check_pairs(problem, wf.Spectrum(values, turn, np.zeros(V), none, none))
    for wrong in (values + 1e-3 * (np.arange(V) == 4), values * (1 + 1e-4)):
        with pytest.raises(ValueError, match="M\\* v differs from lambda v"):
            wf.spectrum.check_pairs(problem, wf.Spectrum(wrong, turn, np.zeros(V), none, none))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_rough_pairs_of_the_problem_itself_are_taken():
    problem = wf.Problem.from_statistics(random_statistics(600), matrix="sparse")
    for pairs in (
        wf.leading_eigenpairs(problem, 5, tol=1e-3),
        wf.leading_eigenpairs(problem, 5, tol=1e-12, max_products=200),
    ):
        wf.spectrum.check_pairs(problem, replace(pairs, origin=None))
    single = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), pairs)
    wf.spectrum.check_pairs(problem, single)
    wf.spectrum.check_pairs(problem, replace(single, origin=None))


def test_results_are_measured_against_their_own_problem_alone(tmp_path):
    traj = wf.predict(ONE, W0, [1.0, 2.0], save_embeddings=True)
    own, wrong = (wf.leading_eigenpairs(problem, V) for problem in (ONE, OTHER))
    own.save(tmp_path / "own.nc")
    wrong.save(tmp_path / "wrong.nc", OTHER.words)
    own, wrong = (wf.Spectrum.load(tmp_path / name) for name in ("own.nc", "wrong.nc"))
    measures = (
        lambda s: wf.compare(traj, spectrum=s),
        lambda s: wf.measure_step_times(traj, s),
        lambda s: wf.theory.effective_rank(traj, s),
        lambda s: wf.results.direction_persistence(traj, s),
        lambda s: wf.results.embedding_cloud([traj], s, ONE.words),
    )
    for measure in measures:
        measure(own)
        with pytest.raises(ValueError, match=r"of the problem of the trajectory \(fingerprint"):
            measure(wrong)
        # Made by hand: nothing is known of them.
        measure(replace(wrong, origin=None))
    # Another weighting of the same counts has another M*.
    with pytest.raises(ValueError, match="that of another one"):
        wf.compare(traj, spectrum=wf.leading_eigenpairs(of(0, weighting=wf.Plain()), V))


def test_the_fingerprint_stays_with_the_pairs(tmp_path):
    pairs = wf.extreme_eigenpairs(of(0, tied=False), V)
    kept = wf.compare(wf.predict(ONE, W0, [1.0]), spectrum=pairs)
    kept.save(tmp_path / "comparison.nc")
    found = (
        pairs.leading(4),
        wf.spectrum.in_learning_order(pairs, tied=True),
        jax.jit(lambda s: s.leading(2))(pairs),
        wf.results.Comparison.load(tmp_path / "comparison.nc").spectrum,
    )
    for one in found:
        np.testing.assert_array_equal(one.origin, wf.leading_eigenpairs(ONE, 3).origin)


def test_a_known_pair_is_looked_at_once(monkeypatch):
    pairs = wf.leading_eigenpairs(ONE, V)
    wf.spectrum.check_pairs(ONE, pairs)
    monkeypatch.setattr(wf.spectrum.origin, "_look_at", None)
    wf.spectrum.check_pairs(ONE, pairs)
