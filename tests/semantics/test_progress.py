"""How far embeddings have got: recovered from exact trajectories and from SGD, in any rotation and scale."""

import warnings

import jax
import matplotlib as mpl
import numpy as np
import pytest
from systems import separated_problem
from texts import themed_text

import w2vflow as wf
from w2vflow.plotting.progress import plot_progress, plot_strengths
from w2vflow.semantics.progress import fit_progress

mpl.use("agg")

WORDS = tuple(f"word{i}" for i in range(20))
SCALE, DIM = 1e-4, 4


@pytest.fixture(scope="module")
def concepts():
    problem = separated_problem()
    return problem, wf.leading_eigenpairs(problem, 20)


@pytest.fixture(scope="module")
def start():
    return wf.gaussian_init(jax.random.key(3), 20, DIM, SCALE)


@pytest.fixture(scope="module")
def steps(concepts, start):
    problem, spectrum = concepts
    return wf.predict_step_times(problem, start, spectrum=spectrum)


def rotated(vectors, seed=0, factor=7.3):
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(vectors.shape[1],) * 2))[0]
    return factor * vectors @ Q


def exact(concepts, start, ts):
    problem, spectrum = concepts
    return wf.predict(problem, start, ts, spectrum=spectrum, save_embeddings=True).embeddings


def slow_similarity(X, vectors, strengths):
    """The cosine between two Gram matrices, centred and without diagonals, from the matrices themselves."""
    H = np.eye(len(X)) - 1 / len(X)
    K, G = H @ X @ X.T @ H, H @ vectors @ np.diag(strengths) @ vectors.T @ H
    K, G = (np.where(np.eye(len(X)), 0, matrix) for matrix in (K, G))
    return np.sum(K * G) / np.linalg.norm(K) / np.linalg.norm(G)


def test_time_is_recovered_from_exact_embeddings(concepts, start, steps):
    # While a concept rises its strength tells the time best.
    for vectors, t in zip(exact(concepts, start, steps[1:]), steps[1:].tolist(), strict=True):
        found = fit_progress(rotated(vectors), WORDS, concepts[1], WORDS, scale=SCALE, step_times=steps)
        assert found.time == pytest.approx(t, rel=2e-3)
        assert found.interval[0] < found.time < found.interval[1]
        assert 0.999 < found.similarity <= found.ceiling <= 1 + 1e-12


def test_the_law_of_a_typical_start_recovers_it_to_its_own_spread(concepts, start, steps):
    problem, spectrum = concepts
    mean, spread = wf.step_time_law(problem, DIM, SCALE, spectrum=spectrum)
    for k, vectors in enumerate(exact(concepts, start, steps[1:]), 1):
        found = fit_progress(rotated(vectors), WORDS, spectrum, WORDS, scale=SCALE)
        assert abs(found.time - mean[k]) < 0.05 * spread[k] + 2e-3 * mean[k]
        np.testing.assert_allclose(found.step_times, mean, rtol=1e-3)


def test_the_number_of_concepts_learned_is_that_of_the_trajectory(concepts, start, steps):
    between = np.append((steps[:-1] + steps[1:]) / 2, 1.3 * steps[-1])
    for learned, vectors in enumerate(exact(concepts, start, between), 1):
        for noise in (0.0, 0.3):
            noisy = vectors + noise * vectors.std() * np.random.default_rng(1).normal(size=vectors.shape)
            found = fit_progress(rotated(noisy), WORDS, concepts[1], WORDS, scale=SCALE)
            assert found.concepts_learned == learned


def test_similarity_is_that_of_the_matrices(concepts, start, steps):
    spectrum = concepts[1]
    X = exact(concepts, start, steps[2:3])[0]
    X = X + 0.3 * X.std() * np.random.default_rng(5).normal(size=X.shape)
    shown = np.random.default_rng(6).permutation(20)[:12]
    found = fit_progress(X[shown], [WORDS[i] for i in shown], spectrum, WORDS, scale=SCALE)
    vectors = spectrum.eigenvectors[shown, :DIM]
    assert found.similarity == pytest.approx(slow_similarity(X[shown], vectors, found.predicted), rel=1e-9)
    # The ceiling is the best of all strengths: no change of the best raises it.
    rng = np.random.default_rng(0)
    tried = [slow_similarity(X[shown], vectors, rng.normal(size=DIM)) for _ in range(300)]
    assert max(tried) <= found.ceiling
    assert max(tried) > 0.7 * found.ceiling
    # The top of the curve, from the sigmoids as the paper writes them.
    values, times = spectrum.eigenvalues[:DIM], np.linspace(found.times[0], found.times[-1], 3000)
    curve = values / (1 + np.exp(-2 * values * (times[:, None] - found.step_times)))
    best = max(slow_similarity(X[shown], vectors, strengths) for strengths in curve)
    assert found.similarity == pytest.approx(best, abs=1e-5)


def test_alignments_are_those_of_the_matrices(concepts, start, steps):
    spectrum = concepts[1]
    X = exact(concepts, start, steps[2:3])[0]
    X = X + 0.3 * X.std() * np.random.default_rng(5).normal(size=X.shape)
    found = fit_progress(rotated(X), WORDS, spectrum, WORDS, scale=SCALE, step_times=steps)
    H = np.eye(20) - 1 / 20
    K, V = np.where(np.eye(20), 0, H @ X @ X.T @ H), H @ spectrum.eigenvectors[:, :DIM]
    cosines = [v @ K @ v / np.linalg.norm(K @ v) / np.linalg.norm(v) for v in V.T]
    np.testing.assert_allclose(found.alignments, cosines, rtol=1e-9)
    # Two steps are before the third one, and this one at it.
    assert found.alignment == pytest.approx(np.median(np.array(cosines)[steps <= found.time]))
    assert f"alignment         {found.alignment:.3f}" in str(found)


def vectors_of(stats, k=3):
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), k)
    return rotated(spectrum.eigenvectors * np.sqrt(spectrum.eigenvalues))


def test_another_corpus_is_warned_of_and_the_other_half_is_not(tmp_path):
    def lines(seed):
        themed_text(tmp_path / "text.txt", 2000, seed)
        return (tmp_path / "text.txt").read_text().splitlines()

    def counted(chosen):
        (tmp_path / "part.txt").write_text("\n".join(chosen) + "\n")
        return wf.count(tmp_path / "part.txt", vocab_size=40, window=8, reader="lines")

    whole, others = lines(0), lines(4)
    own, half = counted(whole[::2]), counted(whole[1::2])
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(own), 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_progress(vectors_of(own), own.words, spectrum, own.words).alignment > 0.99
        assert fit_progress(vectors_of(half), half.words, spectrum, own.words).alignment > 0.9
    # Nothing of the text, and a quarter of it: that is told by alignment alone.
    for shared, least in ((0, -1.0), (280, 0.2)):
        foreign = counted(whole[1 : 2 * shared : 2] + others[shared:1000])
        with pytest.warns(RuntimeWarning, match="They are of another corpus"):
            found = fit_progress(vectors_of(foreign), foreign.words, spectrum, own.words)
        assert found.alignment < 0.45
        assert found.similarity > least


def test_strengths_are_those_of_the_embedding(concepts, start):
    vectors = exact(concepts, start, [20.0])[0]
    found = fit_progress(rotated(vectors), WORDS, concepts[1], WORDS, scale=SCALE)
    values = concepts[1].eigenvalues[:DIM]
    np.testing.assert_allclose(found.strengths, values, rtol=1e-2)
    np.testing.assert_allclose(found.predicted, values, rtol=1e-2)
    assert found.past_last_step
    assert found.interval[1] == np.inf
    assert found.scale == pytest.approx(7.3**-2, rel=1e-2)
    assert "4 of 4" in str(found)
    assert "past the last step" in str(found)


def test_of_fewer_words_strengths_are_those_all_the_same(concepts, start, steps):
    vectors = rotated(exact(concepts, start, steps[2:3])[0])
    whole = fit_progress(vectors, WORDS, concepts[1], WORDS, scale=SCALE)
    shown = np.random.default_rng(2).permutation(20)[:11]
    words = [WORDS[i] for i in shown] + ["unknown"]
    part = fit_progress(np.vstack([vectors[shown], np.ones(DIM)]), words, concepts[1], WORDS, scale=SCALE)
    assert (part.common_words, part.vocabulary_share) == (11, 0.55)
    assert part.time == pytest.approx(whole.time, rel=1e-2)
    np.testing.assert_allclose(part.strengths, whole.strengths, atol=0.02 * whole.strengths.max())


def test_shift_scale_and_rotation_change_nothing(concepts, start, steps):
    vectors = exact(concepts, start, steps[1:2])[0]
    plain = fit_progress(vectors, WORDS, concepts[1], WORDS, scale=SCALE)
    moved = fit_progress(rotated(vectors) + 5.0, WORDS, concepts[1], WORDS, scale=SCALE)
    assert moved.time == pytest.approx(plain.time, rel=1e-5)
    assert moved.similarity == pytest.approx(plain.similarity, rel=1e-9)


def test_untied_weights_take_twice_the_time_and_learn_negative_concepts(concepts):
    problem = wf.Problem.from_target(concepts[0].target(), tied=False)
    spectrum = wf.extreme_eigenpairs(problem, 20)
    W0 = wf.untied_init(jax.random.key(1), 20, DIM, SCALE)
    steps = wf.predict_step_times(problem, W0, spectrum=spectrum)
    ts = np.sort(steps)[1:]
    words = wf.predict(problem, W0, ts, spectrum=spectrum, save_embeddings=True).embeddings
    for vectors, t in zip(words, ts, strict=True):
        found = fit_progress(
            rotated(vectors), WORDS, spectrum, WORDS, scale=SCALE, tied=False, step_times=steps
        )
        assert found.time == pytest.approx(t, rel=2e-2)
    mean = wf.step_time_law(problem, DIM, SCALE, spectrum=spectrum).mean
    law = fit_progress(words[-1], WORDS, spectrum, WORDS, scale=SCALE, tied=False)
    assert (spectrum.eigenvalues[:DIM] < 0).any()
    np.testing.assert_allclose(np.sort(law.step_times), np.sort(mean), rtol=0.05)


def test_sgd_is_seen_where_it_is(stats, problem, basis):
    dim, rate = 3, 2e-3
    key = jax.random.key(0)
    W0 = wf.gaussian_init(key, 30, dim, 1e-6)
    steps = wf.predict_step_times(problem, W0, spectrum=basis)
    run = wf.run_sgd(
        problem,
        W0,
        steps,
        key=key,
        learning_rate=rate,
        batch_size=4096,
        sampler="blocks",
        recording=wf.Recording(save_embeddings=True),
    )
    for k in (1, 2):
        found = fit_progress(run.embeddings[k], stats.words, basis, stats.words, step_times=steps)
        assert found.time == pytest.approx(run.ts[k], rel=0.05)


def test_what_has_nothing_in_common_is_warned_of(concepts):
    rng = np.random.default_rng(0)
    spectrum = wf.Spectrum(
        np.array([3.0, 1.0]),
        np.linalg.qr(rng.normal(size=(400, 2)))[0],
        np.zeros(2),
        np.empty(0),
        np.empty(0),
    )
    words = [f"w{i}" for i in range(400)]
    with pytest.warns(RuntimeWarning, match="little in common with the concepts"):
        fit_progress(rng.normal(size=(400, 2)), words, spectrum, words)


def test_too_few_eigenpairs_are_warned_of(concepts, start):
    vectors = exact(concepts, start, [20.0])[0]
    with pytest.warns(RuntimeWarning, match="past the last step of the eigenpairs at hand"):
        fit_progress(vectors, WORDS, concepts[1].leading(2), WORDS, scale=SCALE)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vectors": np.ones((20, 4))}, "different for different words"),
        ({"vectors": np.full((20, 4), np.nan)}, "`vectors` must be finite"),
        ({"words": ["a"] * 20}, "`words` must be different"),
        ({"words": WORDS[:19]}, "one for each of the 20 vectors"),
        ({"words": [f"x{i}" for i in range(16)] + list(WORDS[:4])}, "more than 4 of the theory's words"),
        ({"spectrum_words": WORDS[:19]}, "the 20 different words of the spectrum, but got 19 words"),
        ({"spectrum_words": (*WORDS[:19], "word0")}, "20 words, 19 of them different"),
        ({"dim": 0}, "`dim` must be between 1 and 1,000,000"),
        ({"scale": 0.0}, "`scale` must be positive"),
        ({"step_times": [1.0, 2.0]}, "`step_times` must be positive, one for each of the 4"),
        ({"step_times": [1.0, 2.0, np.nan, 4.0]}, "`step_times` must be positive"),
        ({"tied": False, "spectrum": "leading"}, "that of `extreme_eigenpairs`"),
        ({"spectrum": "negative"}, "with a positive eigenvalue"),
    ],
)
def test_what_cannot_be_compared_is_refused(concepts, changed, message):
    spectrum = concepts[1]
    given = {
        "vectors": np.random.default_rng(0).normal(size=(20, 4)),
        "words": WORDS,
        "spectrum": spectrum,
        "spectrum_words": WORDS,
    } | changed
    if given["spectrum"] == "leading":
        given["spectrum"] = spectrum.leading(4)
    elif given["spectrum"] == "negative":
        given["spectrum"] = wf.Spectrum(-np.ones(4), np.eye(20)[:, :4], np.zeros(4), np.empty(0), np.empty(0))
    with pytest.raises(ValueError, match=message):
        fit_progress(**given)


def test_pictures_show_times_and_strengths(concepts, start, steps):
    fits = [
        fit_progress(vectors, WORDS, concepts[1], WORDS, scale=SCALE)
        for vectors in exact(concepts, start, steps[1:3])
    ]
    ax = plot_progress(*fits, labels=["early", "late"])
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [fit.time for fit in fits]
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["early", "late"]
    ax = plot_strengths(fits[0])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), fits[0].strengths / fits[0].eigenvalues)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), fits[0].predicted / fits[0].eigenvalues)
    with pytest.raises(ValueError, match="at least one result"):
        plot_progress()
    with pytest.raises(ValueError, match="one for each of 2 embeddings"):
        plot_strengths(*fits, labels=["one"])
