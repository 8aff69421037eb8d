"""`python -m w2vflow` and the command `w2vflow`."""

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line, also where standard streams are closed, and from the first moment on."""
    _open_streams()
    try:
        # Imports take a second, in which people think better of it too.
        from w2vflow.cli import main
        from w2vflow.cli.interruption import stopping_at_once
    except KeyboardInterrupt:
        sys.stderr.write("w2vflow: interrupted\n")
        raise SystemExit(130) from None
    # Here alone: a program that calls a command is not to end with it.
    with stopping_at_once():
        main()


def _open_streams() -> None:
    """Put nothing in place of standard streams that are closed; write what an encoding lacks as escapes."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Takes the free number of the stream, which a file of results would be given otherwise.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (open to the end)
        elif hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
