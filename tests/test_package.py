"""What importing does and does not do, and the rules of the house."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "w2vflow"
FILES = sorted(SOURCE.rglob("*.py"))

# Bottom to top: a room imports only from those above it in this list; sisters do not import each other.
LAYERS = [
    ["support"],
    ["counts"],
    ["corpus"],
    ["problem"],
    ["spectrum"],
    ["results"],
    ["embeddings"],
    ["theory", "flow", "sgd"],
    ["semantics"],
    ["plotting"],
    ["report"],
    ["experiments"],
    ["loading"],
    ["cli"],
]


def room(module: str) -> str:
    return module.split(".")[1]


def test_import_changes_no_setting_and_loads_nothing_heavy():
    code = (
        "import sys, jax; before = jax.config.values.copy(); import w2vflow as wf; "
        "every = [getattr(wf, name) for name in wf.__all__]; "
        "assert jax.config.values == before, 'a JAX setting changed'; "
        "assert not jax.config.jax_enable_x64; "
        "loaded = {'matplotlib', 'numba', 'xarray', 'pandas'} & set(sys.modules); assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_counting_does_not_wait_for_jax():
    code = "import sys, w2vflow; w2vflow.count; w2vflow.load_statistics; assert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_downward(path):
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    level = next(i for i, rooms in enumerate(LAYERS) if own in rooms)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("w2vflow."):
            other = room(node.module)
            below = {name for rooms in LAYERS[:level] for name in rooms}
            assert other == own or other in below, f"{path.name} imports {node.module}"


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("diffrax", {"flow"}),
        ("optax", {"sgd"}),
        ("matplotlib", {"plotting"}),
        ("tyro", {"cli"}),
        ("numba", {"corpus", "sgd"}),
        ("pooch", {"corpus"}),
        ("plotly", {"report"}),
    ],
)
def test_a_library_has_one_home(library, home):
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == library for name in names):
                assert path.relative_to(SOURCE).parts[0].removesuffix(".py") in home, path


def test_only_the_command_line_prints():
    for path in FILES:
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        printing = any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls)
        assert not printing or path.relative_to(SOURCE).parts[0] == "cli", path


def test_rooms_stay_small():
    for path in FILES:
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = node.end_lineno - body[0].lineno + 1 if body else 0
                assert length <= 60, f"{path.name}: {node.name} has {length} lines"
