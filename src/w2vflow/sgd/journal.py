"""Journal of a long run: observations, lines of metrics, progress, checkpoints, divergence."""

import json
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from w2vflow.results import Recording
from w2vflow.sgd.timeline import Timeline
from w2vflow.support.atomic_files import write_text
from w2vflow.support.checkpoint import Checkpoint
from w2vflow.support.checks import argument_error

__all__ = ["Journal"]

# Between two looks at the loss when no observation is due, seconds; and what a look may cost of the time.
_LOOK_EVERY = 10.0
_LOOK_SHARE = 0.05
# A chunk of steps lasts so long at most, seconds: signals and the progress bar wait for its end.
_CHUNK = 2.0
# How many times the scale of losses a loss may be from its initial value.
_FAR = 10.0


@dataclass(eq=False, kw_only=True)
class Journal:
    """What the host does between chunks of steps.

    Attributes:
        name: of the algorithm, for the progress bar.
        timeline: steps and times of the observations.
        pairs_per_step: of all seeds.
        loss_scale: how much the loss changes on the way from small weights to a solution, at most.
        remedy: what to do where a run diverges.
        ensemble: whether the loss has a seed axis for the user.
        recording: has the file of metrics and says whether to show a progress bar.
        checkpoint: for the state, if any.
    """

    name: str
    timeline: Timeline
    pairs_per_step: int
    loss_scale: float
    remedy: str
    ensemble: bool
    recording: Recording
    checkpoint: Checkpoint | None

    def __post_init__(self) -> None:
        self.path = None if self.recording.metrics is None else Path(self.recording.metrics)
        last, hidden = int(self.timeline.steps[-1]), not self.recording.progress
        self.bar = tqdm(total=last, desc=self.name, unit="step", disable=hidden)
        self.file: IO[str] | None = None
        self.initial: list[float] | None = None
        self.parts: list[dict[str, np.ndarray]] = []
        self.fresh: list[Mapping[str, np.ndarray]] = []
        self.warned = False
        self.count, self.pace = 0, 0.0
        self.began = self.last_look = time.monotonic()
        self.last_step, self.look_seconds = 0, 0.0

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()
        if self.file is not None:
            self.file.close()

    @property
    def observed(self) -> int:
        """How many observations there are."""
        return sum(part["loss"].shape[1] for part in self.parts) + len(self.fresh)

    @property
    def complete(self) -> bool:
        """Whether all observations are there."""
        return self.observed == len(self.timeline.steps)

    @property
    def next_observation(self) -> int:
        """The step after which the next observation is due."""
        return int(self.timeline.steps[self.observed])

    def start(self) -> tuple[int, dict[str, np.ndarray]]:
        """Return the step and the arrays of the last checkpoint; 0 and nothing where there is none.

        The file of metrics goes on behind the line of that step.
        """
        step, arrays = 0, dict[str, np.ndarray]()
        found = None if self.checkpoint is None else self.checkpoint.load_parts()
        if found is not None:
            self.parts, arrays, state = found
            step, self.initial = state["step"], state["initial"]
            self.began -= state["seconds"]
        self.last_step = step
        self.bar.update(step)
        if self.path is not None:
            self.file = _reopened(self.path, step if found else None)
        return step, arrays

    def chunk(self, ahead: int) -> int:
        """Return how many of the `ahead` steps to the next observation to make in one piece."""
        if self.count == 0:
            # One step, with the compilation: its time says nothing about the others'.
            return 1
        seconds = min(_CHUNK, self.checkpoint.every if self.checkpoint is not None else _CHUNK)
        return int(min(ahead, 8 * self.count, max(1, seconds * self.pace) if self.pace else ahead))

    def advanced(self, count: int, seconds: float) -> None:
        """Note that `count` steps took so many seconds."""
        if self.count:
            self.pace = count / max(seconds, 1e-9)
        self.count = count
        self.bar.update(count)

    def due(self, step: int) -> bool:
        """Return whether it is time for a look at the loss though no observation asks for one."""
        if self.initial is None:
            return True
        if step == self.last_step:
            # The state that was taken up has been looked at.
            return False
        wait = max(_LOOK_EVERY, self.look_seconds / _LOOK_SHARE)
        return self.save_due() or time.monotonic() - self.last_look > wait

    def save_due(self) -> bool:
        """Return whether it is time for a checkpoint."""
        return self.checkpoint is not None and self.checkpoint.due()

    def diverged(self, loss: Float[np.ndarray, " S"]) -> int | None:
        """Return the first seed with `|L - L_0| > 10 (|L_0| + scale)`, or a loss not finite, or None.

        On the way to a solution the loss `L` changes by less than a tenth of that; one that diverges, up
        or down, passes any bound within a few steps.
        """
        initial = loss if self.initial is None else np.asarray(self.initial)
        # NaN compares false.
        far = ~(np.abs(loss - initial) <= _FAR * (np.abs(initial) + self.loss_scale))
        return int(np.argmax(far)) if far.any() else None

    def describe_divergence(self, step: int, seed: int, loss: Float[np.ndarray, " S"], limit: float) -> str:
        """Return what the error of a run that diverged says."""
        initial = loss if self.initial is None else self.initial
        rate = self.timeline.described_rate()
        return (
            f"{self.name} diverged by step {step}, time {self.timeline.time(step):.4g}: the loss"
            + (f" of seed {seed}" if self.ensemble else "")
            + f" is {loss[seed]:.4g}, from {initial[seed]:.4g} at the start. Plain full-batch descent "
            f"is stable below a learning rate of {limit:.4g}; here it is "
            f"{rate if isinstance(rate, str) else format(rate, '.4g')}. {self.remedy}"
        )

    def look(self, step: int, loss: Float[np.ndarray, " S"], seconds: float) -> None:
        """Write a line of metrics (see `Recording`); `seconds` is what the look has taken."""
        now = time.monotonic()
        if self.initial is None:
            self.initial = loss.tolist()
        pairs = (step - self.last_step) * self.pairs_per_step / max(now - self.last_look, 1e-9)
        left = None if not self.pace else (int(self.timeline.steps[-1]) - step) / self.pace
        self.last_look, self.last_step, self.look_seconds = now, step, seconds
        self.bar.set_postfix_str(f"loss {loss.mean():.6g}, {pairs / 1e6:.3g} M pairs/s", refresh=False)
        if self.file is None:
            return
        line = {
            "step": step,
            "time": self.timeline.time(step),
            "loss": loss.tolist() if self.ensemble else float(loss[0]),
            "pairs_per_second": round(pairs),
            "seconds": round(now - self.began, 3),
            "left": None if left is None else round(left, 3),
        }
        try:
            self.file.write(json.dumps(line, allow_nan=False) + "\n")
            self.file.flush()
        except OSError as error:
            warnings.warn(
                f"{self.path} cannot be written ({error.strerror}); the run goes on without more lines.",
                RuntimeWarning,
                stacklevel=2,
            )
            with suppress(OSError):
                self.file.close()
            self.file = None

    def add(self, seen: Mapping[str, Float[np.ndarray, "S ..."]]) -> None:
        """Keep an observation of all seeds."""
        self.fresh.append(seen)

    def save(self, step: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Replace the checkpoint. Where the disk is full the last one stays, and the run goes on."""
        assert self.checkpoint is not None
        new = self._gathered()
        state = {"step": step, "initial": self.initial, "seconds": time.monotonic() - self.began}
        try:
            self.checkpoint.append(new, self.parts, arrays, state)
        except OSError as error:
            # Not again at the next chunk: a failing write may take long.
            self.checkpoint.last = time.monotonic()
            if not self.warned:
                self.warned = True
                warnings.warn(
                    f"The state after step {step} could not be saved in {self.checkpoint.folder} "
                    f"({error.strerror}). The run goes on; a kill would lose what came after the last "
                    "state that was saved. Make room on the disk.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return
        if new:
            self.parts.append(new)
            self.fresh = []

    def finish(self) -> dict[str, np.ndarray]:
        """Return all observations, `(S, T, ...)` by name; the checkpoint is no longer needed."""
        if new := self._gathered():
            self.parts.append(new)
        if self.checkpoint is not None:
            self.checkpoint.remove()
        return {name: np.concatenate([part[name] for part in self.parts], axis=1) for name in self.parts[0]}

    def _gathered(self) -> dict[str, np.ndarray]:
        if not self.fresh:
            return {}
        return {name: np.stack([seen[name] for seen in self.fresh], axis=1) for name in self.fresh[0]}


def _reopened(path: Path, until: int | None) -> IO[str]:
    """Return the file of metrics, open at its end, with the lines up to step `until` alone."""
    kept = []
    if until is not None and path.exists():
        for text in path.read_text(encoding="utf-8").splitlines(keepends=True):
            # A kill in the middle of a line leaves a piece of it, which is the last.
            if not text.endswith("\n") or json.loads(text)["step"] > until:
                break
            kept.append(text)
    try:
        write_text(path, "".join(kept))
        return path.open("a", encoding="utf-8")
    except OSError as error:
        got = f"{path} ({error.strerror})"
        remedy = "Choose another path."
        raise argument_error("metrics", "a file that can be written", got, remedy) from error
