"""The Python of README and docs runs as it stands there."""

import re
from pathlib import Path

import numpy as np
from systems import random_statistics

import w2vflow as wf

ROOT = Path(__file__).parents[1]


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_example_runs(capsys):
    (code,) = blocks("README.md")
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "<->" in printed
    assert "theory-discrete" in printed


def test_large_vocabularies_on_small_ones(tmp_path, monkeypatch):
    """Word for word but on few words; all but the call that joins several hosts."""
    monkeypatch.chdir(tmp_path)
    random_statistics(210).save("all.npz")
    random_statistics(210, seed=1).save("later.npz")
    *codes, joining = blocks("docs/large.md")
    assert "jax.distributed.initialize" in joining
    smaller = {
        "400)": "20)",
        "ts[:200]": "ts[:10]",
        "dim=50": "dim=4",
        "problem, 50,": "problem, 4,",
        "200,": "40,",
    }
    names = {}
    for code in codes:
        for large, small in smaller.items():
            code = code.replace(large, small)
        exec(compile(code, "large.md", "exec"), names)
    assert np.isfinite(names["exact"].error_bound).all()
    assert len(names["through"].ts) == 10 + 19
    assert names["flow"].metadata["device"].startswith("8 x ")


def test_the_real_word2vec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks("docs/word2vec.md"):
        exec(compile(code, "word2vec.md", "exec"), names)
    flow, sgd = names["flow"], names["sgd"]
    assert np.abs(sgd.loss[-1] / flow.loss[-1] - 1) < 0.02
    assert np.abs(names["descent"].loss[-1] / flow.loss[-1] - 1) < 0.01
    assert names["run"].loss[-1] < names["run"].loss[0]


def themed_text(path, documents=300, seed=0):
    """Documents of 40 words, each on one of four themes."""
    rng = np.random.default_rng(seed)
    words = np.array([f"{a}{b}" for a in "abcdefgh" for b in "vwxyz"])
    weights = rng.gamma(0.3, size=(4, len(words))) + 0.02
    weights /= weights.sum(axis=1, keepdims=True)
    lines = (" ".join(rng.choice(words, 40, p=weights[rng.integers(4)])) for _ in range(documents))
    path.write_text("\n".join(lines) + "\n")


def test_predictions_for_the_run_you_make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    themed_text(tmp_path / "my-text.txt")
    names = {}
    for code in blocks("docs/predicting.md"):
        exec(compile(code, "predicting.md", "exec"), names)
    measured = wf.measure_step_times(names["exact"], wf.leading_eigenpairs(names["problem"], 6))
    np.testing.assert_allclose(measured, names["times"], rtol=0.1)
    # Words come in bursts, by documents.
    assert (names["bars"].eigenvalues > names["least"].eigenvalues).all()
    assert names["sgd"].metadata["learning_rate"] > 0


def test_what_was_learned(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks("docs/meaning.md"):
        exec(compile(code, "meaning.md", "exec"), names)
    assert names["score"].too_few == ("alone",)
    assert names["score"].by_category["nation"].accuracy > 0.5
    assert names["match"].subspace_overlap > 0.5
    assert names["found"].concepts_learned > 20
    assert list(names["course"].relations) == ["nation", "plural"]
    assert names["course"].too_few == {"number": 3, "alone": 0}
    assert "number" in capsys.readouterr().out
