"""Compiled loops, with and without a folder to keep them in."""

from pathlib import Path

import numba
import pytest

from w2vflow.support.compiled import _warn_once, compiled, compiled_folder


def double(x):
    return 2 * x


def test_a_compiled_function_is_kept_on_disk():
    function = compiled(double)
    assert function(3) == 6
    assert function.stats.cache_path is not None
    assert compiled_folder().is_dir()


def test_without_a_folder_it_is_compiled_anew_with_a_warning(monkeypatch):
    plain = numba.njit

    def nowhere(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'double': no locator available for file 'x.py'")
        return plain(**options)

    monkeypatch.setattr(numba, "njit", nowhere)
    _warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR"):
        function = compiled(double)
    assert function(3) == 6
    assert function.stats.cache_path is None
    # Once a process: warnings are errors here.
    compiled(double)
    assert compiled_folder() is None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "numba"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(place))
    _warn_once.cache_clear()
    return place


def test_a_new_folder_is_of_this_user_alone(folder):
    kept = Path(compiled(double).stats.cache_path)
    assert kept.parent == folder
    assert kept.stat().st_mode & 0o777 == folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_write_to_is_not_used(folder):
    """What they put there would be run: numba unpickles it."""
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.warns(
        RuntimeWarning, match=f"others can write to {folder}.*Set NUMBA_CACHE_DIR to a folder of"
    ):
        function = compiled(double)
    assert function(3) == 6
    assert function.stats.cache_path is None
    assert compiled_folder() is None


def test_other_errors_of_numba_are_kept(monkeypatch):
    def broken(**options):
        raise RuntimeError("something else")

    monkeypatch.setattr(numba, "njit", broken)
    with pytest.raises(RuntimeError, match="something else"):
        compiled(double)
