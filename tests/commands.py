"""Commands run in this process."""

import io
import json
import re
from contextlib import redirect_stdout

import pytest

from w2vflow.cli import main


def as_json(*arguments):
    """Run a command with --json; return its result, all of standard output."""
    out = io.StringIO()
    with redirect_stdout(out):
        main([*map(str, arguments), "--json"])
    return json.loads(out.getvalue())


def refused(capsys, *arguments, code=2):
    """Run a command that fails; return what it says, on one line."""
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    assert ended.value.code == code
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return " ".join(re.sub("[│╭╮╰╯─]", " ", shown).split())
