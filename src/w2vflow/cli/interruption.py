"""Ctrl-C: a command stops within seconds, within a long compiled call too."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from w2vflow.cli.console import say

__all__ = ["GRACE", "stopping_at_once"]

# Seconds for a command to end by itself, and to leave nothing half written.
GRACE = 2.0


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Yield; after an interrupt, end the process in two seconds, however busy it is.

    Python hears of a signal between two of its own steps, and not within a call of compiled code that takes
    minutes. So a second thread listens to the signal itself. What is written is written whole or not at all,
    and what a process leaves half written is removed by the next.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, rings = socket.socketpair()
    rings.setblocking(False)
    before = signal.set_wakeup_fd(rings.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after, args=(heard, rings), daemon=True).start()
    try:
        yield
    finally:
        # Where an interrupt was heard the clock runs on: the end of Python waits for threads that compute.
        signal.set_wakeup_fd(before)
        rings.close()


def _end_after(heard: socket.socket, rings: socket.socket) -> None:
    """End the process some time after the signal; return when the other socket is closed, held until then."""
    while signals := heard.recv(64):
        if signal.SIGINT in signals:
            time.sleep(GRACE)
            with suppress(Exception):
                say("w2vflow: interrupted", sys.stderr)
                sys.stdout.flush()
            os._exit(130)
    heard.close()
