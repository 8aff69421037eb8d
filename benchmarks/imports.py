"""Seconds that imports take.

    python benchmarks/imports.py [--times N]

Each in a process of its own, the start of Python included; the best of N.
"""

import argparse
import subprocess
import sys
import time

IMPORTS = {
    "nothing": "",
    "jax": "import jax",
    "w2vflow": "import w2vflow",
    "w2vflow and a Problem": "import w2vflow; w2vflow.Problem",
    "w2vflow and all it offers": "from w2vflow import *",
}


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    for name, code in IMPORTS.items():
        print(f"{name:<26}{min(seconds(code) for _ in range(times)):6.2f} s")


if __name__ == "__main__":
    main()
