"""Notebooks: script and notebook are one, small, say what is learned, and run."""

from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))


def with_small_sizes(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook with the sizes that CI takes.

    The cell tagged `parameters` sets the sizes for readers; its metadata `small` says those of CI, which
    come in a cell of their own after it.
    """
    places = [at for at, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", [])]
    if not places:
        return book
    (at,) = places
    small = nbformat.v4.new_code_cell(book.cells[at].metadata["small"])
    return nbformat.v4.new_notebook(
        metadata=book.metadata, cells=[*book.cells[: at + 1], small, *book.cells[at + 1 :]]
    )


def names_set(source: str) -> set[str]:
    """Return the names that some statements set."""
    names: dict[str, object] = {}
    exec(source, names)
    return names.keys() - {"__builtins__"}


def test_there_are_notebooks():
    assert SCRIPTS
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_and_notebook_are_in_step(script):
    """The same cells; all of the notebook's were run, none with an error; and it stays small."""
    one, other = jupytext.read(script), jupytext.read(script.with_suffix(".ipynb"))
    cells, kept = (
        [(cell.cell_type, cell.source, cell.metadata.get("small")) for cell in book.cells]
        for book in (one, other)
    )
    assert cells == kept, f"Run `jupytext --to ipynb --execute {script.name}` in notebooks/."
    code = [cell for cell in other.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert script.with_suffix(".ipynb").stat().st_size < 400_000


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_says_what_is_learned_and_what_to_read_next(script):
    cells = jupytext.read(script).cells
    assert cells[0].cell_type == cells[-1].cell_type == "markdown" or script.stem == "solvable_corpora"
    assert "You will learn" in cells[0].source or "you will learn" in cells[0].source
    assert "\n1. " in cells[0].source
    assert "\n2. " in cells[0].source


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_small_sizes_are_of_the_parameters(script):
    """A size of CI that nothing reads would leave the notebook as large as it is for readers."""
    cells = [c for c in jupytext.read(script).cells if "parameters" in c.metadata.get("tags", [])]
    assert len(cells) <= 1
    for cell in cells:
        assert names_set(cell.metadata["small"]) <= names_set(cell.source)


def test_small_sizes_come_right_after_the_parameters():
    script = '# %% tags=["parameters"] small="a, b = 1, 2"\na = 10\nb = 20\n\n# %%\nprint(a + b)\n'
    book = with_small_sizes(jupytext.reads(script, fmt="py:percent"))
    assert [cell.source for cell in book.cells] == ["a = 10\nb = 20", "a, b = 1, 2", "print(a + b)"]


def run(book, folder):
    """Run a notebook in a folder; return what its cells gave."""
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(book, timeout=600, kernel_name="python3", resources=resources).execute()
    return [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
# What Jupyter says of its own sockets is not ours.
@pytest.mark.filterwarnings("default")
def test_notebook_runs(script, tmp_path):
    outputs = run(with_small_sizes(jupytext.read(script)), tmp_path)
    assert not [o for o in outputs if o.get("name") == "stderr"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_real_word2vec_without_gensim(tmp_path):
    book = with_small_sizes(jupytext.read(FOLDER / "04_real_word2vec.py"))
    book.cells.insert(0, nbformat.v4.new_code_cell("import sys\nsys.modules['gensim'] = None"))
    outputs = run(book, tmp_path)
    assert not [o for o in outputs if o.get("name") == "stderr"]
    assert any("our own, late" in str(o) for o in outputs)
