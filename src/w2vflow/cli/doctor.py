"""`w2vflow doctor`: a check of this installation."""

import json
from dataclasses import asdict, dataclass

from w2vflow.cli.console import say

__all__ = ["Doctor"]


@dataclass(frozen=True)
class Doctor:
    """Look at this installation: versions, devices, precision, caches, data, and a self-test.

    The self-test holds a small count, spectrum, gradient flow and SGD against exact results; all
    takes some ten seconds. Exit code 1 where something does not work; what to do is said beside it.
    A warning is of something that only some commands need.

        w2vflow doctor
        w2vflow doctor --json > report.json
    """

    json: bool = False
    """Print the findings as JSON: name, ok (null is a warning), detail, remedy."""

    def run(self) -> None:
        """Print every finding as it comes; exit code 1 if one has failed."""
        from w2vflow.cli.diagnosis import diagnose

        checks = []
        for check in diagnose():
            checks.append(check)
            if not self.json:
                say(check.line())
        failed = sum(check.ok is False for check in checks)
        warned = sum(check.ok is None for check in checks)
        if self.json:
            say(json.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}, indent=2))
        else:
            say(f"\n{len(checks)} checks: {failed} failed, {warned} with warnings.")
        if failed:
            raise SystemExit(1)
