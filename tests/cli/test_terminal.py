"""What commands print of words that hold escapes for terminals."""

import ast
import json
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from commands import as_json, refused
from hostile import HARMFUL, TERMINAL, statistics_of

import w2vflow as wf
from w2vflow.cli import main

WORDS = [*TERMINAL, *(f"word{i}" for i in range(8))]


@pytest.fixture
def counts(tmp_path):
    statistics_of(WORDS).save(tmp_path / "counts.npz")
    return tmp_path / "counts.npz"


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.safetensors"
    pairs = wf.leading_eigenpairs(wf.Problem.from_statistics(statistics_of(WORDS)), 3)
    wf.export_vectors(path, np.asarray(pairs.eigenvectors), WORDS, "safetensors")
    return path


def test_tables_of_words(counts, vectors, capsys):
    for command in (
        ("spectrum", counts, "--k", "3", "--dim", "3", "--words", "9"),
        ("progress", vectors, "--statistics", counts, "--concepts", "3"),
    ):
        main([*map(str, command)])
        printed = "".join(capsys.readouterr())
        assert not HARMFUL.findall(printed)
        assert "\\u001b" in printed


def test_json_is_the_same_words(counts):
    plain = as_json("spectrum", counts, "--k", "3", "--dim", "3", "--words", "9")
    words = {word for row in plain["concepts"] for word in row["positive_words"] + row["negative_words"]}
    assert words & set(TERMINAL)
    assert words <= set(WORDS)


def test_json_has_no_escapes_of_a_terminal(counts, capsys):
    main(["spectrum", str(counts), "--k", "3", "--dim", "3", "--words", "9", "--json"])
    printed, _ = capsys.readouterr()
    assert not HARMFUL.findall(printed)
    json.loads(printed)


def test_errors_and_warnings(counts, capsys):
    said = refused(capsys, "progress", "\x1b[2Jnone.bin", "--statistics", counts)
    assert "\\u001b[2Jnone.bin" in said
    assert not HARMFUL.search(said)
    shown = warnings.formatwarning("left out: \x1b[2J", UserWarning, "", 0)
    assert shown == "w2vflow: left out: \\u001b[2J\n"


def test_a_cache_of_code_that_others_can_write_to_is_not_used(counts, tmp_path, monkeypatch):
    """JAX would load and run what they put there."""
    before = jax.config.values["jax_compilation_cache_dir"]
    shared, new = tmp_path / "shared", tmp_path / "new"
    shared.mkdir()
    shared.chmod(0o777)
    try:
        jax.config.update("jax_compilation_cache_dir", str(shared))
        with pytest.warns(
            RuntimeWarning, match=f"others can write to {shared}.*Set it to a folder of your own"
        ):
            main(["spectrum", str(counts), "--k", "2", "--dim", "2"])
        assert jax.config.values["jax_compilation_cache_dir"] is None
        jax.config.update("jax_compilation_cache_dir", str(new))
        main(["spectrum", str(counts), "--k", "2", "--dim", "2"])
        assert new.stat().st_mode & 0o777 == 0o700
        assert jax.config.values["jax_compilation_cache_dir"] == str(new)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_commands_print_at_one_door():
    """Else a new command would print past it."""
    printing = [
        path.name
        for path in sorted((Path(wf.__file__).parent / "cli").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id == "print"
    ]
    assert printing == ["console.py"]
