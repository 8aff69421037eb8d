"""Corpora with known spectra: the formulas against dense algebra, and every solver against the formulas."""

import itertools

import jax
import numpy as np
import pytest

import w2vflow as wf
from w2vflow.spectrum.directions import left_directions
from w2vflow.theory.solvable import binary_attributes, interval, interval_limit, ring

CORPORA = {
    "attributes": lambda: binary_attributes([0.8, 0.5, 0.3]),
    "one attribute": lambda: binary_attributes([-0.9]),
    "equal and repelling attributes": lambda: binary_attributes([0.4, 0.7, 0.4, -0.2, 0.4]),
    "months": lambda: ring(),
    "odd ring": lambda: ring(7, 0.5),
    "narrow ring": lambda: ring(20, 30.0),
    "interval": lambda: interval(40, 0.5),
    "odd interval": lambda: interval(31, 3.0),
    "short reach": lambda: interval(24, 0.01),
    "two words": lambda: interval(2, 1.0),
}


@pytest.mark.parametrize("name", CORPORA)
def test_the_spectrum_is_that_of_the_problem(name):
    corpus = CORPORA[name]()
    target = np.asarray(corpus.problem().target())
    values, vectors = corpus.spectrum.eigenvalues, corpus.spectrum.eigenvectors
    scale = np.abs(values).max()
    np.testing.assert_allclose(corpus.target(), target, rtol=0, atol=1e-14)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(target)[::-1], rtol=0, atol=1e-14 * scale)
    np.testing.assert_allclose(target @ vectors, vectors * values, rtol=0, atol=1e-14 * scale)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(values)), rtol=0, atol=1e-13)
    assert (np.diff(values) <= 0).all()
    assert len(corpus.words) == len(corpus.labels) == len(set(corpus.labels)) == len(values)
    assert corpus.problem(tied=False).sides == 2
    assert str(len(values)) in corpus.description


def test_attributes_by_explicit_sums():
    """Every word, every set of attributes, written out."""
    strengths = [0.8, 0.5, -0.3]
    corpus = binary_attributes(strengths)
    words = list(itertools.product([1, -1], repeat=3))
    assert corpus.words == tuple("".join("+" if a == 1 else "-" for a in word) for word in words)

    def together(word, other):
        return np.prod([1 + s * a * b for s, a, b in zip(strengths, word, other, strict=True)])

    expected = {}
    for members in itertools.chain.from_iterable(itertools.combinations(range(3), n) for n in range(4)):
        label = "attribute" + ("s " if len(members) > 1 else " ") + ", ".join(str(k + 1) for k in members)
        ratios = [(np.prod([word[k] for k in members]), together(word, words[0])) for word in words]
        expected[label if members else "constant"] = sum(chi * 2 * (r - 1) / (r + 1) for chi, r in ratios)
    found = dict(zip(corpus.labels, corpus.spectrum.eigenvalues, strict=True))
    assert found.keys() == expected.keys()
    for label, value in expected.items():
        assert found[label] == pytest.approx(value, rel=1e-13)
    joint = corpus.statistics.counts.toarray() / corpus.statistics.counts.sum()
    np.testing.assert_allclose(64 * joint, [[together(a, b) for b in words] for a in words], rtol=1e-14)
    np.testing.assert_allclose(corpus.statistics.word_probability, 1 / 8, rtol=1e-14)


def test_equal_attributes_are_one_group():
    corpus = binary_attributes([0.4, 0.7, 0.4])
    groups = [{corpus.labels[k] for k in range(8)[group]} for group in corpus.equal_eigenvalues()]
    assert {"attribute 1", "attribute 3"} in groups
    assert {"attribute 2"} in groups
    assert {"attributes 1, 2", "attributes 2, 3"} in groups


def test_months_by_fft():
    corpus = ring(12, 1.3)
    waves = np.fft.fft(corpus.target()[0]).real
    np.testing.assert_allclose(corpus.spectrum.eigenvalues, np.sort(waves)[::-1], rtol=0, atol=1e-13)
    assert corpus.words[0] == "january"
    assert corpus.labels[:2] == ("cos 1", "sin 1")
    assert corpus.equal_eigenvalues()[0] == slice(0, 2)
    assert {corpus.labels[g.start] for g in corpus.equal_eigenvalues() if g.stop - g.start == 1} == {
        "constant",
        "alternation",
    }
    assert ring(3, words=list("abc")).words == ("a", "b", "c")


def test_interval_tends_to_the_continuous_kernel():
    """Dense eigenvalues at two sizes, extrapolated by their error's order, are those of the formula."""
    limit = interval_limit(0.5, 6)
    dense = [np.linalg.eigvalsh(interval(n, 0.5).target())[:-7:-1] for n in (100, 200)]
    np.testing.assert_allclose((4 * dense[1] - dense[0]) / 3, limit, rtol=2e-6)
    errors = [interval(n, 0.5).spectrum.eigenvalues[:6] / limit - 1 for n in (400, 800, 1600)]
    slopes = np.log2(errors[0] / errors[1]), np.log2(errors[1] / errors[2])
    np.testing.assert_allclose(slopes, 2, atol=0.01)
    np.testing.assert_allclose(errors[-1][np.array([0, 3])] * 1600**2, [3.7, 16.1], rtol=0.01)


def test_iterated_eigenpairs():
    """Block Lanczos on 512 words, with equal eigenvalues among those asked for."""
    corpus = binary_attributes([0.5, 0.45, 0.4, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15])
    found = wf.leading_eigenpairs(corpus.problem(), 12)
    exact = corpus.spectrum
    np.testing.assert_allclose(found.eigenvalues, exact.eigenvalues[:12], rtol=1e-9)
    for group in corpus.equal_eigenvalues():
        if group.stop <= 12:
            overlap = wf.subspace_overlap(found.eigenvectors[:, group], exact.eigenvectors[:, group])
            assert overlap == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", ["equal and repelling attributes", "months", "interval"])
def test_theory_from_the_known_spectrum_is_the_flow(name):
    """Equal eigenvalues included: no eigensolver has a part in the prediction."""
    corpus = CORPORA[name]()
    problem, lam = corpus.problem(), corpus.spectrum.eigenvalues[0]
    W0 = wf.gaussian_init(jax.random.key(1), problem.vocab_size, 4, 1e-3 * np.sqrt(lam))
    ts = np.linspace(0, 40, 9)[1:] / lam
    theory = wf.predict(problem, W0, ts, spectrum=corpus.spectrum, save_embeddings=True)
    flow = wf.solve_flow(
        problem, W0, ts, basis="words", recording=wf.Recording(save_embeddings=True), rtol=1e-11
    )
    np.testing.assert_allclose(theory.singular_values, flow.singular_values, rtol=0, atol=1e-8 * np.sqrt(lam))
    grams = [t.embeddings @ np.swapaxes(t.embeddings, 1, 2) for t in (theory, flow)]
    np.testing.assert_allclose(*grams, rtol=0, atol=1e-8 * lam)


def test_attributes_emerge_in_the_predicted_order():
    """Closed form from the formula's spectrum, flow, and SGD on the expected counts."""
    corpus = binary_attributes([0.4, 0.8, 0.6])
    problem, spectrum = corpus.problem(), corpus.spectrum
    assert corpus.labels[:3] == ("attribute 2", "attribute 3", "attribute 1")
    W0 = wf.gaussian_init(jax.random.key(0), 8, 3, 1e-4)
    predicted = wf.predict_step_times(problem, W0, spectrum=spectrum)
    ts = np.linspace(0, 1.3 * predicted[-1], 131)[1:]
    flow = wf.solve_flow(problem, W0, ts)
    np.testing.assert_allclose(wf.measure_step_times(flow, spectrum), predicted, rtol=1e-4)
    sgd = wf.run_sgd(
        problem,
        W0,
        ts,
        key=jax.random.key(1),
        learning_rate=0.005,
        batch_size=512,
        recording=wf.Recording(save_embeddings=True),
    )
    measured = wf.measure_step_times(sgd, spectrum)
    assert (np.diff(measured) > 0).all()
    np.testing.assert_allclose(measured, predicted, rtol=0.05)
    signs = np.array([[1 if letter == "+" else -1 for letter in word] for word in corpus.words])
    for mode, attribute in enumerate((1, 2, 0)):
        # Just after its step, the newest direction is the attribute.
        at = int(np.searchsorted(sgd.ts, measured[mode] + 1 / spectrum.eigenvalues[mode]))
        newest = left_directions(sgd.embeddings[at], mode + 1)[:, mode]
        assert (newest @ signs[:, attribute]) ** 2 / 8 > 0.95


def test_the_ring_appears_when_both_modes_of_the_first_pair_are_learned():
    corpus = ring(12)
    problem, plane = corpus.problem(), corpus.spectrum.eigenvectors[:, :2]
    W0 = wf.gaussian_init(jax.random.key(2), 12, 3, 1e-6)
    lam = corpus.spectrum.eigenvalues[0]
    flow = wf.solve_flow(
        problem, W0, np.linspace(0, 60, 241)[1:] / lam, recording=wf.Recording(save_embeddings=True)
    )
    first, second = wf.measure_step_times(flow, corpus.spectrum)[:2]
    np.testing.assert_allclose(
        wf.predict_step_times(problem, W0, spectrum=corpus.spectrum)[:2].mean(),
        (first + second) / 2,
        rtol=0.01,
    )
    after = flow.embeddings[int(np.searchsorted(flow.ts, second + 8 / lam))]
    directions = left_directions(after, 2)
    assert wf.subspace_overlap(directions, plane) == pytest.approx(1, abs=1e-6)
    places = directions * np.linalg.svd(after, compute_uv=False)[:2]
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), np.sqrt(2 * lam / 12), rtol=1e-3)
    turns = np.diff(np.unwrap(np.arctan2(*places.T)))
    np.testing.assert_allclose(np.abs(turns), 2 * np.pi / 12, rtol=1e-2)
    assert np.ptp(np.sign(turns)) == 0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: binary_attributes([]), "`strengths` must be between 1 and 12 numbers, but got 0 of them"),
        (lambda: binary_attributes([0.1] * 13), "but got 13 of them"),
        (
            lambda: binary_attributes([0.5, 0.0]),
            "`strengths` must be above -1, below 1 and not 0, but got 0.0",
        ),
        (lambda: binary_attributes([1.0]), "but got 1.0"),
        (lambda: ring(2), "`size` must be at least 3 words, but got 2"),
        (lambda: ring(5, 0.0), "`concentration` must be positive and at most 300"),
        (lambda: ring(5, words=list("abc")), "`words` must be 5 names, one for each word, but got 3 names"),
        (lambda: interval(1, 1.0), "`size` must be at least 2 words"),
        (lambda: interval(5, 0.0), "`reach` must be positive and finite"),
        (lambda: interval_limit(-1.0, 3), "`reach` must be positive and finite"),
        (lambda: interval_limit(0.0, 3), "`reach` must be positive and finite"),
        (lambda: interval_limit(1.0, 0), "`modes` must be at least 1"),
    ],
)
def test_bad_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
