"""What an accelerator computes and how fast: every pure function against the CPU, and rates of the main ones.

    python benchmarks/accelerator.py [--vocab-size 2000] [--dim 100] [--steps 200] [--functions NAME ...]

Runs in float32 on the device that JAX chooses, beside the CPU; where there is no other, on the CPU
against itself. Of every row of `tests/transformations.py` it prints the largest difference of a float32
result on the device from the float64 one of the CPU, over the largest entry. Then seconds, without
compilation: SGD in pairs a second, one seed and 32; the gradient flow; the exact solution;
eigenpairs, with gigabytes and floating operations a second of their products, which are to be held
against what the device can do.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import w2vflow as wf

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def seconds_of(call, repeat):
    """Return the least seconds of a call that was made before."""
    jax.block_until_ready(call())
    found = []
    for _ in range(repeat):
        start = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - start)
    return min(found)


EXPECTED = """
import sys
import jax
import numpy as np
from transformations import TABLE

results = {}
for name in sys.argv[2:]:
    found = jax.jit(TABLE[name].function)(*TABLE[name].arguments)
    results |= {f"{name}-{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(found))}
np.savez(sys.argv[1], **results)
"""


def compare(names):
    """Print how far each function in float32 on the device is from float64 on the CPU, in a process apart."""
    from transformations import TABLE

    chosen = [name for name in TABLE if not names or any(name.startswith(one) for one in names)]
    wide = {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    told = {**os.environ, **wide}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "expected.npz"
        subprocess.run([sys.executable, "-c", EXPECTED, file, *chosen], env=told, check=True)
        with np.load(file) as stored:
            expected = dict(stored)
    for name in chosen:
        found = jax.tree.leaves(jax.jit(TABLE[name].function)(*map(np.float32, TABLE[name].arguments)))
        off = 0.0
        for i, one in enumerate(found):
            other = expected[f"{name}-{i}"]
            off = max(off, float(np.abs(np.asarray(one) - other).max() / max(np.abs(other).max(), 1e-30)))
        print(f"  {name:<50}{off:>9.1e}", flush=True)


def rates(a):
    """Print seconds and rates of the main functions in float32."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(a.vocab_size)
    problem = wf.Problem.from_statistics(stats)
    spectrum = wf.leading_eigenpairs(problem, min(4 * a.dim + 100, a.vocab_size), tol=1e-5)
    lam = float(spectrum.eigenvalues[0])
    for seeds in (1, 32):
        keys = jax.random.split(jax.random.key(0), seeds)
        for sampler in ("blocks", "balanced", "corpus"):
            how = {"learning_rate": 0.01 / lam, "batch_size": a.batch_size, "sampler": sampler}

            def run(keys=keys, how=how):
                return wf.run_sgd_ensemble(
                    problem, keys, [a.steps * 0.01 / lam], dim=a.dim, scale=0.1, **how
                ).loss

            pairs = seeds * a.steps * a.batch_size / seconds_of(run, a.repeat)
            print(f"  SGD, {sampler}, {seeds} seeds: {pairs / 1e6:.1f} million pairs a second", flush=True)
    W0 = wf.gaussian_init(jax.random.key(0), a.vocab_size, a.dim, 1e-2).astype(jnp.float32)
    ts = jnp.linspace(0, 8 / lam, 50)
    for name, call in {
        "gradient flow": lambda: wf.solve_flow(problem, W0, ts, basis="words", rtol=1e-6).loss,
        "exact solution": lambda: wf.predict(problem, W0, ts, spectrum=spectrum).loss,
    }.items():
        print(f"  {name}: {seconds_of(call, a.repeat):.3f} s", flush=True)
    operator, block = problem.target_operator().astype(np.float32), 32
    vectors = jnp.ones((a.vocab_size, block), jnp.float32)
    product = jax.jit(lambda operator, vectors: operator.product(vectors))
    seconds = seconds_of(lambda: product(operator, vectors), a.repeat)
    read = sum(leaf.nbytes for leaf in jax.tree.leaves(operator))
    entries = sum(leaf.size for leaf in jax.tree.leaves(operator) if leaf.dtype == jnp.float32)
    flops = 2 * entries * block / seconds
    print(f"  product with {block} vectors: {read / seconds / 1e9:.1f} GB/s, {flops / 1e9:.1f} GFLOP/s")
    pairs = seconds_of(
        lambda: wf.leading_eigenpairs(problem, min(40, a.vocab_size), tol=1e-5).eigenvalues, a.repeat
    )
    print(f"  40 eigenpairs, 1e-5: {pairs:.3f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vocab-size", type=int, default=2000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=2**14)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--functions", nargs="*", default=[])
    a = parser.parse_args()
    device = jax.devices()[0]
    print(
        f"{device.device_kind} ({device.platform}), jax {jax.__version__}, V = {a.vocab_size:,}, d = {a.dim}"
    )
    print("largest difference from float64 on the CPU")
    compare(a.functions)
    print("rates, float32")
    rates(a)


if __name__ == "__main__":
    main()
