"""Error bars from the size of the corpus, against corpora drawn again and again."""

import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf
from w2vflow.corpus.documents.documents import count_documents
from w2vflow.corpus.documents.token_file import TokenFile
from w2vflow.theory.corpora import bias
from w2vflow.theory.corpora.bias import document_bias, expected_target_of_independent_words, rare_pair_bias
from w2vflow.theory.corpora.uncertainty import document_uncertainty, poisson_uncertainty

SIZE = 12


def target_of(counts):
    """`M*` of Setting 3.1, from its definition."""
    joint = counts / counts.sum()
    product = np.outer(joint.sum(axis=1), joint.sum(axis=1))
    return 2 * (joint - product) / (joint + product)


def statistics_of(counts, **metadata):
    words = tuple(f"w{i}" for i in range(len(counts)))
    return wf.CooccurrenceStatistics(words, counts, np.ones(len(counts), int), metadata)


def means_of_counts(mean=2000):
    """Expected counts of an `M*` with eigenvalues well apart; large enough for first order."""
    rng = np.random.default_rng(8)
    Q = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0]
    target = Q * np.linspace(2.5, -2.5, SIZE) @ Q.T
    law = np.exp(2 * np.arctanh(np.clip(target, -1.8, 1.8) / 2)) * np.outer(*2 * [rng.gamma(9, size=SIZE)])
    return np.rint(mean * law / law.mean())


def draw(rng, means, weight=1):
    """Counts of events of one weight; a pair of equal words comes in twos."""
    upper = np.triu(rng.poisson(means / weight), 1) + np.diag(rng.poisson(np.diag(means) / (2 * weight)))
    return weight * (upper + upper.T)


def solved(counts, pairs=SIZE, **metadata):
    problem = wf.Problem.from_statistics(statistics_of(counts, **metadata))
    return problem, wf.leading_eigenpairs(problem, pairs)


def ratio_within(found, samples, errors=5):
    """Whether standard deviations agree with those of samples to their statistical error."""
    measured = np.std(samples, axis=0, ddof=1)
    np.testing.assert_allclose(found, measured, rtol=errors / np.sqrt(2 * (len(samples) - 1)))


@pytest.mark.parametrize("weight", [1, 7])
def test_poisson_error_bars_are_those_of_poisson_counts(weight):
    means = means_of_counts(4000 * weight)
    problem, spectrum = solved(means)
    found = poisson_uncertainty(problem, spectrum, event_weight=weight)
    rng = np.random.default_rng(1)
    drawn = [target_of(draw(rng, means, weight)) for _ in range(600)]
    values, vectors = np.linalg.eigh(np.array(drawn))
    # Eigenvalues closer than their noise repel each other: first order does not hold for them.
    apart = found.directions < 0.2
    assert apart.sum() >= 10
    ratio_within(found.eigenvalues[apart], values[:, ::-1][:, apart])
    overlaps = np.einsum("sik,ik->sk", vectors[:, :, ::-1], spectrum.eigenvectors)
    tangents = np.sqrt((1 / overlaps**2 - 1).mean(axis=0))
    np.testing.assert_allclose(found.directions[apart], tangents[apart], rtol=0.15)


def test_step_times_carry_the_error_of_their_eigenvalue():
    means = means_of_counts()
    problem, spectrum = solved(means, 3)
    values = spectrum.eigenvalues
    strengths = np.full(3, 1e-10)

    def times(values):
        return np.log(values / strengths - 1) / (2 * values)

    found = poisson_uncertainty(problem, spectrum).step_times(times(values))
    rng = np.random.default_rng(2)
    drawn = [times(np.linalg.eigvalsh(target_of(draw(rng, means)))[::-1][:3]) for _ in range(600)]
    ratio_within(found, drawn)


def test_untied_weights_have_half_the_exponent():
    counts = means_of_counts()
    tied, spectrum = solved(counts, 3)
    untied = wf.Problem.from_statistics(statistics_of(counts), tied=False)
    times = np.array([1.0, 2.0, 3.0])
    found = [poisson_uncertainty(p, spectrum).step_times(t) for p, t in ((tied, times), (untied, 2 * times))]
    np.testing.assert_allclose(found[1], 2 * found[0], rtol=1e-11)


def test_directions_not_held_count_by_their_density():
    counts = means_of_counts()
    problem, whole = solved(counts)
    complete = poisson_uncertainty(problem, whole)
    held = poisson_uncertainty(problem, wf.leading_eigenpairs(problem, 4))
    np.testing.assert_allclose(held.eigenvalues, complete.eigenvalues[:4], rtol=1e-10)
    np.testing.assert_allclose(held.directions[:2], complete.directions[:2], rtol=0.3)


def topical_text(rng, documents):
    """Documents of one of three topics, with words in bursts."""
    law = np.random.default_rng(5).dirichlet(np.full(SIZE, 0.8), size=3) + 0.03
    drawn = rng.gamma(20 * (law / law.sum(axis=1, keepdims=True))[rng.integers(3, size=documents)])
    reach = np.cumsum(drawn / drawn.sum(axis=1, keepdims=True), axis=1)
    words = (rng.random((documents, 30, 1)) > reach[:, None, :-1]).sum(axis=2)
    return text_of([*range(SIZE), -1, *np.hstack([words, np.full((documents, 1), -1)]).ravel()])


def text_of(tokens):
    tokens = np.array(tokens, np.int32)
    words = tuple(f"w{i}" for i in range(SIZE))
    return TokenFile(words, np.bincount(tokens[tokens >= 0], minlength=SIZE), tokens)


def test_document_error_bars_are_those_of_new_corpora():
    rng = np.random.default_rng(3)
    values, found, poisson = [], [], []
    # Both ends are well apart from the rest.
    ends = [0, 1, -1]
    for sample in range(80):
        text = topical_text(rng, 300)
        stats = count_documents(text, window=4, workers=1)
        values.append(np.linalg.eigvalsh(target_of(stats.counts.toarray()))[::-1][ends])
        if sample < 10:
            problem = wf.Problem.from_statistics(stats)
            spectrum = wf.leading_eigenpairs(problem, SIZE)
            found.append(document_uncertainty(problem, spectrum, text).eigenvalues[ends])
            poisson.append(poisson_uncertainty(problem, spectrum).eigenvalues[ends])
    # An estimate itself varies from corpus to corpus: 5 errors of its mean and of 80 draws.
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found)) / np.mean(found, axis=0)
    measured = np.std(values, axis=0, ddof=1)
    ratio = np.mean(found, axis=0) / measured
    assert (np.abs(ratio - 1) < 5 * np.hypot(error, 1 / np.sqrt(2 * 79))).all()
    assert (np.mean(poisson, axis=0) < 0.75 * measured).all()


def test_documents_of_one_pair_are_independent_events():
    """There both error bars are one formula."""
    rng = np.random.default_rng(4)
    pairs = np.vstack([np.argwhere(np.ones((SIZE, SIZE))), rng.integers(0, SIZE, size=(3000, 2))])
    text = text_of(np.hstack([pairs, np.full((len(pairs), 1), -1)]).ravel())
    problem = wf.Problem.from_statistics(count_documents(text, window=1))
    spectrum = wf.leading_eigenpairs(problem, 2)
    found, expected = document_uncertainty(problem, spectrum, text), poisson_uncertainty(problem, spectrum)
    for name in ("eigenvalues", "directions"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-5)


@pytest.mark.parametrize("weighting", ["linear", "harmonic"])
def test_document_bias_is_the_jackknife(weighting):
    """With a group for each document, by leaving out one after the other."""
    text = topical_text(np.random.default_rng(9), 25)
    settings = {"window": 4, "weighting": weighting}
    problem = wf.Problem.from_statistics(count_documents(text, **settings))
    spectrum = wf.leading_eigenpairs(problem, SIZE)
    counts, left_out = problem.statistics.counts.toarray(), []
    for start, end in zip(text.document_starts, text.document_ends, strict=True):
        own, part = np.zeros((SIZE, SIZE)), text.tokens[start:end]
        for distance in range(1, 5):
            weight = 5 - distance if weighting == "linear" else 1 / distance
            np.add.at(own, (part[:-distance], part[distance:]), weight)
        left_out.append(np.linalg.eigvalsh(target_of(counts - own - own.T))[::-1])
    expected = (len(left_out) - 1) * (np.mean(left_out, axis=0) - spectrum.eigenvalues)
    found = document_bias(problem, spectrum, text, groups=text.documents, workers=1)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    # Half of the pairs hold nearly the same, for those well within them.
    half = document_bias(problem, wf.leading_eigenpairs(problem, 6), text, groups=text.documents, workers=1)
    np.testing.assert_allclose(half[0], expected[0], rtol=0.1)


def test_the_weight_of_an_event_comes_from_the_window():
    counts = means_of_counts()
    plain = poisson_uncertainty(*solved(counts)).eigenvalues
    linear = poisson_uncertainty(*solved(counts, window=16, weighting="linear")).eigenvalues
    # sum r^2 / sum r = (2 * 16 + 1) / 3
    np.testing.assert_allclose(linear, np.sqrt(11) * plain, rtol=1e-11)
    harmonic = poisson_uncertainty(*solved(counts, window=2, weighting="harmonic")).eigenvalues
    np.testing.assert_allclose(harmonic, np.sqrt(1.25 / 1.5) * plain, rtol=1e-11)


def test_the_mean_of_independent_words_is_its_sum():
    means = np.array([1e-9, 1e-4, 0.1, 0.7, 3.0, 10.0, 59.9, 60.1, 300.0])
    found = expected_target_of_independent_words(means)
    for mean, value in zip(means, found, strict=True):
        chance, total, events = np.exp(-mean), 0.0, 0
        while events < mean + 15 * np.sqrt(mean) + 30:
            total += chance * 2 * (events - mean) / (events + mean)
            events += 1
            chance *= mean / events
        assert abs(value - total) < 2e-6
    np.testing.assert_allclose(found[[2, 4, 5]], [-1.65, -0.18, -0.05], atol=0.006)


def test_bias_of_rare_pairs_is_that_of_independent_words():
    rng = np.random.default_rng(6)
    size = 40
    weights = np.exp(rng.normal(size=size))
    means = np.outer(weights, weights) / weights.mean() ** 2
    problem, spectrum = solved(np.rint(1000 * means))
    # The same law, a thousandth of it: with integers for counts, marginals are all that matters.
    scale = means.sum() / problem.statistics.counts.sum()
    with pytest.warns(RuntimeWarning, match=r"Pairs too rare to be met put a bias of -\d+"):
        found = rare_pair_bias(problem, spectrum, event_weight=1 / scale)
    drawn = []
    for _ in range(200):
        counts = draw(rng, means)
        target = 2 * (counts - means) / (counts + means)
        drawn.append(np.einsum("ik,ij,jk->k", spectrum.eigenvectors, target, spectrum.eigenvectors))
    error = 5 * np.std(drawn, axis=0) / np.sqrt(len(drawn))
    # The diagonal comes in twos, so that it is biased as if it had half the events.
    diagonal = np.diag(means)
    twos = expected_target_of_independent_words(diagonal / 2) - expected_target_of_independent_words(diagonal)
    expected = found.eigenvalues + (spectrum.eigenvectors**2 * twos[:, None]).sum(axis=0)
    assert (np.abs(np.mean(drawn, axis=0) - expected) < error).all()
    rows = np.outer(weights, weights) / weights.mean() ** 2
    assert found.share == pytest.approx((rows < 3).mean(), abs=2 / size)


def test_the_bias_is_summed_block_by_block(monkeypatch):
    problem, spectrum = solved(means_of_counts())
    whole = rare_pair_bias(problem, spectrum)
    split = np.array_split
    monkeypatch.setattr(bias.np, "array_split", lambda rows, parts: split(rows, 5))
    np.testing.assert_allclose(rare_pair_bias(problem, spectrum).eigenvalues, whole.eigenvalues, rtol=1e-11)


def test_error_bars_warn_of_rare_pairs():
    stats = random_statistics(20)
    problem = wf.Problem.from_statistics(stats)
    spectrum = wf.extreme_eigenpairs(problem, 3)
    with pytest.warns(RuntimeWarning, match="are expected less than 3 times. Use fewer words"):
        found = poisson_uncertainty(problem, spectrum)
    assert found.rare_pairs.share > 0.3


def test_equal_eigenvalues_share_one_error_bar():
    steps = np.abs(np.arange(8)[:, None] - np.arange(8))
    means = np.rint(5000 * np.exp(-np.minimum(steps, 8 - steps) / 2))
    problem, spectrum = solved(means, 8)
    with pytest.warns(RuntimeWarning, match="eigenvalues are equal to the one before"):
        found = poisson_uncertainty(problem, spectrum)
    assert found.groups[0] == found.groups[1]
    rng = np.random.default_rng(7)
    drawn = [np.linalg.eigvalsh(target_of(draw(rng, means)))[::-1] for _ in range(600)]
    ratio_within(found.eigenvalues[:2], np.mean(np.array(drawn)[:, :2], axis=1)[:, None].repeat(2, axis=1))


def test_bad_arguments_are_refused(problem, basis):
    own, spectrum = solved(means_of_counts())
    for weight in (0, -1.0, np.nan):
        with pytest.raises(ValueError, match="`event_weight` must be positive and finite"):
            poisson_uncertainty(own, spectrum, event_weight=weight)
        with pytest.raises(ValueError, match="`event_weight` must be positive and finite"):
            rare_pair_bias(own, spectrum, event_weight=weight)
    with pytest.raises(ValueError, match="`spectrum` must be one of the 12 words"):
        poisson_uncertainty(own, basis)
    text = topical_text(np.random.default_rng(0), 3)
    with pytest.raises(ValueError, match="`tokens` must be the text that was counted"):
        document_uncertainty(own, spectrum, text)
    logistic = wf.Problem.from_statistics(own.statistics, loss="logistic")
    for function, arguments in (
        (poisson_uncertainty, ()),
        (rare_pair_bias, ()),
        (document_uncertainty, (text,)),
        (document_bias, (text,)),
    ):
        with pytest.raises(ValueError, match=f"`problem` must be quartic .* for `{function.__name__}`"):
            function(logistic, spectrum, *arguments)
    with pytest.raises(ValueError, match="`tokens` must be the text that was counted"):
        document_bias(own, spectrum, text)
    counted = wf.Problem.from_statistics(count_documents(text, window=4))
    pairs = wf.leading_eigenpairs(counted, 3)
    for groups in (1, 5):
        with pytest.raises(
            ValueError, match=f"`groups` must be between 2 and the 4 documents, but got {groups}"
        ):
            document_bias(counted, pairs, text, groups=groups)
    alone = text_of([*range(SIZE), -1, *[0, 1] * 9, -1])
    counted = wf.Problem.from_statistics(count_documents(alone, window=4))
    with pytest.raises(ValueError, match="`groups` must be few enough that each word occurs in two"):
        document_bias(counted, wf.leading_eigenpairs(counted, 3), alone, groups=2)
    with pytest.raises(ValueError, match="`events` must be positive"):
        expected_target_of_independent_words([1.0, 0.0])
    with pytest.raises(ValueError, match="`step_times` must be positive"):
        poisson_uncertainty(own, spectrum).step_times(np.zeros(SIZE))
