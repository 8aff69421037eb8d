"""What a newcomer waits for: `w2vflow run my-text.txt`, until its first page and until its end.

    python benchmarks/first_hour.py [TEXT] [--against COMMIT] [--first-page]

TEXT is 150 kB of the documentation by default. "fresh": nothing is compiled yet (empty caches; Python's own
bytecode is there). "warm": the same once more. With `--against` the same of another commit, its source taken
from git, in the same run; with `--first-page` a run is ended when its page is there.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def documentation(size: int = 150_000) -> bytes:
    """Return so many bytes of the documentation, a page a line."""
    pages = [HERE / "README.md", *sorted((HERE / "docs").glob("*.md"))]
    return b"\n".join(page.read_bytes().replace(b"\n", b" ") for page in pages)[:size]


def waited(source: Path, caches: Path, text: Path, *, first_page: bool) -> dict[str, float]:
    """Return seconds until the first page of a run, and until its end if it is waited for."""
    own = {
        "PYTHONPATH": str(source),
        "W2VFLOW_COMPILED": str(caches),
        # Of versions that do not know the other.
        "NUMBA_CACHE_DIR": str(caches / "numba"),
    }
    with tempfile.TemporaryDirectory() as folder:
        page, start = Path(folder) / "runs" / text.stem / "report.html", time.perf_counter()
        command = [sys.executable, "-c", "from w2vflow.cli import main; main()", "run", str(text)]
        running = subprocess.Popen(command, cwd=folder, env={**os.environ, **own}, stdout=subprocess.DEVNULL)
        seconds: dict[str, float] = {}
        while running.poll() is None:
            if "first page" not in seconds and page.is_file():
                seconds["first page"] = time.perf_counter() - start
                if first_page:
                    running.terminate()
            time.sleep(0.02)
        if running.returncode == 0:
            seconds |= {"end": time.perf_counter() - start}
            seconds.setdefault("first page", seconds["end"])
        elif "first page" not in seconds:
            raise SystemExit(f"the run failed with exit code {running.returncode}")
        return seconds


def sources(commit: str | None, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the names and sources of the versions."""
    yield "this", HERE / "src"
    if commit is not None:
        packed = subprocess.run(
            ["git", "archive", commit, "src"], cwd=HERE, capture_output=True, check=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder / commit, filter="data")
        yield commit, folder / commit / "src"


def main() -> None:
    """Run each version twice and print what was waited for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text", nargs="?", type=Path)
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--first-page", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        text = asked.text.resolve() if asked.text else folder / "my-text.txt"
        if asked.text is None:
            text.write_bytes(documentation())
        found: dict[tuple[str, str], dict[str, float]] = {}
        for name, source in sources(asked.against, folder):
            for state in ("fresh", "warm"):
                caches = folder / f"caches-{name}"
                caches.mkdir(mode=0o700, exist_ok=True)
                seconds = waited(source, caches, text, first_page=asked.first_page)
                found[name, state] = seconds
                shown = ", ".join(f"{what} {value:.1f} s" for what, value in seconds.items())
                print(f"{name:<10} {state:<6} {shown}", flush=True)
        for state in ("fresh", "warm") if asked.against else ():
            ours, theirs = found["this", state], found[asked.against, state]
            print(
                f"{state}: first page in {ours['first page'] / theirs['first page']:.2f} of the time before"
            )


if __name__ == "__main__":
    main()
