# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # On a GPU, and with every word of a corpus
#
# Forty million words of Wikipedia have 371,247 different ones. A matrix of all their pairs would take a
# terabyte. You will learn
#
# 1. how to work **without that matrix**, and why nothing is lost;
# 2. how to get the **leading concepts**, with proven error bounds;
# 3. how to get the **exact trajectory** from these alone, and what the concepts left out can change;
# 4. how to use **several devices**, or several machines;
# 5. where **float64** is needed and where float32 will do;
# 6. how to know **before it starts** what a computation takes.
#
# It runs wherever it is: on a GPU if JAX sees one, else on the processor. **Nothing in this package has been
# run on a GPU or TPU so far**: all figures here are of two processor cores, and what is said of
# accelerators is what the code is written for. Under a minute on two cores.

# %%
import os

# Without an accelerator, the processor poses as two devices, to have something to deal words over.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")

import time

import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse

import w2vflow as wf
from w2vflow.experiments import plan_spectrum

jax.config.update("jax_enable_x64", True)
plt.rcParams |= {"figure.dpi": 60, "axes.spines.top": False, "axes.spines.right": False}
devices = jax.devices()
print(f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})")

# %% tags=["parameters"] small="vocab_size, drawn, concepts = 3500, 150_000, 16"
vocab_size, drawn, concepts = 20_000, 3_000_000, 48
counts_file = None  # of your own: what `w2vflow count my-text.txt.gz --vocab-size None --out all.npz` writes

# %% [markdown]
# `pip install "jax[cuda12]"` is all that a GPU needs; nothing is said to w2vflow. Of several GPUs the first
# one is used, until `shard` (section 4) says otherwise.
#
# ## 1. A large vocabulary without a large matrix
#
# Here is a corpus with the shape of a real one: Zipf's frequencies, and twelve themes of unequal
# size. Half of all pairs are of one theme, the other half of any two words.


# %%
def themed_corpus(size, pairs, themes=12, seed=0):
    """Return statistics of words of themes, and the theme of each word."""
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(2.0, size + 2)
    popular = 0.85 ** np.arange(themes)
    theme = rng.choice(themes, size, p=popular / popular.sum())

    def draw(members, count):
        cumulative = np.cumsum(frequency[members])
        return members[np.searchsorted(cumulative, rng.random(count) * cumulative[-1])]

    share = np.bincount(theme, frequency, themes)
    together = rng.multinomial(pairs // 2, share / share.sum())
    ends = [
        np.concatenate(
            [draw(np.arange(size), pairs - pairs // 2)]
            + [draw(np.flatnonzero(theme == z), count) for z, count in enumerate(together)]
            + [np.roll(np.arange(size), side)]  # so that every word occurs
        )
        for side in (0, 1)
    ]
    counts = sparse.coo_array((np.ones(len(ends[0]), np.int64), tuple(ends)), (size, size)).tocsr()
    words = tuple(f"theme{z + 1}-{i}" for i, z in enumerate(theme))
    counts = counts + counts.T
    return wf.CooccurrenceStatistics(words, counts, np.asarray(counts.sum(axis=1))), theme


if counts_file is None:
    stats, theme = themed_corpus(vocab_size, drawn)
else:
    stats, theme = wf.load_statistics(counts_file), None
seen = stats.counts.nnz
print(f"V = {stats.vocab_size:,}; {seen:,} entries seen, {seen / stats.vocab_size**2:.2%} of all")

# %% [markdown]
# A pair never seen has $P_{ij} = 0$, so $M^*_{ij} = -2$ whatever the rest. Therefore
#
# $$ M^* = S - 2\, \mathbf 1 \mathbf 1^\top, $$
#
# with $S$ zero except on the pairs seen. Spectra, closed forms and the flow only ever multiply $M^*$ with
# blocks of vectors: one sparse product, and a sum.

# %%
begun = time.perf_counter()
problem = wf.Problem.from_statistics(stats)  # dense or sparse, whichever costs less and fits
operator = problem.target_operator()
block = np.random.default_rng(0).standard_normal((stats.vocab_size, 32))
product = operator.product
product(block)
middle = time.perf_counter()
product(block)
end = time.perf_counter()
print(
    f"{problem.matrix}: made in {middle - begun:.1f} s, a product with 32 vectors takes {end - middle:.2f} s"
)

# %% [markdown]
# What does not fit is refused before memory is taken. A dense matrix of all words of Wikipedia:

# %%
every = 371_247
neighbours = sparse.coo_array((np.ones(every, np.int64), (np.arange(every), np.roll(np.arange(every), 1))))
around = wf.CooccurrenceStatistics(
    tuple(map(str, range(every))), neighbours + neighbours.T, np.full(every, 2)
)
try:
    wf.Problem.from_statistics(around, matrix="dense")
except ValueError as error:
    print(error)

# %% [markdown]
# ## 2. The leading concepts
#
# Block Lanczos: a product with 32 vectors costs what a few single ones do, and some dozens of them give the
# leading eigenpairs. `residuals` are $\lVert M^* v - \lambda v \rVert$; `error_bounds` turns them into proven
# bounds for eigenvalues, directions and step times. Killed, the same call with the same `checkpoint=` goes
# on.

# %%
begun = time.perf_counter()
spectrum = wf.leading_eigenpairs(problem, concepts, tol=1e-5)
bounds = spectrum.error_bounds()
print(f"{concepts} pairs in {time.perf_counter() - begun:.1f} s")
print("eigenvalues             ", spectrum.eigenvalues[:8].round(1))
errors = " ".join(f"{error:.0e}" for error in bounds.step_times[:8])
print("step times off at most  ", errors, "(relative; rounding aside)")

# %%
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.semilogy(np.arange(1, concepts + 1), spectrum.eigenvalues, ".-", lw=0.5, label="leading, computed")
rest = spectrum.bath_nodes[spectrum.bath_nodes > 0]  # where its density is known
ax.axhspan(rest.min(), rest.max(), color="0.92", label="the rest: known by its density")
_ = ax.set(xlabel="number", ylabel="eigenvalue", title="themes, and the noise of a finite corpus")
_ = ax.legend()

# %% [markdown]
# The themes stand out; what follows is noise: a corpus with so many pairs tells no more concepts apart.
#
# ## 3. The exact trajectory from leading pairs
#
# From weights $W_0$ the exact solution needs all eigenvectors. Those left out act on a run in two ways: they
# hold a share of $W_0$, and they grow, each slower than the slowest one held. `predict` takes
# along what they do on average, by the density of their eigenvalues, and **proves** how far off that can be.

# %%
dim, scale = 8, 1e-8
W0 = wf.gaussian_init(jax.random.key(0), stats.vocab_size, dim, scale)
mean, spread = wf.step_time_law(problem, dim, scale, spectrum=spectrum)  # before any seed is drawn
ts = np.linspace(0, 1.15 * mean.max(), 200)
few = spectrum.leading(concepts // 2)
exact, rough = (wf.predict(problem, W0, ts, spectrum=pairs) for pairs in (spectrum, few))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
left.plot(ts, exact.singular_values**2)
left.vlines(mean, 0, spectrum.eigenvalues[:dim], color="0.6", ls=":")
_ = left.set(xlabel="time", ylabel="$s_k^2$", title="lines: exact; dotted: the law for the mean seed")
for run, name, colour in ((exact, f"{concepts} pairs", "C0"), (rough, f"{concepts // 2} pairs", "C1")):
    right.semilogy(
        ts, run.error_bound.max(axis=1) / spectrum.eigenvalues[0], color=colour, label=f"bound, {name}"
    )
apart = np.abs(exact.singular_values**2 - rough.singular_values**2).max(axis=1) / spectrum.eigenvalues[0]
right.semilogy(ts, np.maximum(apart, 1e-18), "k:", label="difference of the two")
_ = right.set(xlabel="time", ylabel="over $\\lambda_1$", ylim=(1e-18, 10), title="what the others can change")
_ = right.legend(fontsize=8)

# %% [markdown]
# Right: the proven bound, and what it is in truth, as far as more pairs tell. The bound is far from sharp,
# and tiny all the same. It grows while what was left out grows. As a rule, hold four times as many pairs as
# there are dimensions; `predict` does so of itself when it is given none.
#
# ## 4. Several devices, several machines
#
# `shard` deals the rows of words out over devices. All else is called as before.

# %%
dealt = problem.shard(devices)
again = wf.leading_eigenpairs(dealt, dim, tol=1e-5)
off = np.abs(np.asarray(again.eigenvalues) - spectrum.eigenvalues[:dim]).max() / spectrum.eigenvalues[0]
print(f"on {len(devices)} devices: eigenvalues {off:.0e} lambda_1 apart (asked for: residuals of 1e-5)")
rows = np.abs(dealt.target_operator().product(block) - product(block)).max()
print(f"a product with M*: {rows / np.abs(product(block)).max():.0e} apart")

# %% [markdown]
# With several processes, on one machine or many, each makes the same problem after one call that joins them;
# `jax.devices()` then names the devices of all, and every process gets the whole result:
#
# ```python
# jax.distributed.initialize("10.0.0.1:8476", num_processes=2, process_id=0)  # 1 in the other
# problem = wf.Problem.from_statistics(wf.load_statistics("all.npz")).shard(jax.devices())
# ```
#
# Eight devices in one process, and two processes, agree with one device to 1e-10
# (`tests/support/test_sharding.py`).
#
# ## 5. Precision
#
# From weights of 1e-8, a concept grows by sixteen orders of magnitude in $s^2$, next to an eigenvalue
# that is larger in size and negative. float32 has seven digits. Theory and flow compute in the precision
# of what they are given; here that is float64, as the first cell has set it.
#
# SGD is another matter: its own noise is larger than float32's rounding, and GPUs are many times
# faster in float32. So it runs in float32, whatever JAX is set to; the closed form beside it does not:

# %%
small = wf.load_statistics("enwiki15k-v3000").most_frequent(min(1000, stats.vocab_size))
own = wf.Problem.from_statistics(small)
start = wf.gaussian_init(jax.random.key(0), small.vocab_size, 8, 1e-2)
settings = {"key": jax.random.key(1), "learning_rate": 2e-4, "batch_size": 65_536, "sampler": "blocks"}
sgd = wf.run_sgd(own, start, np.linspace(0, 0.08, 41)[1:], **settings)
theory = wf.predict(own, start, sgd.ts, learning_rate=2e-4)
reference = wf.leading_eigenpairs(own, 8)
for run in (theory, sgd):
    print(f"{run.source}, {run.metadata['precision']}: step times", end=" ")
    print(wf.measure_step_times(run, reference)[:5].round(5))

# %% [markdown]
# An accelerator without float64 (a TPU) therefore runs SGD, and problem, theory and flow are put on the
# processor beside it; `metadata["device"]` says so. On accelerators, `deterministic=True` (the default)
# adds up gradients in a fixed order, so that the same seed gives the same bits; `False` is faster there.
#
# ## 6. All words: what it takes
#
# `w2vflow spectrum all.npz --dry-run` says so on the command line. In Python, for any size, before there
# is a corpus:

# %%
plan = plan_spectrum(371_247, 72_000_000, 50)
print(*plan.lines(), sep="\n")

# %% [markdown]
# And measured: every word of 40 million words of Wikipedia, V = 371,247, 144 million entries seen, 0.1% of
# all, on two cores of an AMD EPYC at 2.6 GHz, **without a GPU**:
#
# | stage | seconds | largest memory so far | command |
# |---|---|---|---|
# | counting, text to file, window 16 | 20.8 | 1.6 GB | `python benchmarks/counting.py TEXT --all-words` |
# | reading the counts, making $M^*$ | 17 | 4.9 GB | `python benchmarks/all_words.py STATISTICS` |
# | 50 leading eigenpairs, residuals below 9e-6 $\lambda_1$ | 72 | 5.4 GB | the same |
# | exact trajectory, d = 50, 100 times, scale 1e-8 | 5 | 5.5 GB | the same |
# | or 200 leading eigenpairs, residuals below 7e-6 $\lambda_1$ | 158 | 7.0 GB | the same with `--pairs 200` |
#
# What the eigenvectors left out can change, proven, over $\lambda_k$ at half-rise: with 50 pairs 1e-13 for
# the first concept, 6e-7 for the tenth, 0.6 for the fiftieth; with 200 pairs 1e-13, 7e-10 and 2e-2.
#
# To do it with your own text, set `counts_file` at the top to what this writes, and run all cells again:
#
# ```sh
# w2vflow count my-text.txt.gz --vocab-size None --out all.npz
# ```
#
# **Read next:** [docs/large.md](../docs/large.md): the concepts of all 371,247 words, how seconds grow with
# words, dimensions and seeds; [docs/counting.md](../docs/counting.md): counting on a cluster.
