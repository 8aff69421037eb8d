"""Commands where standard streams are closed, of another encoding, or interrupted early."""

import signal
import subprocess
import sys

import pytest

import w2vflow.__main__ as entry

COMMAND = [sys.executable, "-m", "w2vflow"]
COUNT = "count t.txt --vocab-size 5 --tokens unicode --out c.npz"


@pytest.fixture
def text(tmp_path):
    (tmp_path / "t.txt").write_text("łódź und 東京 für alle\n" * 9, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams(text, closed):
    line = f"{sys.executable} -m w2vflow {COUNT} {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (text / "c.npz").is_file()


def test_an_output_without_the_letters(text, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = subprocess.run([*COMMAND, *COUNT.split(), "--json"], cwd=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    missing = subprocess.run([*COMMAND, "spectrum", "łódź.npz"], cwd=text, capture_output=True, check=False)
    assert missing.returncode == 2
    assert b"\\u0142\\xf3d\\u017a.npz" in missing.stderr


def test_an_interruption_while_modules_are_loaded(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "w2vflow.cli", None)

    def interrupted(name, *others, **more):
        if name == "w2vflow.cli":
            signal.raise_signal(signal.SIGINT)
        return plain(name, *others, **more)

    plain = __import__
    monkeypatch.setattr("builtins.__import__", interrupted)
    # Clusters of other tests leave a handler of their own.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as ended:
            entry.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "w2vflow: interrupted\n"
