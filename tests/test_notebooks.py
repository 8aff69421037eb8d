"""Notebooks: script and notebook are one, small, and run."""

from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))


def test_there_are_notebooks():
    assert SCRIPTS
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_and_notebook_are_in_step(script):
    """The same cells; all of the notebook's were run, none with an error; and it stays small."""
    one, other = jupytext.read(script), jupytext.read(script.with_suffix(".ipynb"))
    cells, kept = ([(cell.cell_type, cell.source) for cell in book.cells] for book in (one, other))
    assert cells == kept, f"Run `jupytext --to ipynb --execute {script.name}` in notebooks/."
    code = [cell for cell in other.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert script.with_suffix(".ipynb").stat().st_size < 400_000
    assert one.cells[0].cell_type == "markdown"
    assert "You will learn" in one.cells[0].source


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
# What Jupyter says of its own sockets is not ours.
@pytest.mark.filterwarnings("default")
def test_notebook_runs(script, tmp_path):
    book = jupytext.read(script)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(book, timeout=600, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [o for o in outputs if o.get("name") == "stderr"]
