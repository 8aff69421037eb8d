"""Streams of bytes that come in pieces of any size, or of which some were read ahead."""

import io
from collections.abc import Callable
from typing import Any

__all__ = ["FilledReads", "Rejoined"]


class FilledReads(io.RawIOBase):
    """A stream of which every read is filled but the last, so that its beginning can be looked at.

    Pipes and servers give what they have. If one breaks off, what came before is given first.
    """

    def __init__(self, read: Callable[[int], bytes], close: Callable[[], Any] | None = None) -> None:
        self._given, self._close = read, close
        self._error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        have = 0
        while have < len(buffer):
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            try:
                more = self._given(len(buffer) - have)
            except Exception as error:
                self._error = error
                if have:
                    break
                continue
            if not more:
                break
            buffer[have : have + len(more)] = more
            have += len(more)
        return have

    def close(self) -> None:
        if not self.closed and self._close is not None:
            self._close()
        super().close()


class Rejoined:
    """A stream with the bytes that were read ahead put back, and others added at its end."""

    def __init__(self, head: bytes, stream: Any, tail: bytes = b"") -> None:
        self._head, self._stream, self._tail = head, stream, tail

    def read(self, size: int = 2**16) -> bytes:
        """Return the next bytes, none at the end."""
        given, self._head = self._head[:size], self._head[size:]
        if given or size == 0:
            return given
        more = self._stream.read(size)
        if not more:
            more, self._tail = self._tail[:size], self._tail[size:]
        return more
