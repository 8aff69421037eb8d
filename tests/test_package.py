"""What importing does and does not do, and the rules of the house."""

import ast
import contextlib
import importlib
import inspect
import subprocess
import sys
import typing
from pathlib import Path
from types import ModuleType

import pytest
from public import public_names

import w2vflow as wf

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


def imports(path):
    """Modules that a file imports names from, and the names."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [
        (n.module, [a.name for a in n.names]) for n in nodes if isinstance(n, ast.ImportFrom) and n.module
    ]


def room(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def listed(package):
    """The names that a package's stub lists, which is where it is entered."""
    tree = ast.parse((SOURCE / package / "__init__.pyi").read_text())
    return {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}


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
def test_imports_run_downward_and_through_the_door(path):
    """A package is entered by the names that it lists; `support`, a shelf of modules, by its modules."""
    own = room(path)
    if own in ("__init__", "__main__"):
        return
    level = next(i for i, rooms in enumerate(LAYERS) if own in rooms)
    below = {name for rooms in LAYERS[:level] for name in rooms}
    for module, names in imports(path):
        package, *inner = module.split(".")
        if package != "w2vflow" or not inner or inner[0] == own:
            continue
        assert inner[0] in below, f"{path.name} imports {module}"
        if inner[0] != "support" and (SOURCE / inner[0]).is_dir():
            assert len(inner) == 1, f"{path.name} enters {module} past its door"
            assert set(names) <= listed(inner[0]), f"{path.name} takes what {module} does not list"


def test_the_story_is_some_fifty_names():
    flat = [name for name in wf.__all__ if not isinstance(getattr(wf, name), ModuleType)]
    assert len(flat) <= 55
    assert dir(wf) == sorted(wf.__all__)


def test_packages_show_public_names_and_nothing_else():
    for path in SOURCE.glob("*/__init__.pyi"):
        package = importlib.import_module(f"w2vflow.{path.parent.name}")
        assert dir(package) == sorted(listed(path.parent.name))


def returned(function):
    """The classes of this package in what a function is annotated to return."""
    hint = inspect.signature(function).return_annotation
    todo, found = [hint], set()
    while todo:
        one = todo.pop()
        todo += typing.get_args(one)
        if isinstance(one, type) and one.__module__.startswith("w2vflow"):
            found.add(one)
    return found


def test_every_type_that_a_public_function_returns_is_public():
    public = dict(public_names())
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    for value in [value for value in public.values() if inspect.isclass(value)]:
        methods = inspect.getmembers(value, lambda m: inspect.isfunction(m) or inspect.ismethod(m))
        functions |= {f"{value.__name__}.{name}": m for name, m in methods if name[0] != "_"}
    known = {id(value) for value in public.values()}
    hidden = {}
    for name, function in functions.items():
        with contextlib.suppress(ValueError):
            if missing := [kind for kind in returned(function) if id(kind) not in known]:
                hidden[name] = missing
    assert not hidden


def test_every_argument_can_be_given_by_its_name():
    functions = [value for _, value in public_names() if inspect.isfunction(value)]
    assert len(functions) > 100
    for function in functions:
        kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
        assert inspect.Parameter.POSITIONAL_ONLY not in kinds, function


def test_no_signature_is_too_long_to_read():
    """At most twelve parameters; the doors to text spell out how it is read, cut and counted.

    An ensemble is told all that a run is, and its start.
    """
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name not in (
                "count",
                "count_to_file",
                "count_slices",
                "tokenize",
                "run_sgd_ensemble",
            ):
                arguments = [a.arg for a in node.args.posonlyargs + node.args.args + node.args.kwonlyargs]
                own = [name for name in arguments if name not in ("self", "cls")]
                assert len(own) <= 12, f"{path.name}: {node.name} has {len(own)} parameters"


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("diffrax", {"flow"}),
        ("optax", {"sgd"}),
        ("matplotlib", {"plotting"}),
        ("tyro", {"cli"}),
        ("numba", {"support", "corpus", "sgd"}),
        ("pooch", {"corpus"}),
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
