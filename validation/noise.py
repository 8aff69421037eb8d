"""What minibatches do to directions: `expected_overlap` and `mean_square_limit` against SGD on enwiki15k.

python validation/noise.py [--words 300] [--dim 8] [--samplers corpus shared] [--small]

For each sampler and batch size SGD starts from the learned concepts, at four rates that go up to where it is
expected to diverge; the last column looks for the rate at which it does. Draws `docs/pictures/noise.svg`.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from table import PICTURES, SMALL_KEPT

import w2vflow as wf
from w2vflow.plotting import new_figure, publication, save_figure
from w2vflow.plotting.style import Axes
from w2vflow.sgd import expected_overlap, mean_square_limit
from w2vflow.sgd.minibatches import Minibatches

BATCHES = {
    "balanced": (256, 1024, 4096),
    "blocks": (256, 1024, 4096),
    "corpus": (1024, 4096, 16_384),
    "shared": (1024, 4096, 16_384),
}
# Of the limit, the four rates.
SHARES = (0.03, 0.1, 0.3, 0.7)
# Below this overlap `run_sgd` warns.
LEAST_OVERLAP = 0.5
# Of the search for divergence.
STRIDE, PRECISION = 1.3, 1.2


def main() -> None:
    """Print the table and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--words", type=int, default=300)
    parser.add_argument("--dim", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60_000, help="at most, of one run")
    parser.add_argument("--samplers", nargs="+", choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--small", action="store_true", help="few words and steps: figures mean nothing")
    options = parser.parse_args()
    words, dim, steps = (60, 3, 400) if options.small else (options.words, options.dim, options.steps)
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(words)
    problem = wf.Problem.from_statistics(stats)
    spectrum = wf.leading_eigenpairs(problem, dim + 1)
    stable = float(wf.stability_limit(problem))
    off, ratios, points = [], [], {}
    print(f"V {words:,}, d {dim}; rates over the stability limit\n")
    print("sampler    batch   rate  expected  measured   |  limit  diverged at  ratio")
    for sampler in options.samplers:
        sizes = BATCHES[sampler]
        expected, measured = [], []
        for batch_size in sizes[:1] if options.small else sizes:
            run = {"batch_size": batch_size, "sampler": sampler}
            limit = mean_square_limit(problem, dim, spectrum=spectrum, **run)
            found = diverges_at(problem, spectrum, dim, run, limit, steps)
            ratios.append(limit / found)
            for share in SHARES:
                rate = share * limit
                one = float(expected_overlap(problem, dim, learning_rate=rate, spectrum=spectrum, **run))
                other = overlap_of_sgd(problem, spectrum, dim, rate, run, steps)
                print(f"{sampler:9} {batch_size:6,} {rate / stable:6.4f} {one:9.3f} {other:9.3f}", end="   ")
                last = f"| {limit / stable:6.4f} {found / stable:9.4f} {limit / found:9.2f}"
                print(last if share == SHARES[-1] else "|", flush=True)
                expected.append(one)
                measured.append(other)
        off.extend(np.subtract(expected, measured))
        points[sampler] = measured, expected
    size = np.abs(np.array(off)[np.isfinite(off)])
    print(f"\noff by {size.mean():.3f} on average, {size.max():.3f} at most, of {size.size} overlaps")
    print(f"limit over the rate at which SGD diverged: {min(ratios):.2f} to {max(ratios):.2f}")
    folder = SMALL_KEPT if options.small else PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    with publication():
        figure, (axes,) = new_figure(1, 3.3, 2.8)
        draw(axes, points)
        axes.set_title(f"V = {words:,}, d = {dim}")
        save_figure(figure, folder / "noise", formats=("svg",))


def draw(axes: Axes, points: dict[str, tuple[list[float], list[float]]]) -> None:
    """Draw expected over measured overlaps, by sampler, and where `run_sgd` warns."""
    for marker, (sampler, (measured, expected)) in zip("osD^", points.items(), strict=False):
        axes.plot(measured, expected, marker, label=sampler, alpha=0.7)
    axes.plot([0, 1], [0, 1], "k-", linewidth=0.6)
    axes.axhspan(0, LEAST_OVERLAP, color="0.93", zorder=0)
    axes.text(0.98, 0.03, "run_sgd warns", ha="right", color="0.4")
    axes.set(xlabel="overlap of SGD", ylabel="expected overlap", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)


def overlap_of_sgd(
    problem: wf.Problem, spectrum: wf.Spectrum, dim: int, rate: float, run: dict, steps: int
) -> float:
    """Return the mean overlap of SGD over the second half of a run from the concepts; NaN if it diverges."""
    values, vectors = (np.asarray(part) for part in (spectrum.eigenvalues, spectrum.eigenvectors))
    source = Minibatches.of(problem, run["sampler"], run["batch_size"], dim, deterministic=True)
    # Three times as long as concepts take to mix with those next to them; not by `run_sgd`, which refuses.
    count = min(steps, int(3 / (rate * (values[dim - 1] - values[dim])))) // 20 + 1

    @jax.jit
    def advance(Z: jax.Array, key: jax.Array) -> jax.Array:
        def step(number: jax.Array, Z: jax.Array) -> jax.Array:
            return source.moved(number, jax.random.fold_in(key, number), Z, -jnp.float32(rate))

        return jax.lax.fori_loop(0, count, step, Z)

    W = (vectors[:, :dim] * np.sqrt(values[:dim])).astype(np.float32)
    found, largest = [], 100 * values[:dim].sum()
    for key in jax.random.split(jax.random.key(0), 20):
        W = np.asarray(advance(W, key))
        if not np.sum(W.astype(np.float64) ** 2) < largest:
            return np.nan
        found.append(float(wf.subspace_overlap(W, vectors[:, :dim])))
    return float(np.mean(found[10:]))


def diverges_at(
    problem: wf.Problem, spectrum: wf.Spectrum, dim: int, run: dict, limit: float, steps: int
) -> float:
    """Return the rate at which SGD is found to diverge, looked for from the limit on."""
    rate, holds, leaves = limit, 0.0, np.inf
    while leaves > PRECISION * holds:
        if np.isnan(overlap_of_sgd(problem, spectrum, dim, rate, run, steps)):
            leaves = rate
        else:
            holds = rate
        if holds and np.isfinite(leaves):
            rate = float(np.sqrt(holds * leaves))
        else:
            rate = STRIDE * rate if holds else rate / STRIDE
    return float(np.sqrt(holds * leaves))


if __name__ == "__main__":
    main()
