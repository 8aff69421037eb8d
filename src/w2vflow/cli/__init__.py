"""Command line: from a text to a page of what word2vec learns of it. `COMMANDS` is in the order of use."""

import os
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Union

import tyro

from w2vflow import __version__
from w2vflow.cli.ablation import RunAblation
from w2vflow.cli.configuration import configuration_file, from_file
from w2vflow.cli.console import keep_compiled_code, one_line, say
from w2vflow.cli.count import Count
from w2vflow.cli.datasets import Datasets
from w2vflow.cli.demo import Demo
from w2vflow.cli.doctor import Doctor
from w2vflow.cli.embed import Embed
from w2vflow.cli.evaluate import Evaluate
from w2vflow.cli.export import Export
from w2vflow.cli.page import Page
from w2vflow.cli.phrases import FindPhrases
from w2vflow.cli.progress import HowFar
from w2vflow.cli.report import Report
from w2vflow.cli.run import Run, RunExperiment
from w2vflow.cli.spectrum import Concepts
from w2vflow.support.checks import argument_error
from w2vflow.support.display import harmless

__all__ = ["COMMANDS", "main"]

COMMANDS: dict[str, Any] = {
    "demo": Demo,
    "run": Run,
    "report": Report,
    "page": Page,
    "count": Count,
    "phrases": FindPhrases,
    "spectrum": Concepts,
    "embed": Embed,
    "export": Export,
    "evaluate": Evaluate,
    "progress": HowFar,
    "datasets": Datasets,
    "doctor": Doctor,
}
_STUDIES: dict[str, Any] = {"run experiment": RunExperiment, "run ablation": RunAblation}

_DESCRIPTION = """When, in which order and as which subspaces word2vec learns its concepts.

From your own text to an interactive page of what is learned:

    w2vflow run my-text.txt

w2vflow COMMAND --help tells more, with an example. w2vflow --version says which this is. Completion in
your shell, e.g. bash (zsh and fish too):

    w2vflow --tyro-write-completion bash ~/.local/share/bash-completion/completions/w2vflow
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command with options, those of the process by default.

    Exit code 0 if all went well, 1 if a computation or a check failed, 2 for a bad argument or file, 130 when
    interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        say(f"w2vflow {__version__}")
        return
    if given[:1] == ["run"] and given[1:2] not in (["experiment"], ["ablation"]):
        given.insert(1, "experiment")
    # Without the place in the source that a warning comes from: its message says what to do.
    warnings.formatwarning = lambda message, *_: harmless(f"w2vflow: {message}\n")
    keep_compiled_code()
    try:
        _parsed(given).run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain at its end once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except OverflowError as error:
        say(f"w2vflow: a number that was given is too large ({error})", sys.stderr)
        raise SystemExit(2) from error
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        say(f"w2vflow: {error}", sys.stderr)
        raise SystemExit(1 if isinstance(error, RuntimeError) else 2) from error
    except KeyboardInterrupt:
        say("w2vflow: interrupted", sys.stderr)
        raise SystemExit(130) from None


def _parsed(arguments: list[str]) -> Any:
    """Return the command of the arguments with all its settings."""
    words = 2 if arguments[:1] == ["run"] else 1
    name = " ".join(arguments[:words])
    command: Any = _STUDIES.get(name) or COMMANDS.get(name)
    settings: dict[str, Any] = {"config": (tyro.conf.FlagCreatePairsOff,)}
    if command is None:
        close = get_close_matches(name, COMMANDS, n=1)
        if close and not name.startswith("-"):
            meant = f"Did you mean `w2vflow {close[0]}`?"
            raise argument_error("command", "one of those that `w2vflow --help` lists", name, meant)
        every = [
            Annotated[kind, tyro.conf.subcommand(n, description=one_line(kind))]
            for n, kind in COMMANDS.items()
        ]
        command = Union[tuple(every)]  # noqa: UP007
        return tyro.cli(command, prog="w2vflow", description=_DESCRIPTION, args=arguments, **settings)
    file = configuration_file(arguments)
    if file is not None:
        # The demo is an experiment too, so that what it leaves behind is rerun by either.
        settings["default"] = from_file(command, "run experiment" if name == "demo" else name, file)
    shown = "run" if name == "run experiment" else name
    return tyro.cli(command, prog=f"w2vflow {shown}", args=arguments[words:], **settings)
