"""Workers: tasks handed out a few at a time, and again where a worker is lost."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass
from typing import Any

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error
from w2vflow.support.machine import available_cores

__all__ = ["Resources", "Workers", "worker_count"]

# Bytes of text that one process counts while others would still be starting.
_SMALL_TEXT = 20_000_000
# A task that fails with its worker again and again is itself what kills them.
_TRIES = 4


@checked
@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a count may use.

    Attributes:
        memory: about how much memory, all workers together, beside some 200 MB for each process: `"4GB"`,
            `"512MB"` or a number of bytes.
        workers: tasks at a time; by default one for each core, one for files of 20 MB or less. 1 stays
            in this process; more are processes, and a script calls this below `if __name__ == "__main__":`.
        executor: any `concurrent.futures.Executor` whose workers see the work folder.
        work_dir: where to keep what is done, in a folder `w2vflow-count` that is removed when the file is
            whole; by default `<out>.work`.
    """

    memory: str | int = "4GB"
    workers: int | None = None
    executor: Executor | None = None
    work_dir: str | os.PathLike[str] | None = None


class Workers:
    """A pool of `count` workers: this process, processes started when needed, or a given executor."""

    def __init__(self, count: int, executor: Executor | None) -> None:
        self.count = count
        self._given = executor
        self._own: Executor | None = None

    def _executor(self) -> Executor:
        if self._given is not None:
            return self._given
        if self._own is None:
            # Fresh processes: a fork of one that runs JAX's threads can hang.
            self._own = ProcessPoolExecutor(
                self.count, multiprocessing.get_context("spawn"), initializer=_end_with_parent
            )
        return self._own

    def run(self, call: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield the results of `call(*task)` as they come; a task whose worker is lost is run again.

        Raises:
            RuntimeError: a task lost its worker four times.
        """
        if self._given is None and self.count == 1:
            for task in tasks:
                yield call(*task)
            return
        waiting: dict[Future[Any], tuple[tuple[Any, ...], int]] = {}
        for task in tasks:
            # One more than are running, so that nobody waits for the reader.
            while len(waiting) > self.count:
                yield from self._finished(call, waiting)
            self._submit(call, task, 1, waiting)
        while waiting:
            yield from self._finished(call, waiting)

    def _submit(
        self, call: Callable[..., Any], task: tuple[Any, ...], tries: int, waiting: dict[Any, Any]
    ) -> None:
        try:
            future = self._executor().submit(call, *task)
        except BrokenExecutor:
            # All tasks of a broken pool fail with it; only the first to come here starts a new one.
            self._own = None
            future = self._executor().submit(call, *task)
        waiting[future] = (task, tries)

    def _finished(self, call: Callable[..., Any], waiting: dict[Any, Any]) -> Iterator[Any]:
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            task, tries = waiting.pop(future)
            try:
                yield future.result()
            except Exception as error:
                if not _lost_worker(error):
                    raise
                if tries == _TRIES:
                    raise RuntimeError(
                        f"A task lost its worker {_TRIES} times ({error}). If memory ran out, give less in "
                        "`memory` or use fewer `workers`; what was counted is kept in the work folder. A "
                        "script must count below `if __name__ == '__main__':`, or workers would run it again."
                    ) from error
                self._submit(call, task, tries + 1, waiting)

    def close(self) -> None:
        """End the processes started here."""
        if self._own is not None:
            self._own.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this worker when the process that started it is gone, however it went."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _lost_worker(error: Exception) -> bool:
    # Dask names its own errors; importing it here only to compare would be slow.
    of_dask = ("KilledWorker", "FutureCancelledError", "CommClosedError")
    return isinstance(error, BrokenExecutor | CancelledError) or type(error).__name__ in of_dask


@checked
def worker_count(workers: int | None, text: int | None) -> int:
    """Return how many tasks to run at a time: `workers`, by default one for each core, one for a small text.

    Args:
        workers: how many were asked for.
        text: bytes of text, if known.

    Raises:
        ValueError: fewer than one.
    """
    if workers is not None:
        if workers < 1:
            raise argument_error("workers", "at least 1", workers)
        return workers
    return 1 if text is not None and text <= _SMALL_TEXT else available_cores()
