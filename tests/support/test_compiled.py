"""Compiled loops, with and without a folder to keep them in."""

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


def test_other_errors_of_numba_are_kept(monkeypatch):
    def broken(**options):
        raise RuntimeError("something else")

    monkeypatch.setattr(numba, "njit", broken)
    with pytest.raises(RuntimeError, match="something else"):
        compiled(double)
