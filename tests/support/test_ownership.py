"""Folders in which others can put what is then run."""

import os

import pytest

from w2vflow.support.ownership import is_own_folder


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    return place


def test_a_folder_of_ones_own(folder):
    assert is_own_folder(folder)
    folder.chmod(0o755)
    assert is_own_folder(folder)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_that_all_can_write_to(folder, mode):
    folder.chmod(mode)
    assert not is_own_folder(folder)


def test_a_folder_that_can_be_replaced(folder):
    folder.parent.chmod(0o777)
    assert not is_own_folder(folder)
    # As /tmp is.
    folder.parent.chmod(0o1777)
    assert is_own_folder(folder)


def test_a_folder_that_a_group_can_write_to(folder, monkeypatch):
    folder.chmod(0o775)
    grp, pwd = pytest.importorskip("grp"), pytest.importorskip("pwd")
    name, group = pwd.getpwuid(os.geteuid()).pw_name, folder.stat().st_gid
    for known, members, own in ((name, [], True), (name, ["eve"], False), ("users", [], False)):
        monkeypatch.setattr(grp, "getgrgid", lambda _, of=(known, "x", group, members): grp.struct_group(of))
        assert is_own_folder(folder) == own


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_another_user(folder):
    os.chown(folder, 1, 1)
    assert not is_own_folder(folder)
    # Where the program is that user's, so is what it does.
    code = folder / "code.py"
    code.touch()
    os.chown(code, 1, 1)
    assert is_own_folder(folder, code)
    inner = folder / "inner"
    inner.mkdir()
    assert not is_own_folder(inner)


def test_a_link_is_what_it_leads_to(folder, tmp_path):
    folder.chmod(0o777)
    (tmp_path / "link").symlink_to(folder)
    assert not is_own_folder(tmp_path / "link")
