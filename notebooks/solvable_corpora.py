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
# # Three corpora that can be solved by hand
#
# What word2vec learns is hard to see in Wikipedia, where nobody knows the concepts beforehand. Here
# are three corpora whose concepts are known exactly. You will learn
#
# 1. why concepts are learned one after the other, strongest first, and **when** each is;
# 2. why the months lie on a **circle**, and at which moment the circle appears;
# 3. why years lie on a **curve** with bends, and why the first bend comes later than the line;
# 4. what changes when some words get more frequent in **mid-training**;
# 5. why another optimizer, **Muon**, learns the very same concepts in another order.
#
# What is predicted in closed form stands beside the flow or beside training. Under a minute on a laptop.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import w2vflow as wf

jax.config.update("jax_enable_x64", True)
plt.rcParams |= {"figure.dpi": 60, "figure.figsize": (6, 3.2)}

# %% [markdown]
# ## 1. Independent attributes
#
# Think of words as answers to four yes-or-no questions: *royal? female? plural? capital letter?* That
# makes 16 words, `++++` to `----`. Words that agree in an attribute stand together more often. In
# word2vec's terms everything follows from one matrix,
#
# $$ M^*_{ij} = 2\,\frac{P_{ij} - p_i p_j}{P_{ij} + p_i p_j}, $$
#
# whose eigenvectors are the concepts. Here they are the attributes and their products (Walsh
# functions), and their eigenvalues are sums of 16 numbers.

# %%
attributes = wf.theory.solvable.binary_attributes([0.8, 0.65, 0.5, 0.35])
problem, spectrum = attributes.problem(), attributes.spectrum
for label, value in zip(attributes.labels[:6], spectrum.eigenvalues, strict=False):
    print(f"{label:16} lambda = {value:.3f}")

# %% [markdown]
# Training starts from small random vectors. The singular value $s$ of a concept of
# eigenvalue $\lambda$ grows like $e^{\lambda t}$ until $s^2$ reaches $\lambda$: an S-shaped step at
#
# $$ t_k = \frac{\ln(\lambda_k / R_{kk}^2 - 1)}{2 \lambda_k}. $$
#
# $R_{kk}$ says how much of concept $k$ this random start happens to hold. So the moment of every step is
# known before training begins, seed by seed.

# %%
W0 = wf.gaussian_init(jax.random.key(0), 16, 4, scale=1e-3)
predicted = wf.predict_step_times(problem, W0, spectrum=spectrum)
ts = np.linspace(0, 1.4 * predicted[-1], 121)[1:]
theory = wf.predict(problem, W0, ts, spectrum=spectrum)
sgd = wf.run_sgd(problem, W0, ts, key=jax.random.key(1), learning_rate=0.002, batch_size=256)
measured = wf.measure_step_times(sgd, spectrum)
for mode in range(4):
    print(f"{attributes.labels[mode]}: predicted {predicted[mode]:.3f}, SGD {measured[mode]:.3f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for mode in range(4):
    (line,) = left.plot(ts, theory.singular_values[:, mode] ** 2, label=attributes.labels[mode])
    left.plot(sgd.ts[::5], sgd.singular_values[::5, mode] ** 2, ".", color=line.get_color())
    right.axvline(predicted[mode], color=line.get_color(), lw=0.8)
_ = left.set(xlabel="time", ylabel="$s_k^2$", title="one concept after the other")
left.legend(fontsize=8)
right.plot(ts, theory.loss, "k")
right.plot(sgd.ts[::5], sgd.loss[::5], "k.")
_ = right.set(xlabel="time", title="loss: a staircase")
# %% [markdown]
# ## 2. A ring: the months
#
# Let the co-occurrence of two months depend only on how far apart they are in the year. Then the
# concepts are waves around the year, and they come in **pairs** of one eigenvalue: a cosine and a sine.

# %%
months = wf.theory.solvable.ring(12, concentration=1.0)
print([f"{months.labels[k]}: {months.spectrum.eigenvalues[k]:.2f}" for k in range(4)])
W0 = wf.gaussian_init(jax.random.key(2), 12, 2, scale=1e-4)
first, second = wf.predict_step_times(months.problem(), W0, spectrum=months.spectrum)
flow = wf.solve_flow(
    months.problem(),
    W0,
    [0.5 * first, (first + second) / 2, second + 1.0],
    recording=wf.Recording(save_embeddings=True),
)
figure, axes = plt.subplots(1, 3, figsize=(9, 3.1), layout="constrained")
for ax, W, title in zip(axes, flow.embeddings, ["before", "between both steps", "after"], strict=True):
    turned = W @ np.linalg.svd(W, full_matrices=False)[2].T
    ax.plot(*np.vstack([turned, turned[:1]]).T, "-", color="0.8")
    for word, place in zip(months.words, turned, strict=True):
        ax.annotate(word[:3], place, ha="center", va="center", fontsize=8)
    reach = 1.25 * np.abs(turned).max()
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title=title)
print(f"steps of the pair: {first:.2f} and {second:.2f}")

# %% [markdown]
# Mind the axes: they are scaled to each picture. Before the steps the vectors are more than a hundred
# times shorter, but in the order of the year already: directions are found long before there is
# anything to see. Between the steps the months lie on a flat ellipse, because one of the two waves got
# more of the random start than the other. The **circle** is there when both modes of the pair are learned.
#
# ## 3. An interval: years
#
# Years have a beginning and an end. With co-occurrence falling off with distance, the concepts are
# sines and cosines again, but alone: first a slope (earlier or later), then one bend (the middle
# against both ends), then two.

# %%
years = wf.theory.solvable.interval(60, reach=0.5)
W0 = wf.gaussian_init(jax.random.key(3), 60, 3, scale=1e-4)
steps = wf.predict_step_times(years.problem(), W0, spectrum=years.spectrum)
print([f"{years.labels[k]}: step at {steps[k]:.1f}" for k in range(3)])
end = wf.predict(
    years.problem(), W0, [2 * steps[-1]], spectrum=years.spectrum, save_embeddings=True
).embeddings[0]
turned = end @ np.linalg.svd(end, full_matrices=False)[2].T
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.plot(years.spectrum.eigenvectors[:, :3], label=years.labels[:3])
_ = left.set(xlabel="year", title="the first three concepts")
left.legend(fontsize=8)
right.scatter(turned[:, 0], turned[:, 1], c=np.arange(60), s=12)
_ = right.set(xlabel="first", ylabel="second", aspect="equal", title="vectors of the years")
# %% [markdown]
# ## 4. Changing the corpus in mid-training
#
# Make all words with a `+` in the second attribute four times as frequent. What becomes of the concepts?
# First their eigenvalues, then a run that is switched to the new corpus after the first step: the
# closed form goes through both phases.

# %%
heavy = {word: 4.0 for word in attributes.words if word[1] == "+"}
other = wf.Problem.from_statistics(wf.counts.reweigh_words(attributes.statistics, heavy))
print(wf.theory.concept_changes(problem, other, 4, dim=4, scale=1e-3))

# %%
W0 = wf.gaussian_init(jax.random.key(0), 16, 4, scale=1e-3)
switch = (predicted[0] + predicted[1]) / 2
parts = np.linspace(0, switch, 31)[1:], np.linspace(0, ts[-1] - switch, 61)[1:]
both = wf.predict_phases([wf.Phase(problem, parts[0]), wf.Phase(other, parts[1])], W0)
one = wf.solve_flow(problem, W0, parts[0], recording=wf.Recording(save_embeddings=True))
two = wf.solve_flow(other, one.embeddings[-1], parts[1])
trained = np.concatenate([one.singular_values, two.singular_values])
print(f"largest difference of any s_k: {np.abs(trained - both.singular_values).max():.0e}")
figure, ax = plt.subplots(layout="constrained")
ax.plot(ts, theory.singular_values**2, "0.8")
ax.plot(both.ts, both.singular_values**2)
ax.set_prop_cycle(None)
ax.plot(both.ts[::4], trained[::4] ** 2, ".")
ax.axvline(switch, color="k", ls=":", lw=0.8)
_ = ax.set(xlabel="time", ylabel="$s_k^2$", title="another corpus from the dotted line on (grey: without)")
# %% [markdown]
# ## 5. Muon: the same concepts, the other way round
#
# Gradient descent lets a concept grow in proportion to what is there of it: the strong ones run away.
# Muon replaces the gradient by its polar factor, in which all directions weigh the same. Every concept
# grows at the same speed, $s_k = s_k(0) + t$, up to $\sqrt{\lambda_k}$: the **weakest is finished
# first**, and there is no staircase.

# %%
values, start = jnp.asarray(spectrum.eigenvalues[:4]), jnp.full(4, 0.05**2)
aligned = spectrum.eigenvectors[:, :4] * 0.05
# A polar factor to rounding, and no momentum: what the formula describes.
muon = partial(
    optax.contrib.muon, beta=0.0, nesterov=False, ns_coeffs=(1.875, -1.25, 0.375), ns_steps=30, eps=1e-30
)
run = wf.run_gd(problem, aligned, np.linspace(0, 3.8, 77)[1:], learning_rate=2e-3, optimizer=muon)
lines = wf.theory.muon_strengths(values, start, jnp.asarray(run.ts))
print("predicted", np.round(wf.theory.muon_step_times(values, start), 3))
print("measured ", np.round(wf.measure_step_times(run, spectrum), 3))
figure, ax = plt.subplots(layout="constrained")
ax.plot(run.ts, lines, label=attributes.labels[:4])
ax.set_prop_cycle(None)
ax.plot(run.ts[::4], run.singular_values[::4] ** 2, ".")
_ = ax.set(xlabel="step size times steps", ylabel="$s_k^2$", title="Muon")
_ = ax.legend(fontsize=8)
