"""The Python of README and docs runs as it stands there, and prints what they say."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from systems import random_statistics
from texts import themed_text

import w2vflow as wf

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]

# The one call that needs a second host.
NEEDS_HOSTS = "jax.distributed.initialize"
NUMBER = r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?"


def blocks(page):
    """The Python of a page, each with the output that the page shows below it, or None."""
    text = (ROOT / page).read_text()
    pattern = r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?"
    return [(found[1], found[2]) for found in re.finditer(pattern, text, re.DOTALL)]


def run_page(page, smaller=()):
    """Run the Python of a page from top to bottom; return its names and all it printed.

    Args:
        page: path from the root.
        smaller: pairs of text and what stands in its place here.
    """
    names, printed = {}, ""
    for code, shown in blocks(page):
        if NEEDS_HOSTS in code:
            continue
        for large, small in smaller:
            code = code.replace(large, small)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, page, "exec"), names)
        if shown is not None:
            assert_same(said.getvalue(), shown)
        printed += said.getvalue()
    return names, printed


def assert_same(printed, shown):
    """The same words, and the same numbers but for what differs between machines and versions."""
    assert re.sub(NUMBER, "#", printed).split() == re.sub(NUMBER, "#", shown).split()
    numbers = [[float(x) for x in re.findall(NUMBER, text)] for text in (printed, shown)]
    np.testing.assert_allclose(*numbers, rtol=0.02, atol=0.012)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_page_with_python_has_a_test():
    tested = Path(__file__).read_text()
    with_code = [page for page in PAGES if any(NEEDS_HOSTS not in code for code, _ in blocks(page))]
    assert not [page for page in with_code if f'run_page("{page}"' not in tested]


def test_example_runs():
    names, printed = run_page("README.md")
    assert "religion" in printed
    measured = wf.measure_step_times(names["flow"], names["spectrum"])
    np.testing.assert_allclose(measured, names["times"], rtol=0.01)


def test_first_steps():
    names, _ = run_page("docs/first-steps.md")
    assert np.abs(names["late"]).max() < 0.05
    assert Path("staircase.png").stat().st_size > 10_000


def test_the_theory_in_ten_minutes():
    run_page("docs/theory.md")


def test_trust():
    _, printed = run_page("docs/trust.md")
    assert "{'format': 'word2vec-binary', 'checksum': None}" in printed


def test_saving():
    names, _ = run_page("docs/saving.md")
    assert isinstance(names["again"], wf.Trajectory)
    assert names["instant"].trajectories["flow"].singular_values.shape[0] == 2
    mean = names["flow"].singular_values[..., 0].mean(axis=0)
    np.testing.assert_allclose(names["first"].values, mean**2, rtol=1e-14)


def test_figures():
    import matplotlib.pyplot as plt

    names, printed = run_page("docs/figures.md")
    plt.close("all")
    assert Path("learning.pdf").stat().st_size > 5_000
    assert names["film"].stat().st_size > 5_000
    assert "learning." in printed


def test_notebooks():
    names, _ = run_page("docs/notebooks.md")
    assert "range" in names["slide"](names["draw"], [0.0, 1.0])._repr_html_()


@pytest.mark.slow
def test_reading_a_run(capsys):
    from w2vflow.cli import main

    themed_text(Path("my-text.txt"))
    tiny = "--vocab-size 30 --dim 3 --seeds 2 --observations 6 --batch-size 512 --flow-scales 0.1"
    main(["run", "my-text.txt", *tiny.split()])
    names, printed = run_page("docs/reading.md")
    assert len(names["run"].features) == 3
    assert "sgd" in printed


# Dask warns of its own dependencies.
@pytest.mark.filterwarnings("ignore")
def test_counting_on_a_cluster(tmp_path):
    import zstandard

    themed_text(tmp_path / "plain.txt", documents=30)
    (tmp_path / "text").mkdir()
    packed = zstandard.compress((tmp_path / "plain.txt").read_bytes())
    (tmp_path / "text" / "one.zst").write_bytes(packed)
    smaller = [
        ('"scheduler:8786"', "processes=False, n_workers=2, dashboard_address=None"),
        ("/shared/", f"{tmp_path}/"),
        ("100_000", "40"),
        ("workers=64", "workers=2"),
    ]
    names, _ = run_page("docs/counting.md", smaller)
    names["client"].close()
    whole = wf.count(str(tmp_path / "plain.txt"), vocab_size=40, workers=1)
    counted = wf.CooccurrenceStatistics.load(tmp_path / "counts.npz")
    assert counted.sha256 == whole.sha256


def test_large_vocabularies_on_small_ones():
    """Word for word but on few words; all but the call that joins several hosts."""
    random_statistics(210).save("all.npz")
    random_statistics(210, seed=1).save("later.npz")
    assert NEEDS_HOSTS in blocks("docs/large.md")[-1][0]
    smaller = {
        "400)": "20)",
        "ts[:200]": "ts[:10]",
        "dim=50": "dim=4",
        "problem, 50,": "problem, 4,",
        "200,": "40,",
    }
    names, _ = run_page("docs/large.md", smaller.items())
    assert np.isfinite(names["exact"].error_bound).all()
    assert len(names["through"].ts) == 10 + 19
    assert names["flow"].metadata["device"].startswith("8 x ")


def test_the_real_word2vec():
    names, _ = run_page("docs/word2vec.md")
    flow, sgd = names["flow"], names["sgd"]
    assert np.abs(sgd.loss[-1] / flow.loss[-1] - 1) < 0.02
    assert np.abs(names["descent"].loss[-1] / flow.loss[-1] - 1) < 0.01
    assert names["run"].loss[-1] < names["run"].loss[0]


# A text of a few themes is as small as that: the page says what the warning means.
@pytest.mark.filterwarnings("ignore:The size of the corpus biases")
def test_predictions_for_the_run_you_make():
    themed_text(Path("my-text.txt"))
    names, _ = run_page("docs/predicting.md")
    measured = wf.measure_step_times(names["exact"], wf.leading_eigenpairs(names["problem"], 6))
    np.testing.assert_allclose(measured, names["times"], rtol=0.1)
    # Words come in bursts, by documents.
    assert (names["bars"].eigenvalues.errors > names["least"].eigenvalues.errors).all()
    assert names["sgd"].metadata["learning_rate"] > 0


def test_everything_is_a_function():
    names, _ = run_page("docs/functions.md")
    assert names["times"].shape == (64, 8, 4)
    # Twice all counts change nothing.
    assert abs(names["stats"].values @ names["slopes"]) < 1e-9 * np.abs(names["slopes"]).max()
    assert np.isfinite(names["losses"]).all()


def test_what_was_learned():
    names, printed = run_page("docs/meaning.md")
    assert names["score"].too_few == ("alone",)
    assert names["score"].by_category["nation"].accuracy > 0.5
    assert names["match"].subspace_overlap > 0.5
    assert names["found"].concepts_learned > 20
    assert list(names["course"].relations) == ["nation", "plural"]
    assert names["course"].too_few == {"number": 3, "alone": 0}
    assert "number" in printed
