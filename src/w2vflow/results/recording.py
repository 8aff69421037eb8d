"""Recording: options of what a run keeps and shows."""

import os
from dataclasses import dataclass

from w2vflow.support.arguments import checked
from w2vflow.support.checks import argument_error

__all__ = ["Recording"]


@checked
@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a run of flow, descent or SGD keeps and shows. By default only singular values and loss.

    Attributes:
        metrics: file for a line of JSON at every observation and every ten seconds in between, of descent
            and SGD: `step`, `time`, `loss` (a list for an ensemble), `pairs_per_second` of all seeds since
            the line before, `seconds` since the run began and those `left`.
        checkpoint: folder for the state, so that the same call after a kill goes on from there, metrics too;
            the result is that of the undisturbed call, to the bit. If the disk is full, the last state
            stays, with a warning, and the run goes on. The folder is removed at the end.
        checkpoint_every: seconds between two states of descent or SGD. A flow is cut into stretches of
            times, and leaves a state at the end of each.
        progress: show a progress bar.
        save_embeddings: keep the weights at all times.

    Raises:
        ValueError: `checkpoint_every` is negative or NaN.

    Example:
        >>> Recording(save_embeddings=True).checkpoint is None
        True
    """

    metrics: str | os.PathLike[str] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: float = 60.0
    progress: bool = False
    save_embeddings: bool = False

    def __post_init__(self) -> None:
        if not self.checkpoint_every >= 0:
            raise argument_error("checkpoint_every", "at least 0 seconds", self.checkpoint_every)
