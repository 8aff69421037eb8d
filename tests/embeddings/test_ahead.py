"""A stream that is looked at before it is read, and what it breaks off with."""

import io

import pytest

from w2vflow.embeddings.ahead import Ahead

LINES = [b"one", b"", b"three" * 9, b"four"]


class Breaking(io.BytesIO):
    """A stream that ends with an error."""

    def read1(self, size=-1):
        found = super().read1(size)
        if not found:
            raise ConnectionError("no more")
        return found


@pytest.mark.parametrize("size", [1, 3, 2**16])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_lines_are_those_of_the_stream(monkeypatch, size, end):
    monkeypatch.setattr("w2vflow.embeddings.ahead._FIRST", size)
    monkeypatch.setattr("w2vflow.embeddings.ahead._MOST", size)
    content = b"\n".join(LINES) + end
    for most in range(6):
        data = Ahead(io.BytesIO(content))
        assert list(data.next_lines(most)) == LINES[:most]
        assert data.head(3) == b"one"
        assert list(data.lines()) == LINES
    data = Ahead(io.BytesIO(content))
    assert data.line(100) == b"one"
    assert list(data.lines()) == LINES[1:]
    assert data.rest() == b""


def test_what_came_before_the_break_is_given():
    data = Ahead(Breaking(b"one\ntwo\nthr"))
    found = data.lines()
    assert [next(found), next(found)] == [b"one", b"two"]
    with pytest.raises(ConnectionError, match="no more"):
        next(found)
    data = Ahead(Breaking(b"one"))
    assert data.head(9) == b"one"
    with pytest.raises(ConnectionError, match="no more"):
        data.rest(9)


def test_a_line_beyond_all_vectors_is_refused():
    stream = io.BufferedReader(io.BytesIO(b"1 " * 40_000_000))
    with pytest.raises(ValueError, match="`path` must be of lines of at most 67,108,864 bytes"):
        list(Ahead(stream).lines())
    with pytest.raises(ValueError, match="lines of at most"):
        list(Ahead(io.BufferedReader(io.BytesIO(b"1 " * 40_000_000))).next_lines(3))
