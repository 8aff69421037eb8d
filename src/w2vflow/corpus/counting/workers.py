"""Workers: tasks handed out a few at a time, and again where a worker is lost."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass
from typing import Any

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error, check_at_least
from w2vflow.support.machine import available_cores

__all__ = ["Resources", "Workers", "worker_count"]

# A task that fails with its worker again and again is itself what kills them.
_TRIES = 4
# No machine has as many cores; each takes a thread and memory.
_MOST_WORKERS = 4096


@checked
@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a count may use.

    Attributes:
        memory: how much memory the whole process may take, at least 400 MB: `"4GB"`, `"512MB"` or a number
            of bytes. What else it does, and the memory of other processes of `executor`, are not in it.
        workers: threads at a time; by default one for each core.
        executor: any `concurrent.futures.Executor` whose workers see the work folder, in place of threads.
        work_dir: where to keep what is done, in a folder `w2vflow-count` that is removed when the file is
            whole; by default `<out>.work`.
    """

    memory: str | int = "4GB"
    workers: int | None = None
    executor: Executor | None = None
    work_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        worker_count(self.workers)


class Workers:
    """A pool of `count` threads of this process, or a given executor.

    The compiled loops of counting let go of Python's lock, so that threads do as well as processes would,
    which each compile and start anew, and read a script again that did not expect it.
    """

    def __init__(self, count: int, executor: Executor | None) -> None:
        self.count = count
        self._own = ThreadPoolExecutor(count, "w2vflow-count") if executor is None else None
        self._executor: Any = executor or self._own

    def run(self, call: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield the results of `call(*task)` as they come; a task whose worker is lost is run again.

        Raises:
            RuntimeError: a task lost its worker four times.
        """
        if self._own is not None and self.count == 1:
            for task in tasks:
                yield call(*task)
            return
        waiting: dict[Future[Any], tuple[tuple[Any, ...], int]] = {}
        for task in tasks:
            # One more than are running, so that nobody waits for the reader.
            while len(waiting) > self.count:
                yield from self._finished(call, waiting)
            waiting[self._executor.submit(call, *task)] = (task, 1)
        while waiting:
            yield from self._finished(call, waiting)

    def _finished(self, call: Callable[..., Any], waiting: dict[Any, Any]) -> Iterator[Any]:
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            task, tries = waiting.pop(future)
            try:
                yield future.result()
            except Exception as error:
                if not _lost_worker(error):
                    raise
                # Pools of processes are broken for good when one of these is gone.
                if tries == _TRIES or isinstance(error, BrokenExecutor):
                    raise RuntimeError(
                        f"A task lost its worker {tries} times ({error}). If memory ran out, give less in "
                        "`memory` or use fewer `workers`; what was counted is kept in the work folder. If "
                        "`executor` starts processes, a script must make it below "
                        "`if __name__ == '__main__':`. Without `executor`, threads do as well."
                    ) from error
                waiting[self._executor.submit(call, *task)] = (task, tries + 1)

    def close(self) -> None:
        """End the threads started here, after what they are at."""
        if self._own is not None:
            self._own.shutdown(cancel_futures=True)


def _lost_worker(error: Exception) -> bool:
    # Dask names its own errors; importing it here only to compare would be slow.
    of_dask = ("KilledWorker", "FutureCancelledError", "CommClosedError")
    return isinstance(error, BrokenExecutor | CancelledError) or type(error).__name__ in of_dask


@checked
def worker_count(workers: int | None) -> int:
    """Return how many tasks to run at a time: `workers`, by default one for each core.

    Raises:
        ValueError: fewer than one, or more than there are threads for.
    """
    if workers is not None:
        check_at_least("workers", 1, workers)
    if workers is not None and workers > _MOST_WORKERS:
        raise argument_error("workers", f"at most {_MOST_WORKERS}", workers)
    return available_cores() if workers is None else workers
