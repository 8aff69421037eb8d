"""A stream of which the beginning is looked at before it is read, and no more than is asked for."""

from collections.abc import Iterator
from typing import Any

from w2vflow.support.checks import argument_error
from w2vflow.support.packed_files import damages

__all__ = ["Ahead"]

# Bytes read at once: more and more, as few words may be all that is asked for.
_FIRST, _MOST = 2**16, 2**22
# Bytes of a line at most: a million numbers take less.
_LONGEST_LINE = 2**26


class Ahead:
    """What is held of a stream: bytes from the place `at` on, read as far as they are asked for.

    What the stream breaks off with is raised where something is missing: what stands before it may be all
    that is asked for.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._chunk = _FIRST
        self._ended = False
        self._damage: Exception | None = None
        self.held = b""
        self.at = 0

    def reach(self, size: int) -> bool:
        """Return whether there are so many bytes after the place, which are held then."""
        have = len(self.held) - self.at
        if have >= size or self._ended:
            return have >= size
        parts = [self.held[self.at :]]
        while have < size and not self._ended:
            kinds: tuple[type[Exception], ...] = (*damages(), OSError)
            try:
                # Not `read`, which loses what it has where an archive breaks off.
                more = self._stream.read1(self._chunk)
            except kinds as error:
                more, self._damage = b"", error
            parts.append(more)
            have += len(more)
            self._chunk = min(2 * self._chunk, _MOST)
            self._ended = not more
        self.held, self.at = b"".join(parts), 0
        return have >= size

    def head(self, size: int) -> bytes:
        """Return the first bytes after the place, which stay."""
        self.reach(size)
        return self.held[self.at : self.at + size]

    def rest(self, size: int = 2) -> bytes:
        """Return the first bytes of what is left of the stream, none at its end."""
        found = self.head(size)
        if len(found) < size:
            self.raise_damage()
        return found

    def raise_damage(self) -> None:
        """Raise the error that the stream ended with, if any."""
        if self._damage is not None:
            raise self._damage

    def line(self, most: int) -> bytes:
        """Return the next line without its end, of a longer one the first bytes."""
        found = self.head(most).partition(b"\n")[0]
        self.at += len(found) + 1
        return found

    def next_lines(self, most: int) -> Iterator[bytes]:
        """Yield the lines that follow, which stay, without their ends."""
        start = 0
        for _ in range(most):
            while (end := self.held.find(b"\n", self.at + start)) < 0:
                self._check_line(start)
                if not self.reach(len(self.held) - self.at + 1):
                    break
            line = self.held[self.at + start : end if end >= 0 else None]
            if end < 0 and not line:
                return
            yield line
            start += len(line) + 1

    def _check_line(self, start: int) -> None:
        if len(self.held) - self.at - start > _LONGEST_LINE:
            remedy = "It is no file of vectors."
            raise argument_error(
                "path", f"of lines of at most {_LONGEST_LINE:,} bytes", "a longer one", remedy
            )

    def lines(self) -> Iterator[bytes]:
        """Yield the lines from the place on, without their ends; what breaks off is raised at the end."""
        while True:
            end = self.held.rfind(b"\n", self.at)
            if end < 0:
                self._check_line(0)
            if end >= 0:
                block, self.at = self.held[self.at : end], end + 1
                yield from block.split(b"\n")
            elif not self.reach(len(self.held) - self.at + 1):
                self.raise_damage()
                last, self.at = self.held[self.at :], len(self.held)
                if last:
                    yield last
                return
