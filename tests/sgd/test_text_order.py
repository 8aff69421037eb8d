"""SGD in the order of a text: unbiased batches, the weights of `Mikolov`, and runs that are resumed."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kills import Killed, killed_at, lines_of, same

import w2vflow as wf
from w2vflow.corpus.documents.token_file import TokenFile
from w2vflow.sgd import text_order as streaming
from w2vflow.sgd.full_batch import run_gd
from w2vflow.sgd.samplers.draws import AliasTable
from w2vflow.sgd.stream.pair_stream import PairStream
from w2vflow.sgd.text_order import StreamedPairs, run_sgd_on_text

V, WINDOW = 10, 3


@pytest.fixture(scope="module")
def text():
    """A chain of words that prefer some neighbours, in documents of fifty."""
    rng = np.random.default_rng(0)
    likely = rng.dirichlet(np.full(V, 0.3), size=V) * 0.8 + 0.2 / V
    tokens = []
    for _ in range(400):
        word = int(rng.integers(V))
        for _ in range(50):
            tokens.append(word)
            word = int(rng.choice(V, p=likely[word]))
        tokens.append(-1)
    numbers = np.array(tokens, np.int32)
    return TokenFile(tuple(f"w{i}" for i in range(V)), np.bincount(numbers[numbers >= 0]), numbers)


@pytest.fixture(scope="module")
def stats(text):
    """Counts of both directions by a loop, weighted as windows of random size weigh them."""
    counts = np.zeros((V, V), int)
    for place, word in enumerate(text.tokens):
        for distance in range(1, WINDOW + 1):
            if word < 0 or place + distance >= len(text.tokens) or text.tokens[place + distance] < 0:
                break
            counts[word, text.tokens[place + distance]] += WINDOW + 1 - distance
            counts[text.tokens[place + distance], word] += WINDOW + 1 - distance
    return wf.CooccurrenceStatistics(text.words, counts, text.unigram)


def source_of(negatives=2, parts=1, seed=0):
    rng = np.random.default_rng(seed)
    rows, columns = (jnp.asarray(rng.integers(V, size=(3, 8)), jnp.int32) for _ in range(2))
    contexts = AliasTable.of(rng.random(V))
    return StreamedPairs(parts, True, rows, columns, contexts, wf.Logistic(), negatives, V, float(V) ** 2)


def test_mean_over_negative_contexts_is_that_of_a_loop():
    source = source_of()
    q = np.random.default_rng(0)
    q.integers(V, size=(2, 3, 8))
    q = q.random(V)
    q /= q.sum()
    Z = np.random.default_rng(1).normal(size=(2 * V, 2)).astype(np.float32)
    loss, exact = source.pair_loss, np.zeros(Z.shape)
    for i, j in zip(source.rows[1], source.columns[1], strict=True):
        for column, weight, slope in [(int(j), 1.0, loss.positive_slope)] + [
            (c, 2 * q[c], loss.negative_slope) for c in range(V)
        ]:
            pull = V**2 / 3 / 8 * weight * float(slope(float(Z[i] @ Z[V + column])))
            exact[i] += pull * Z[V + column]
            exact[V + column] += pull * Z[i]
    one = lambda key: source.gradient(jnp.int32(4), key, jnp.asarray(Z))  # noqa: E731
    drawn = np.asarray(jax.vmap(one)(jax.random.split(jax.random.key(0), 20_000)), np.float64)
    standard = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - exact) < 5 * standard + 1e-5).all()
    assert np.median(standard) < 0.05 * np.abs(exact).max()


def test_parts_are_the_batch():
    """With one context that is always drawn, nothing is left to chance."""
    only = AliasTable.of(np.eye(V)[3])
    Z = jnp.asarray(np.random.default_rng(1).normal(size=(2 * V, 2)), jnp.float32)
    found = [
        replace(source_of(parts=parts), contexts=only).gradient(jnp.int32(2), jax.random.key(0), Z)
        for parts in (1, 4)
    ]
    np.testing.assert_allclose(*found, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_a_stream_follows_descent_on_the_problem_of_mikolov(text, stats, tied):
    weighting = wf.Mikolov(subsample=0.0, negatives=2)
    problem = wf.Problem.from_statistics(
        stats, weighting=wf.Symmetrized(weighting) if tied else weighting, loss="logistic", tied=tied
    )
    init = wf.gaussian_init if tied else wf.untied_init
    W0 = init(jax.random.key(0), V, 2, 0.5)
    ts = 0.005 * np.array([0, 100, 200, 400])
    run = {"learning_rate": 0.005, "recording": wf.Recording(save_embeddings=True)}
    full = run_gd(problem, W0, ts, **run)
    sgd = run_sgd_on_text(
        problem, W0, ts, corpus=text, key=jax.random.key(1), batch_size=2048, window=WINDOW, **run
    )
    assert np.abs(sgd.singular_values - full.singular_values).max() < 0.03 * full.singular_values.max()
    np.testing.assert_allclose(sgd.loss, full.loss, rtol=0.01)
    moved = np.abs(full.singular_values[-1] - full.singular_values[0]).max()
    assert moved > 0.2 * full.singular_values.max()
    assert (sgd.contexts is None) == tied


def test_rate_of_word2vec(stats, text, monkeypatch):
    """One step of one pair is word2vec.c's update, with the rate that the docstring says."""
    monkeypatch.setattr(streaming, "_BLOCK_PAIRS", 4)
    problem = wf.Problem.from_statistics(
        stats, weighting=wf.Mikolov(subsample=0.0, negatives=1, power=200.0), loss="logistic", tied=False
    )
    W0 = np.asarray(wf.untied_init(jax.random.key(0), V, 2, 1.0))
    eta = 1e-3
    run = run_sgd_on_text(
        problem, W0, [eta], corpus=text, key=jax.random.key(1), learning_rate=eta, batch_size=1,
        window=WINDOW, recording=wf.Recording(save_embeddings=True),
    )  # fmt: skip
    # So high a power leaves the most frequent word as the only negative context, skipped where it is the own.
    frequent = int(np.argmax(text.unigram))
    skipped = stats.counts.toarray()[:, frequent].sum() / stats.counts.toarray().sum()
    alpha = 2 * V**2 * eta / (2 - skipped)
    i, j = (int(np.flatnonzero((after != before).any(axis=1))[0]) for before, after in [
        (W0[0].astype(np.float32), run.embeddings[0]), (W0[1].astype(np.float32), run.contexts[0])
    ])  # fmt: skip
    high, low = (int(word) for word in jax.random.bits(jax.random.key(1), (2,), jnp.uint32))
    with PairStream(text, 1, window=WINDOW, subsample=0.0, seed=(high << 32) + low) as stream:
        row, column = (int(x[0]) for x in next(stream))
    W, C = W0.copy()
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    pulls = [(column, 1 - sigmoid(W[row] @ C[column])), (frequent, -sigmoid(W[row] @ C[frequent]))]
    pulls = pulls[: 1 if column == frequent else 2]
    word = W[row].copy()
    for context, pull in pulls:
        W[row] += alpha * pull * W0[1][context]
        C[context] += alpha * pull * word
    assert i == row
    assert j in (column, frequent)
    np.testing.assert_allclose(run.embeddings[0], W, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run.contexts[0], C, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("step", [1, 16, 20, 60])
def test_resumed_after_a_kill(stats, text, tmp_path, monkeypatch, step):
    """Within a block of sixteen steps, and where one ends."""
    monkeypatch.setattr(streaming, "_BLOCK_PAIRS", 16 * 32)
    problem = wf.Problem.from_statistics(stats, weighting=wf.Mikolov(), tied=False, loss="logistic")
    W0 = wf.untied_init(jax.random.key(0), V, 2, 0.5, contexts="zero")
    run = {
        "corpus": text, "key": jax.random.key(1), "learning_rate": 0.002, "batch_size": 32,
        "window": WINDOW,
    }  # fmt: skip
    ts = 0.002 * np.array([0, 16, 25, 80])
    whole = run_sgd_on_text(problem, W0, ts, **run, recording=wf.Recording(save_embeddings=True))
    run["recording"] = wf.Recording(
        save_embeddings=True, checkpoint=tmp_path / "c", checkpoint_every=0.0, metrics=tmp_path / "m"
    )
    with monkeypatch.context() as patch:
        killed_at(patch, step)
        with pytest.raises(Killed):
            run_sgd_on_text(problem, W0, ts, **run)
    assert (tmp_path / "c" / "manifest.json").exists()
    resumed = run_sgd_on_text(problem, W0, ts, **run)
    same(resumed, whole)
    np.testing.assert_array_equal(resumed.contexts, whole.contexts)
    steps = [line["step"] for line in lines_of(tmp_path / "m")]
    assert steps == sorted(set(steps))
    assert {0, 16, 25, 80} <= set(steps)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"weighting": wf.Uniform()}, r"`problem` must be one with `Mikolov` weights .* got Uniform\(\)"),
        ({"weighting": wf.Mikolov(negatives=2.5)}, "a whole number of negatives"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"W0": np.ones((3, 2, V, 2))}, r"`W0` must be of one seed, \(2, V, dim\)"),
        ({"window": 0}, "`window` must be at least 1"),
        ({"learning_rate": -1.0}, "`learning_rate` must be positive"),
        ({"words": "abcdefghij"}, "`corpus` must be of the words of the problem's statistics"),
    ],
)
def test_bad_arguments(stats, text, change, match):
    change = dict(change)
    problem = wf.Problem.from_statistics(stats, weighting=change.pop("weighting", wf.Mikolov()), tied=False)
    corpus = replace(text, words=tuple(change.pop("words", text.words)))
    arguments = {
        "W0": np.ones((2, V, 2)), "ts": [1.0], "corpus": corpus, "key": jax.random.key(0),
        "learning_rate": 0.1, "batch_size": 4,
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=match):
        run_sgd_on_text(problem, **arguments)
