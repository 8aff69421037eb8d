"""The command line: `w2vflow demo`, `run`, `count`, `embed`, `evaluate`, `progress`, `datasets`."""

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from w2vflow.cli.count import Count
from w2vflow.cli.datasets import Datasets
from w2vflow.cli.demo import Demo
from w2vflow.cli.embed import Embed
from w2vflow.cli.evaluate import Evaluate
from w2vflow.cli.progress import HowFar
from w2vflow.cli.study import Study

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit code 2 where an argument or a file is bad.

    Args:
        arguments: command and options; those of the process where not given.
    """
    command = tyro.cli(
        Annotated[Demo, tyro.conf.subcommand("demo")]
        | Annotated[Study, tyro.conf.subcommand("run")]
        | Annotated[Count, tyro.conf.subcommand("count")]
        | Annotated[Embed, tyro.conf.subcommand("embed")]
        | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
        | Annotated[HowFar, tyro.conf.subcommand("progress")]
        | Annotated[Datasets, tyro.conf.subcommand("datasets")],
        prog="w2vflow",
        description="When, in which order and as which subspaces word2vec learns its concepts.",
        args=arguments,
    )
    try:
        command.run()
    except (ValueError, OSError, ImportError) as error:
        print(f"w2vflow: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except RuntimeError as error:
        print(f"w2vflow: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        print("w2vflow: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
