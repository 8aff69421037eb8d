"""The folder in which commands keep what is compiled."""

import stat

import pytest

from w2vflow.support.compiled_code import compiled_code_folder


def test_by_default_it_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv("W2VFLOW_COMPILED", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = compiled_code_folder()
    assert folder.parent == tmp_path / "w2vflow" / "compiled"
    for place in (folder, folder.parent):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_it_can_be_named_and_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("W2VFLOW_COMPILED", str(tmp_path / "mine"))
    assert compiled_code_folder().parent == tmp_path / "mine"
    monkeypatch.setenv("W2VFLOW_COMPILED", "off")
    assert compiled_code_folder() is None


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_not_where_others_write(monkeypatch, tmp_path, mode):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(mode)
    monkeypatch.setenv("W2VFLOW_COMPILED", str(tmp_path / "open"))
    assert compiled_code_folder() is None
