"""Error bars from the size of the corpus, against corpora drawn again and again."""

import numpy as np
import pytest
from systems import random_statistics

import w2vflow as wf
from w2vflow.corpus.documents.documents import count_documents
from w2vflow.corpus.documents.token_file import TokenFile
from w2vflow.theory.corpora import bias
from w2vflow.theory.corpora.bias import expected_target_of_independent_words, rare_pair_bias
from w2vflow.theory.corpora.uncertainty import document_uncertainty, poisson_uncertainty

SIZE = 12
# Small corpora have large biases: what is told of them has tests of its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The size of the corpus biases"),
    pytest.mark.filterwarnings("ignore:`rare_pair_bias` is not to be used"),
]


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
    ratio_within(found.eigenvalues.errors[apart], values[:, ::-1][:, apart])
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

    found = poisson_uncertainty(problem, spectrum).step_times(times(values)).errors
    rng = np.random.default_rng(2)
    drawn = [times(np.linalg.eigvalsh(target_of(draw(rng, means)))[::-1][:3]) for _ in range(600)]
    ratio_within(found, drawn)


def test_untied_weights_have_half_the_exponent():
    counts = means_of_counts()
    tied, spectrum = solved(counts, 3)
    untied = wf.Problem.from_statistics(statistics_of(counts), tied=False)
    times = np.array([1.0, 2.0, 3.0])
    found = [
        poisson_uncertainty(p, spectrum).step_times(t).errors for p, t in ((tied, times), (untied, 2 * times))
    ]
    np.testing.assert_allclose(found[1], 2 * found[0], rtol=1e-11)


def test_directions_not_held_count_by_their_density():
    counts = means_of_counts()
    problem, whole = solved(counts)
    complete = poisson_uncertainty(problem, whole)
    held = poisson_uncertainty(problem, wf.leading_eigenpairs(problem, 4))
    np.testing.assert_allclose(held.eigenvalues.errors, complete.eigenvalues.errors[:4], rtol=1e-10)
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
            found.append(document_uncertainty(problem, spectrum, text, workers=1).eigenvalues.errors[ends])
            poisson.append(poisson_uncertainty(problem, spectrum).eigenvalues.errors[ends])
    # An estimate itself varies from corpus to corpus: 5 errors of its mean and of 80 draws.
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found)) / np.mean(found, axis=0)
    measured = np.std(values, axis=0, ddof=1)
    ratio = np.mean(found, axis=0) / measured
    assert (np.abs(ratio - 1) < 5 * np.hypot(error, 1 / np.sqrt(2 * 79))).all()
    assert (np.mean(poisson, axis=0) < 0.75 * measured).all()


def test_documents_of_one_pair_are_independent_events():
    """There both error bars are one formula, but for what is not of first order."""
    rng = np.random.default_rng(4)
    pairs = np.vstack([np.argwhere(np.ones((SIZE, SIZE))), rng.integers(0, SIZE, size=(3000, 2))])
    text = text_of(np.hstack([pairs, np.full((len(pairs), 1), -1)]).ravel())
    problem = wf.Problem.from_statistics(count_documents(text, window=1))
    spectrum = wf.leading_eigenpairs(problem, 2)
    found, expected = document_uncertainty(problem, spectrum, text), poisson_uncertainty(problem, spectrum)
    np.testing.assert_allclose(found.directions, expected.directions, rtol=1e-5)
    np.testing.assert_allclose(found.eigenvalues.errors, expected.eigenvalues.errors, rtol=0.1)


def counts_of_documents(text, weights):
    """The counts of each document, pair by pair of places."""
    found = np.zeros((text.documents, SIZE, SIZE))
    for own, start, end in zip(found, text.document_starts, text.document_ends, strict=True):
        part = text.tokens[start:end]
        for distance, weight in enumerate(weights, 1):
            np.add.at(own, (part[:-distance], part[distance:]), weight)
    return found + found.swapaxes(1, 2)


def values_of(counts):
    return np.linalg.eigvalsh(target_of(counts))[::-1]


def values_without(each, own):
    """Eigenvalues without some documents; words that are gone keep their ratios to what is left."""
    lost, left = each[own].sum(axis=0), each.sum(axis=0) - each[own].sum(axis=0)
    gone = left.sum(axis=1) < 1e-9 * lost.sum(axis=1)
    with np.errstate(invalid="ignore"):
        target = target_of(left)
    totals = np.where(gone, lost[:, ~gone].sum(axis=1), left.sum(axis=1))
    for i in np.flatnonzero(gone):
        ratio = lost[i] * left.sum() / (totals[i] * totals)
        target[i] = target[:, i] = 2 * (ratio - 1) / (ratio + 1)
    return np.linalg.eigvalsh(target)[::-1]


def jackknife(text, weights):
    """Bias and standard deviation of all eigenvalues, by leaving out one document after the other."""
    each = counts_of_documents(text, weights)
    left_out = [values_without(each, [document]) for document in range(len(each))]
    mean, share = np.mean(left_out, axis=0), (len(each) - 1) / len(each)
    bias = (len(each) - 1) * (mean - values_of(each.sum(axis=0)))
    return bias, np.sqrt(share * ((left_out - mean) ** 2).sum(axis=0))


@pytest.mark.parametrize("weighting", ["linear", "harmonic"])
def test_bias_and_error_bars_are_those_of_the_jackknife(weighting):
    text = topical_text(np.random.default_rng(9), 25)
    problem = wf.Problem.from_statistics(count_documents(text, window=4, weighting=weighting))
    spectrum = wf.leading_eigenpairs(problem, SIZE)
    weights = [4, 3, 2, 1] if weighting == "linear" else [1, 1 / 2, 1 / 3, 1 / 4]
    bias, errors = jackknife(text, weights)
    settings = {"groups": text.documents, "workers": 1}
    found = document_uncertainty(problem, spectrum, text, **settings).eigenvalues
    np.testing.assert_allclose(found.bias, bias, atol=1e-7)
    np.testing.assert_allclose(found.errors, errors, rtol=1e-5)
    np.testing.assert_allclose(found.corrected, spectrum.eigenvalues - bias, atol=1e-7)
    # Half of the pairs hold nearly the same, for those well within them.
    half = document_uncertainty(problem, wf.leading_eigenpairs(problem, 6), text, **settings).eigenvalues
    np.testing.assert_allclose(half.bias[0], bias[0], rtol=0.1)
    np.testing.assert_allclose(half.errors[0], errors[0], rtol=0.1)


def test_groups_of_documents_give_the_bias_and_correct_first_order():
    """Groups left out by their counts, and influences as slopes in the weight of each document."""
    text, G = topical_text(np.random.default_rng(2), 120), 8
    each, D = counts_of_documents(text, [4, 3, 2, 1]), text.documents
    whole = each.sum(axis=0)
    slopes = np.array([values_of(whole + 1e-3 * own) - values_of(whole - 1e-3 * own) for own in each]) / 2e-3
    part = np.random.default_rng(0).permutation(D) % G
    shifts = np.array([values_without(each, part == g) for g in range(G)]) - values_of(whole)
    first = np.array([slopes[part == g].sum(axis=0) for g in range(G)])
    spread = shifts - shifts.mean(axis=0)
    variance = (slopes**2).sum(axis=0) * (spread**2).sum(axis=0) / (first**2).sum(axis=0)
    problem = wf.Problem.from_statistics(count_documents(text, window=4))
    spectrum = wf.leading_eigenpairs(problem, SIZE)
    found = document_uncertainty(problem, spectrum, text, groups=G, workers=1).eigenvalues
    np.testing.assert_allclose(found.bias, (G - 1) * shifts.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(found.errors, (1 - 1 / G) * np.sqrt(variance * D / (D - 1)), rtol=1e-4)


def test_words_of_one_document_keep_their_associations():
    rng = np.random.default_rng(1)
    alone = [*range(SIZE), *rng.integers(SIZE, size=20), -1]
    text = text_of([*alone, *np.hstack([rng.integers(SIZE - 2, size=(6, 15)), np.full((6, 1), -1)]).ravel()])
    problem = wf.Problem.from_statistics(count_documents(text, window=2))
    spectrum = wf.leading_eigenpairs(problem, SIZE)
    bias, errors = jackknife(text, [2, 1])
    found = document_uncertainty(problem, spectrum, text, workers=1).eigenvalues
    np.testing.assert_allclose(found.bias, bias, atol=1e-6)
    np.testing.assert_allclose(found.errors, errors, rtol=1e-5)


def test_a_bias_above_its_error_bar_is_told():
    text = topical_text(np.random.default_rng(9), 25)
    problem = wf.Problem.from_statistics(count_documents(text, window=4))
    spectrum = wf.leading_eigenpairs(problem, 6)
    with pytest.warns(RuntimeWarning, match="biases eigenvalues by more than their error bars") as caught:
        own = document_uncertainty(problem, spectrum, text, workers=1).eigenvalues
    ratios = np.abs(own.bias) / own.errors
    biased = ", ".join(str(k + 1) for k in np.flatnonzero(ratios > 1))
    message = str(caught[0].message)
    assert f"those of concepts {biased} of 6. The worst is concept {ratios.argmax() + 1}: " in message
    assert "Take `eigenvalues.corrected` and `step_times(...).corrected`" in message


def test_step_times_are_those_of_eigenvalues_without_bias():
    text = topical_text(np.random.default_rng(3), 300)
    problem = wf.Problem.from_statistics(count_documents(text, window=4))
    found = document_uncertainty(problem, wf.leading_eigenpairs(problem, 3), text, workers=1)
    own, strengths = found.eigenvalues, np.full(3, 1e-10)
    times = [np.log(values / strengths - 1) / (2 * values) for values in (own.values, own.corrected)]
    assert (np.abs(times[1] / times[0] - 1) > 1e-4).all()
    steps = found.step_times(times[0])
    np.testing.assert_allclose(steps.values, times[0], rtol=1e-14)
    np.testing.assert_allclose(steps.corrected, times[1], rtol=1e-11)


def test_error_bars_print_as_a_table_that_says_which_are_a_lower_bound():
    text = topical_text(np.random.default_rng(3), 300)
    problem = wf.Problem.from_statistics(count_documents(text, window=4))
    spectrum = wf.leading_eigenpairs(problem, 3)
    documents = document_uncertainty(problem, spectrum, text, workers=1)
    counts = poisson_uncertainty(problem, spectrum)
    assert "a lower bound. On text" in str(counts)
    assert "lower bound" not in str(documents)
    own = documents.eigenvalues
    row = str(documents).splitlines()[2].split()
    expected = [1, own.values[0], own.bias[0], own.corrected[0], own.errors[0], documents.directions[0]]
    np.testing.assert_allclose([float(cell) for cell in row], expected, rtol=6e-3)
    # Leading eigenvalues: counts alone do not tell the bias.
    assert np.isnan(counts.eigenvalues.bias).all()


def test_the_weight_of_an_event_comes_from_the_window():
    counts = means_of_counts()
    plain = poisson_uncertainty(*solved(counts)).eigenvalues.errors
    linear = poisson_uncertainty(*solved(counts, window=16, weighting="linear")).eigenvalues.errors
    # sum r^2 / sum r = (2 * 16 + 1) / 3
    np.testing.assert_allclose(linear, np.sqrt(11) * plain, rtol=1e-11)
    harmonic = poisson_uncertainty(*solved(counts, window=2, weighting="harmonic")).eigenvalues.errors
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


def test_the_bias_of_rare_pairs_says_where_it_is_not_to_be_used():
    """Leading eigenvalues: drawn counts have a bias that it does not know."""
    rng = np.random.default_rng(8)
    means = means_of_counts(30)
    problem, spectrum = solved(means, 2)
    with pytest.warns(RuntimeWarning, match="is not to be used for eigenvalues 1, 2: its terms cancel"):
        found = rare_pair_bias(problem, spectrum)
    drawn = [np.linalg.eigvalsh(target_of(draw(rng, means)))[:-3:-1] for _ in range(600)]
    measured = np.mean(drawn, axis=0) - spectrum.eigenvalues
    error = np.std(drawn, axis=0) / np.sqrt(len(drawn))
    far = np.abs(found.eigenvalues - measured) > 0.5 * np.abs(measured) + 3 * error
    assert far.all()
    assert not found.usable.any()


def test_error_bars_warn_of_rare_pairs():
    stats = random_statistics(20)
    problem = wf.Problem.from_statistics(stats)
    spectrum = wf.extreme_eigenpairs(problem, 3)
    with pytest.warns(RuntimeWarning, match="are expected less than 3 times. Use fewer words"):
        found = poisson_uncertainty(problem, spectrum)
    with pytest.warns(
        RuntimeWarning, match=r"Pairs too rare to be met put a bias of -\d+.* on eigenvalue 1 of"
    ):
        rare = rare_pair_bias(problem, spectrum)
    assert rare.coherence[0] > 0.9
    assert found.rare_pairs > 0.3
    assert np.isfinite(found.eigenvalues.bias[0])


def test_equal_eigenvalues_share_one_error_bar():
    steps = np.abs(np.arange(8)[:, None] - np.arange(8))
    means = np.rint(5000 * np.exp(-np.minimum(steps, 8 - steps) / 2))
    problem, spectrum = solved(means, 8)
    with pytest.warns(RuntimeWarning, match="eigenvalues are equal to the one before"):
        found = poisson_uncertainty(problem, spectrum)
    assert found.groups[0] == found.groups[1]
    rng = np.random.default_rng(7)
    drawn = [np.linalg.eigvalsh(target_of(draw(rng, means)))[::-1] for _ in range(600)]
    ratio_within(
        found.eigenvalues.errors[:2], np.mean(np.array(drawn)[:, :2], axis=1)[:, None].repeat(2, axis=1)
    )


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
    ):
        with pytest.raises(ValueError, match=f"`problem` must be quartic .* for `{function.__name__}`"):
            function(logistic, spectrum, *arguments)
    counted = wf.Problem.from_statistics(count_documents(text, window=4))
    pairs = wf.leading_eigenpairs(counted, 3)
    for groups in (1, 5):
        with pytest.raises(
            ValueError, match=f"`groups` must be between 2 and the 4 documents, but got {groups}"
        ):
            document_uncertainty(counted, pairs, text, groups=groups)
    one = text_of([*range(SIZE), -1])
    counted = wf.Problem.from_statistics(count_documents(one, window=4))
    with pytest.raises(ValueError, match="`tokens` must be a text of at least 2 documents, but got 1"):
        document_uncertainty(counted, wf.leading_eigenpairs(counted, 3), one)
    with pytest.raises(ValueError, match="`events` must be positive"):
        expected_target_of_independent_words([1.0, 0.0])
    with pytest.raises(ValueError, match="`step_times` must be positive"):
        poisson_uncertainty(own, spectrum).step_times(np.zeros(SIZE))
