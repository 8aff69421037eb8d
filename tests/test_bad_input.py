"""Bad input of every public function is refused by name, and the page of messages shows what is said."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def harness(*options):
    """Run the harness in a process without type checks at run time, which would be first to refuse."""
    command = [sys.executable, ROOT / "tests" / "bad_input.py", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_bad_input_is_refused_by_name_or_taken_for_what_it_is():
    done = harness("--every", "11")
    assert done.returncode == 0, done.stdout + done.stderr
    counted = dict(part.split(": ") for part in done.stdout.strip().split(", "))
    assert int(counted["refused"].replace(",", "")) > 2000


def test_the_page_of_messages_is_what_is_said():
    done = harness("--table")
    page = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    assert done.stdout.strip() == page[page.index("| call") :].strip()
