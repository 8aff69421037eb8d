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
# # Everything is a function
#
# Counts go in, step times come out, and all in between is one function of arrays. So JAX can compile it,
# map it over many settings in one call, and differentiate it. You will learn
#
# 1. to compute the step times of **64 scales x 8 seeds in one compiled call**;
# 2. to see how one concept's step time hangs on **every count of a corpus**, as words;
# 3. to get **error bars** by mapping over resampled documents, beside a formula for them;
# 4. to find a **learning rate by gradient descent through SGD**;
# 5. to find, by gradient descent, **the edit of a corpus** after which another concept is learned first;
#    and to check it by counting again and running SGD.
#
# Under two minutes on two cores.

# %%
import tempfile
import time
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import w2vflow as wf

jax.config.update("jax_enable_x64", True)
plt.rcParams |= {"figure.dpi": 60, "axes.spines.top": False, "axes.spines.right": False}

# %% tags=["parameters"] small="words, vocab_size, documents, resampled = 300, 60, 80, 8"
words, vocab_size, documents, resampled = 3000, 120, 300, 64

# %% [markdown]
# ## 1. A sweep is one call
#
# `step_times` is a function of one key and one scale. `jax.vmap` makes a function of many of it, twice;
# `jax.jit` compiles the whole. Python sees none of the 512 runs.

# %%
wikipedia = wf.load_statistics("enwiki15k-v3000").most_frequent(words)
problem = wf.Problem.from_statistics(wikipedia)
spectrum = wf.leading_eigenpairs(problem, 40)


def step_times(key, scale):
    """Return when one seed learns each of its eight concepts."""
    W0 = wf.gaussian_init(key, problem.vocab_size, 8, scale)
    return wf.predict_step_times(problem, W0, spectrum=spectrum)


keys, scales = jax.random.split(jax.random.key(0), 8), jnp.logspace(-8, -2, 64)
sweep = jax.jit(jax.vmap(jax.vmap(step_times, (0, None)), (None, 0)))
times = jax.block_until_ready(sweep(keys, scales))
began = time.perf_counter()
times = jax.block_until_ready(sweep(keys, scales))
print(f"{times.shape}, compiled, in {time.perf_counter() - began:.2f} s")
figure, ax = plt.subplots(figsize=(7.5, 3), layout="constrained")
for k in range(8):
    ax.plot(scales, times[:, :, k], color=f"C{k}", lw=0.7)
_ = ax.set(xscale="log", xlabel="scale of the start", ylabel="$t_k$", title="eight concepts, eight seeds")

# %% [markdown]
# The smaller the start, the later the steps, by $\ln$ of the scale over $\lambda_k$; and the less do seeds
# matter.
#
# ## 2. One step time, every count
#
# `stats.with_values(counts)` are the same words and pairs with other counts, which may be traced. So the
# step time of a concept is a function of all counts, and `jax.grad` has its slope in each of them, through
# the spectrum and everything else.

# %%
concept = 1  # counted from 0: the second one


def when_learned(counts):
    """Return the mean step time of the concept, over seeds."""
    corpus = wf.Problem.from_statistics(wikipedia.with_values(counts))
    return wf.step_time_law(corpus, 8, 1e-6, spectrum=wf.leading_eigenpairs(corpus, 24)).mean[concept]


counts = jnp.asarray(wikipedia.values)
gradient = jax.jit(jax.grad(when_learned))(counts)
print(f"slopes in {gradient.size:,} counts; twice all counts change nothing: {counts @ gradient:.0e}")
rows = np.repeat(np.arange(words), np.diff(wikipedia.indptr))
relative = np.asarray(counts * gradient)  # of a change by a share of the count

# %%
upper = np.flatnonzero(rows < wikipedia.indices)
order = upper[np.argsort(relative[upper])]
for name, ends in (("sooner", order[:8]), ("later", order[::-1][:8])):
    pairs = (f"{wikipedia.words[rows[e]]}-{wikipedia.words[wikipedia.indices[e]]}" for e in ends)
    print(f"{name}, if met more often:", *pairs)
by_word = np.bincount(rows, relative, words)
shown = np.unique(np.concatenate([np.argsort(by_word)[:14], np.argsort(by_word)[-14:], np.arange(8)]))
along = np.asarray(spectrum.eigenvectors[:, concept])
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for word in shown:
    ax.text(along[word], by_word[word], wikipedia.words[word], ha="center", va="center", size=9)
wide, high = (1.2 * np.array([one[shown].min(), one[shown].max()]) for one in (along, by_word))
ax.set(xlim=wide, xlabel="place of the word along the concept", ylim=high, ylabel="change of its time")
ax.axhline(0, color="0.7", lw=0.8, zorder=0)
_ = ax.set_title("below: words that bring the concept sooner")

# %% [markdown]
# ## 3. Error bars by mapping over corpora
#
# How sure are the eigenvalues, given only so many documents? Draw as many with replacement, again and
# again. Counts are sums over documents, so that resampled corpora of one set of pairs are a matrix product;
# `jax.vmap` has the spectra of all of them at once. Documents are needed for that: we write some, which
# lean to one side or the other of four concepts.

# %%
folder = Path(tempfile.mkdtemp())
text = folder / "text.txt"
known = wf.load_statistics("enwiki15k-v3000").most_frequent(vocab_size)
themes = wf.leading_eigenpairs(wf.Problem.from_statistics(known), 4)
rng = np.random.default_rng(1)
lean = 0.5 * rng.laplace(size=(documents, 4)) * np.asarray(themes.eigenvalues / themes.eigenvalues[0])
logits = 0.7 * np.log(known.unigram) + lean @ np.asarray(themes.eigenvectors).T * np.sqrt(vocab_size)
shares = np.exp(logits - logits.max(axis=1, keepdims=True))
lines = (" ".join(rng.choice(np.array(known.words), 300, p=row / row.sum())) for row in shares)
_ = text.write_text("\n".join(lines))
wf.tokenize(text, folder / "tokens", min_count=20, workers=1)
tokens = wf.TokenFile.load(folder / "tokens")
stats = wf.count_documents(tokens, window=5)
ours = wf.Problem.from_statistics(stats)
pairs = wf.leading_eigenpairs(ours, stats.vocab_size)
print(f"{tokens.documents} documents, {stats.vocab_size} words, {len(stats.values):,} pairs")

# %% [markdown]
# The counts of each document, as those it adds to the corpus when it comes once more:

# %%
once = np.ones(tokens.documents, int)
dense = stats.counts.toarray()
seen = np.repeat(np.arange(stats.vocab_size), np.diff(stats.indptr)), stats.indices
of_document = np.empty((tokens.documents, len(stats.values)))
for number in range(tokens.documents):
    more = wf.count_documents(tokens, window=5, weights=once + (np.arange(tokens.documents) == number))
    of_document[number] = (more.counts.toarray() - dense)[seen]
of_document = jnp.asarray(of_document)


def reweighed(weights):
    """Return the problem of a corpus in which each document has a weight."""
    return wf.Problem.from_statistics(stats.with_values(weights @ of_document))


@jax.jit
@jax.vmap
def eigenvalues(weights):
    """Return the leading eigenvalues of a reweighed corpus."""
    return wf.leading_eigenpairs(reweighed(weights), 6).eigenvalues


draws = rng.multinomial(tokens.documents, np.full(tokens.documents, 1 / tokens.documents), resampled)
found = eigenvalues(jnp.asarray(draws, float))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the bias, which is shown below
    formula = wf.theory.document_uncertainty(ours, pairs.leading(12), tokens, workers=1).eigenvalues
print("eigenvalues             ", np.asarray(pairs.eigenvalues[:6]).round(2))
print(f"spread of {resampled:3} resampled ", np.asarray(found.std(axis=0)).round(2))
print("`document_uncertainty`  ", formula.errors[:6].round(2))
print("resampled, on average   ", np.asarray(found.mean(axis=0) - pairs.eigenvalues[:6]).round(2))
print("its bias                ", formula.bias[:6].round(2))

# %% [markdown]
# The formula leaves groups of documents out in turn. Where concepts are close they push each other apart,
# and vary less than it says. Resampled corpora have the noise of ours and as much again: their eigenvalues
# are off from ours by the bias that ours has.
#
# ## 4. A learning rate, by descent through descent
#
# SGD is a function of its learning rate. Its loss after 200 steps has a slope in the rate, through all 200
# of them: `max_steps` bounds their number, and the way back goes through the same steps again, not through
# memory. So the rate itself can be learned by gradient descent.

# %%
start = wf.gaussian_init(jax.random.key(0), ours.vocab_size, 4, 0.1)
steps = 200


def loss_after(log_rate):
    """Return the loss after 200 steps of SGD."""
    rate = jnp.exp(log_rate)
    how = {"key": jax.random.key(3), "batch_size": 512, "sampler": "balanced", "max_steps": steps}
    return wf.run_sgd(ours, start, rate * jnp.array([float(steps)]), learning_rate=rate, **how).loss[-1]


slope = jax.jit(jax.value_and_grad(loss_after))
limit = float(wf.stability_limit(ours))
log_rate, path = jnp.log(limit / 300), []
optimizer = optax.adam(0.3)
state = optimizer.init(log_rate)
for _ in range(25):
    loss, change = slope(log_rate)
    path.append((float(jnp.exp(log_rate)), float(loss)))
    update, state = optimizer.update(change, state)
    log_rate = optax.apply_updates(log_rate, update)
tried = jnp.logspace(jnp.log10(limit / 500), jnp.log10(limit / 2), 30)
losses = jax.jit(jax.vmap(loss_after))(jnp.log(tried))
figure, ax = plt.subplots(figsize=(6.5, 3), layout="constrained")
ax.plot(tried, losses, color="0.6", label="30 rates at once, by `vmap`")
ax.plot(*zip(*path, strict=True), "o-", ms=4, lw=0.7, label="descent in the rate, by `grad`")
_ = ax.set(xscale="log", xlabel="learning rate", ylabel=f"loss after {steps} steps")
_ = ax.legend()
for name, (rate, loss) in {"begins": path[0], "ends": path[-1]}.items():
    print(f"{name:6} at {rate:.1e}: loss {loss:.1f}")
print(f"least of all tried: {jnp.nanmin(losses):.1f}; the largest rates diverge")

# %% [markdown]
# ## 5. The edit after which another concept comes first
#
# Give each document a weight, not negative, and let a concept $v$ of the corpus want to be the first. It is
# when its strength $v^T M^* v$ is above the leading eigenvalue of all that is orthogonal to it. Both are
# functions of the weights; descend until the one is above the other by a tenth, with weights as near to 1
# as that allows.

# %%
wanted = 2  # the third concept is to become the first
direction = pairs.eigenvectors[:, wanted]
others = jnp.eye(ours.vocab_size) - jnp.outer(direction, direction)


def missing(log_weights):
    """Return what the concept still lacks to be first, and the price of the edit."""
    target = reweighed(jnp.exp(log_weights)).target()
    own = direction @ target @ direction
    rest = jnp.linalg.eigvalsh(others @ target @ others)[-1]
    return jnp.maximum(1.1 * rest - own, 0) + 0.02 * jnp.sum(log_weights**2), (own, rest)


lower = jax.jit(jax.value_and_grad(missing, has_aux=True))
log_weights = jnp.zeros(tokens.documents)
optimizer = optax.adam(0.05)
state = optimizer.init(log_weights)
for _ in range(150):
    (_, (own, rest)), change = lower(log_weights)
    update, state = optimizer.update(change, state)
    log_weights = optax.apply_updates(log_weights, update)
weights = np.asarray(jnp.exp(log_weights))
print(f"its strength {own:.2f}, of the best of the others {rest:.2f}")
print(f"weights of documents: {weights.min():.2f} to {weights.max():.2f}")

# %% [markdown]
# Is it true? Let each document come as often as four times its weight, rounded; **count again**, and train
# by **SGD** from small weights. The first direction that SGD learns should be the concept.

# %%
copies = np.rint(4 * weights).astype(int)
edited = wf.Problem.from_statistics(wf.count_documents(tokens, window=5, weights=copies))
after = wf.leading_eigenpairs(edited, 6)
small = wf.gaussian_init(jax.random.key(5), edited.vocab_size, 4, 1e-3)
ts = jnp.linspace(0, 1.4 * wf.predict_step_times(edited, small).max(), 60)
how = {"key": jax.random.key(6), "batch_size": 4096, "sampler": "balanced", "learning_rate": limit / 40}
for name, corpus, concepts in (("as it was", ours, pairs), ("edited", edited, after)):
    run = wf.run_sgd(corpus, small, ts, recording=wf.Recording(save_embeddings=True), **how)
    early = int(np.argmax(run.singular_values[:, 0] ** 2 > 0.5 * concepts.eigenvalues[0]))
    first = wf.spectrum.left_directions(run.embeddings[early], 1)[:, 0]
    shares = [float(one @ direction) ** 2 for one in (concepts.eigenvectors[:, 0], first)]
    print(f"{name:10} of the leading eigenvector it is {shares[0]:.2f}, of what SGD learns {shares[1]:.2f}")

# %% [markdown]
# **Read next:** [docs/functions.md](../docs/functions.md), what can be transformed and what is held;
# [docs/design.md](../docs/design.md) for how it is done.
