"""The doctor: it passes here, and where something is broken it says so, and what to do."""

import json
import subprocess
import sys
from functools import partial

import pytest

import w2vflow as wf
from w2vflow.cli import diagnosis
from w2vflow.cli.diagnosis import Check, diagnose
from w2vflow.cli.doctor import Doctor


@pytest.fixture(scope="module")
def checks():
    return list(diagnose())


def only(monkeypatch, **looks):
    """Let the doctor look at these alone."""
    monkeypatch.setattr(diagnosis, "_LOOKS", looks)


def by_name(checks):
    return {check.name: check for check in checks}


def test_this_installation_is_well(checks):
    assert [check.line() for check in checks if check.ok is False] == []


def test_everything_is_looked_at(checks):
    names = {check.name for check in checks}
    assert names >= {
        "Python", "w2vflow", "jax", "jaxlib", "diffrax", "optax", "equinox", "numpy", "scipy", "devices",
        "float64", "matmul precision", "cores and threads", "memory", "disk", "cache of corpora",
        "cache of numba", "cache of JAX", "extra dumps", "extra huggingface", "extra remote",
        "extra cluster", "ffmpeg", "data enwiki15k-v3000", "counting", "spectrum",
        "gradient flow", "SGD",
    }  # fmt: skip
    assert "3,000 words" in by_name(checks)["data enwiki15k-v3000"].detail
    assert all(check.remedy for check in checks if check.ok is not True)


def test_a_failure_is_exit_code_1_with_its_remedy(monkeypatch, capsys):
    only(monkeypatch, one=lambda: iter([Check("clock", False, "it stands still", "wind it up")]))
    with pytest.raises(SystemExit) as raised:
        Doctor().run()
    assert raised.value.code == 1
    shown = capsys.readouterr().out
    assert "FAILED   clock" in shown
    assert "it stands still  ->  wind it up" in shown
    assert "1 failed, 0 with warnings" in shown


def test_an_exception_is_a_failure_and_the_next_is_looked_at(monkeypatch, capsys):
    def broken():
        yield Check("first", True, "fine")
        raise ImportError("libfoo.so: cannot open shared object file")

    only(monkeypatch, broken=broken, next=lambda: iter([Check("next", True, "well")]))
    with pytest.raises(SystemExit) as raised:
        Doctor(json=True).run()
    assert raised.value.code == 1
    report = json.loads(capsys.readouterr().out)
    assert [(check["name"], check["ok"]) for check in report["checks"]] == [
        ("first", True), ("broken", False), ("next", True),
    ]  # fmt: skip
    assert "libfoo.so" in report["checks"][1]["detail"]
    assert report["ok"] is False


def test_a_missing_or_old_package_fails_with_the_command(monkeypatch):
    versions = {"diffrax": None, "jax": "0.4.1", "pooch": None}
    known = diagnosis._version
    monkeypatch.setattr(
        diagnosis, "_version", lambda name: versions[name] if name in versions else known(name)
    )
    found = by_name(diagnosis._versions())
    assert found["diffrax"].ok is False
    assert found["diffrax"].detail.startswith("missing (declared >=")
    assert found["diffrax"].remedy.startswith("pip install 'diffrax>=")
    assert found["jax"].ok is False
    assert found["jax"].detail.startswith("0.4.1")
    assert found["pooch"].ok is False
    assert found["numpy"].ok is True


def test_a_missing_extra_is_a_warning_with_the_command(monkeypatch, capsys):
    monkeypatch.setattr(diagnosis, "_version", lambda name: None if name == "distributed" else "9.9")
    monkeypatch.setattr(diagnosis.shutil, "which", lambda name: None)
    only(monkeypatch, extras=diagnosis._extras)
    Doctor().run()  # no exit code but 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("warning  extra")] == [
        "warning  extra cluster          without distributed, which is there to count on a cluster of Dask "
        " ->  pip install 'w2vflow[cluster]'"
    ]
    assert any(line.startswith("warning  ffmpeg") and "GIFs" in line for line in lines)
    assert "0 failed, 2 with warnings" in lines[-1]


def test_json_tells_warnings_from_failures(monkeypatch, capsys):
    only(monkeypatch, one=lambda: iter([Check("a", None, "odd", "look"), Check("b", True, "good")]))
    Doctor(json=True).run()
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "checks": [
            {"name": "a", "ok": None, "detail": "odd", "remedy": "look"},
            {"name": "b", "ok": True, "detail": "good", "remedy": ""},
        ],
    }


def test_a_flow_that_is_off_is_noticed(monkeypatch):
    monkeypatch.setattr(wf, "solve_flow", partial(wf.solve_flow, rtol=1e-4))
    monkeypatch.setattr(diagnosis, "_sgd_test", lambda *given: iter(()))
    found = by_name(diagnosis._self_test())
    assert found["gradient flow"].ok is False
    assert found["spectrum"].ok is True


def test_a_miscount_and_wrong_data_are_noticed(monkeypatch):
    monkeypatch.setattr(wf, "count", partial(wf.count, weighting="flat"))
    (miscounted,) = diagnosis._counting()
    assert miscounted.ok is False

    def damaged(name):
        raise ValueError("its checksum disagrees with its content")

    monkeypatch.setattr(wf, "load_statistics", damaged)
    (found,) = diagnosis._guarded("bundled data", diagnosis._bundled)
    assert found.ok is False
    assert "checksum" in found.detail


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch):
    (tmp_path / "kept").write_bytes(b"123")
    assert diagnosis._cache("cache", tmp_path, "move").detail.startswith("3 bytes in")
    monkeypatch.setattr(diagnosis.os, "access", lambda place, mode: False)
    check = diagnosis._cache("cache", tmp_path / "a" / "b", "move")
    assert check.ok is None
    assert check.remedy == "move"


def test_without_diffrax_the_doctor_still_runs():
    code = (
        "import sys; sys.modules['diffrax'] = None\n"
        "from w2vflow.cli import diagnosis\n"
        "from w2vflow.cli.doctor import Doctor\n"
        "for name in ('caches', 'bundled data', 'counting'): del diagnosis._LOOKS[name]\n"
        "diagnosis._sgd_test = lambda *given: iter(())\n"
        "Doctor().run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "FAILED   gradient flow" in done.stdout
    assert "diffrax" in done.stdout.split("FAILED   gradient flow")[1].splitlines()[0]
    assert "ok       spectrum" in done.stdout
