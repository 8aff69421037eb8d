"""Settings in files, exit codes, pipes and completion of the command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import as_json, refused

from w2vflow.cli import main
from w2vflow.cli.datasets import Datasets


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        ("a.json", '{"lerning_rate": 1}', "`lerning_rate` in a.json. Did you mean `learning_rate`?"),
        ("a.toml", "vocab-siz = 3", "Unknown setting `vocab-siz` in a.toml. Did you mean `vocab_size`?"),
        ("a.json", '{"qqq": 1}', "Unknown setting `qqq` in a.json. Known are batch_size, cloud_words"),
        ("a.json", '{"seeds": "many"}', "`seeds` must be a whole number, but got 'many' in a.json"),
        ("a.json", '{"seeds": true}', "`seeds` must be a whole number, but got True"),
        ("a.json", '{"scale": "small"}', "`scale` must be a number, but got 'small'"),
        ("a.toml", "weighting = 'cubic'", "`weighting` must be one of 'linear', 'harmonic', 'flat'"),
        ("a.toml", "flow_scales = ['x']", "`flow_scales` must be a number, but got 'x'"),
        ("a.toml", "flow_scales = 1.0", "`flow_scales` must be a list, each a number, but got 1.0"),
        ("a.json", '{"out": 3}', "`out` must be a path, but got 3"),
        ("a.json", '{"film": 1}', "`film` must be true or false, but got 1"),
        ("a.json", '{"tokens": 1}', "`tokens` must be text, but got 1"),
        ("a.json", '{"dim": 0}', "`dim` must be at least 1"),
        ("a.json", '{"command": "run ablation"}', "Try `w2vflow run ablation --config a.json`"),
        ("a.json", "{", "`config` must be a whole .json file, but got a.json"),
        ("a.toml", "= 3", "`config` must be a whole .toml file"),
        ("a.json", "[1]", "`config` must be names with values, but got a.json with a list"),
        ("a.yaml", "dim: 3", "`config` must be a .json or .toml file, but got a.yaml"),
        ("b.json", "", "There is no file of settings a.json"),
    ],
)  # fmt: skip
def test_bad_settings_from_files(file, content, match, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path(file).write_text(content)
    named = file if file != "b.json" else "a.json"
    assert match in refused(capsys, "run", "--config", named)
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_datasets_as_json(capsys):
    names = {entry["name"]: entry for entry in as_json("datasets")["datasets"]}
    assert names["enwiki15k-v3000"]["at_hand"] is True


@pytest.mark.parametrize(
    ("error", "code", "match"),
    [
        (ValueError("bad"), 2, "w2vflow: bad"),
        (ImportError("missing"), 2, "w2vflow: missing"),
        (OverflowError("int too big"), 2, "w2vflow: a number that was given is too large (int too big)"),
        (RuntimeError("SGD diverged"), 1, "w2vflow: SGD diverged"),
        (KeyboardInterrupt(), 130, "w2vflow: interrupted"),
    ],
)
def test_exit_codes(error, code, match, monkeypatch, capsys):
    def fails(command):
        raise error

    monkeypatch.setattr(Datasets, "run", fails)
    assert refused(capsys, "datasets", code=code) == match
    # A program that calls a command keeps its own signals.
    assert signal.set_wakeup_fd(-1) == -1


def test_a_reader_that_has_seen_enough():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "w2vflow", "datasets"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell, tmp_path):
    script = tmp_path / "w2vflow"
    with pytest.raises(SystemExit) as ended:
        main(["--tyro-write-completion", shell, str(script)])
    assert ended.value.code in (0, None)
    known = script.read_text()
    assert all(name in known for name in ("spectrum", "doctor", "ablation", "dry-run", "vocab-size"))
    if shell == "bash":
        subprocess.run(["bash", "-n", str(script)], check=True)
