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
# # Your own corpus
#
# From a text file to what word2vec would learn from it, when, and how sure that is. The text here is made
# up by a few lines of code, so that you know what is in it and can see whether it is found; put your own in
# its place. You will learn
#
# 1. how a **text file** becomes counts;
# 2. which **concepts** word2vec finds in it, by name, and when it would learn each;
# 3. **how sure** that is: error bars from the size of the corpus, and which concepts are mere chance;
# 4. how to **simulate** the training and look at it in an interactive **page**;
# 5. what happens if the corpus is **too small**.
#
# Under a minute on two cores. On the command line all of it is one line:
#
# ```sh
# w2vflow run my-text.txt
# ```

# %%
import tempfile
import warnings
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

import w2vflow as wf
from w2vflow.plotting import plot_loss, plot_singular_values
from w2vflow.report import write_report
from w2vflow.results import embedding_cloud

jax.config.update("jax_enable_x64", True)
plt.rcParams |= {"figure.dpi": 72, "font.size": 9}

# %% tags=["parameters"] small="documents, corpora, seeds = 120, 3, 1"
documents = 400  # in the text
corpora = 10  # other texts of the same kind, to check the error bars
dim = 5  # numbers in a word vector
seeds = 3  # runs of SGD

# %% [markdown]
# ## 1. A text, and its counts
#
# A text is a file with a document on each line. (Wikipedia dumps, Parquet and packed files are
# read as well: `docs/counting.md`.) Ours is made of four themes. Two belong outdoors, two indoors, and
# themes of one place share some of their words. Verbs, adjectives and prepositions are the same in all.

# %%
themes = {
    "harbour": "ship crew net tide gull anchor rope captain wave sail",
    "orchard": "apple tree bee ladder basket blossom cider hedge branch plum",
    "workshop": "hammer nail plank saw bench glue chisel carpenter screw vise rivet clamp",
    "concert": "violin piano stage singer melody drum applause conductor choir flute cello encore",
}
shared = {"outdoors": "wind rain cloud sun path fence", "indoors": "lamp door table floor candle wall"}
place_of = {"harbour": "outdoors", "orchard": "outdoors", "workshop": "indoors", "concert": "indoors"}
adjectives, verbs, prepositions = (
    "old new small large quiet",
    "found left brought heard wanted",
    "near behind beside",
)


def pick(words, draw):
    """Return one of the words; the first are the most frequent."""
    words = words.split()
    return words[int(len(words) * draw.random() ** 2)]


def write_sentence(theme, draw):
    """Return a sentence about a theme, with a third of its nouns from the place that two themes share."""
    nouns = [pick(shared[place_of[theme]] if draw.random() < 0.3 else themes[theme], draw) for _ in range(4)]
    adjective, verb, preposition = (pick(words, draw) for words in (adjectives, verbs, prepositions))
    return f"the {adjective} {nouns[0]} and the {nouns[1]} {verb} a {nouns[2]} {preposition} the {nouns[3]}"


def write_documents(number, draw):
    """Return documents of 4 to 12 sentences, each about one theme, with a stray sentence here and there."""
    written = []
    for _ in range(number):
        own = draw.choice(list(themes))
        about = [
            own if draw.random() < 0.8 else draw.choice(list(themes)) for _ in range(draw.integers(4, 13))
        ]
        written.append(". ".join(write_sentence(theme, draw) for theme in about))
    return written


folder = Path(tempfile.mkdtemp())
text = folder / "my-text.txt"  # or Path("...") of your own
text.write_text("\n".join(write_documents(documents, np.random.default_rng(0))))
print(f"{text.stat().st_size / 1000:.0f} kB, beginning with: {text.read_text()[:190]} ...")

# %% [markdown]
# `tokenize` writes the text as word numbers to a folder, once. From there it is counted as often as needed:
# pairs of words at most 16 apart, nearer ones with more weight, documents kept apart.

# %%
wf.tokenize(text, folder / "tokens", min_count=3, workers=1)
tokens = wf.TokenFile.load(folder / "tokens")
stats = wf.count_documents(tokens)
problem = wf.Problem.from_statistics(stats)
print(f"{tokens.documents} documents, {len(tokens.words)} words; the most frequent:", *tokens.words[:6])

# %% [markdown]
# ## 2. Concepts, and when they are learned
#
# The concepts are the leading eigenvectors of $M^*$ (see `01_what_word2vec_learns`). Before anything is
# trained, the counts tell what they are and when each is learned:

# %%
spectrum = wf.leading_eigenpairs(problem, dim)
features = wf.label_features(spectrum, stats.words, n=6)
scale = 1e-3
mean, over_seeds = wf.step_time_law(problem, dim, scale)
for t, feature in zip(mean, features, strict=True):
    print(f"t = {t:5.2f}  lambda {feature.eigenvalue:5.1f}  {', '.join(feature.positive)}  <->  ", end="")
    print(*feature.negative, sep=", ")

# %% [markdown]
# The first three are what was put in: outdoors against indoors, then one pair of themes and the other. No
# word of themes or places is in the text; they are found from who stands near whom. The rest look
# arbitrary, are weak, and come late. Are they concepts at all?
#
# ## 3. How sure?
#
# Another text of the same kind and size would have somewhat other counts. How much that matters is known
# from the one text at hand: leave out documents and see what changes (the jackknife,
# `document_uncertainty`). It gives every eigenvalue and step time a standard deviation and a bias, by which
# it is too large on average (it warns where that is the larger of the two), and every direction the tangent
# of the angle by which it may be off. Above some 0.5 it is not known.

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the bias, which the table shows
    bars = wf.theory.document_uncertainty(problem, spectrum, tokens)
print(bars, end="\n\n")
over_corpora = bars.step_times(mean).errors
known = bars.directions < 0.5
print("concept   lambda          step time, +- over seeds, +- over corpora   angle  known?")
for k in range(dim):
    print(
        f"{k + 1:7}   {spectrum.eigenvalues[k]:5.2f} +- {bars.eigenvalues.errors[k]:4.2f}   {mean[k]:6.3f} "
        f"{over_seeds[k]:10.3f} {over_corpora[k]:15.3f} {bars.directions[k]:16.2f}",
        "  yes" if known[k] else "  no",
    )

# %% [markdown]
# Here we can check that, because other texts of the same kind cost nothing. Blue: their eigenvalues, less
# their mean. Black: that of the text at hand, with its error bar of one standard deviation. The bars should
# be about as long as the blue dots spread, and reach the zero line two times in three.

# %%
others = []
for number in range(1, corpora + 1):
    other = folder / f"other-{number}.txt"
    other.write_text("\n".join(write_documents(documents, np.random.default_rng(number))))
    counted = wf.count(other, vocabulary=tokens.words, workers=1)
    others.append(wf.leading_eigenpairs(wf.Problem.from_statistics(counted), dim).eigenvalues)
others = np.array(others)
places = np.arange(1, dim + 1)
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(places + 0.12, (others - others.mean(axis=0)).T, ".", color="#56B4E9")
ax.errorbar(
    places, spectrum.eigenvalues - others.mean(axis=0), bars.eigenvalues.errors, fmt="ok", capsize=3, ms=4
)
ax.axhline(0, color="0.8", lw=0.8, zorder=0)
_ = ax.set(xlabel="concept", ylabel="$\\lambda_k$ less the mean of others", xticks=places)
print("standard deviation over the other texts:", np.round(others.std(axis=0, ddof=1), 2))
print("foreseen from the one text:             ", np.round(bars.eigenvalues.errors, 2))

# %% [markdown]
# For concepts that are not known the bars are too long: weak concepts push each other apart, which first
# order does not see. That errs on the safe side.
#
# ## 4. Simulate, and look
#
# The closed form, the gradient flow and SGD from the same starts, on one time axis. SGD takes the rate that
# keeps its step times within a per cent or so (`recommended_learning_rate`).

# %%
keys = jax.random.split(jax.random.key(0), seeds)
W0 = wf.gaussian_init(keys, problem.vocab_size, dim, scale)
sgd = wf.run_sgd_ensemble(
    problem,
    keys,
    np.linspace(0, 2 * mean[known][-1], 81),
    dim=dim,
    scale=scale,
    batch_size=8192,
    sampler="balanced",
    recording=wf.Recording(save_embeddings=True),
)
theory = wf.predict(problem, W0, sgd.ts, save_embeddings=True)
flow = wf.solve_flow(problem, W0, sgd.ts, recording=wf.Recording(save_embeddings=True))
comparison = wf.compare(theory, flow, sgd, spectrum=spectrum)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
plot_loss(flow.sel(seed=0), sgd, theory.sel(seed=0), ax=left)
plot_singular_values(
    flow.sel(seed=0),
    sgd,
    theory.sel(seed=0),
    spectrum=spectrum.leading(int(known.sum())),
    legend=False,
    ax=right,
)
for k in np.flatnonzero(known):
    right.axvspan(mean[k] - over_corpora[k], mean[k] + over_corpora[k], color="0.85", lw=0, zorder=0)

# %% [markdown]
# Look for the steps: all three sources take them together, and each step of the first seed lies at its
# predicted time. The grey bands are how far another text of this size would move the mean over seeds; a
# seed, one blue line, moves them too.
#
# The same as a page to play with: a slider through time that moves the cloud of words, a search for a word,
# the table of concepts. It is one file that needs no network. Open it in a browser:

# %%
cloud = embedding_cloud([theory, flow, sgd], spectrum, stats.words)
page = write_report(folder / "my-text.html", comparison, cloud, features, title="My text")
print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")
print(cloud)

# %% [markdown]
# ## 5. Too small a corpus
#
# Now the same from a part of the text. Each part is treated as if it were all there is.

# %%
sizes = [documents // 20, documents // 8, documents // 3, documents]
lines = text.read_text().splitlines()
figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for size in sizes:
    part = folder / f"part-{size}.txt"
    part.write_text("\n".join(lines[:size]))
    wf.tokenize(part, folder / f"part-{size}", min_count=3, workers=1)
    few = wf.TokenFile.load(folder / f"part-{size}")
    own = wf.Problem.from_statistics(wf.count_documents(few))
    pairs = wf.leading_eigenpairs(own, dim)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        doubt = wf.theory.document_uncertainty(own, pairs, few)
    for k, (value, bar) in enumerate(zip(pairs.eigenvalues, doubt.eigenvalues.errors, strict=True)):
        sure = doubt.directions[k] < 0.5
        ax.errorbar(size, value, bar, fmt="o", mfc="k" if sure else "w", color="k", capsize=3, ms=5)
    print(
        f"{size:4} documents: {doubt.rare_pairs:4.0%} of pairs expected less than 3 times; "
        f"eigenvalue largest in size {wf.extreme_eigenpairs(own, 1).eigenvalues[0]:5.1f}; first concept",
        wf.label_features(pairs.leading(1), few.words, n=3)[0].name,
        *{str(one.message).split(":")[0] for one in caught},
    )
ax.set(xscale="log", xlabel="documents", ylabel="$\\lambda_k$", xticks=sizes, xticklabels=sizes)
_ = ax.minorticks_off()

# %% [markdown]
# Filled: direction known; open: not. The three concepts that are there settle as the text grows, and
# their error bars shrink. The others fall towards zero: they were chance. In a small text chance is
# nearly as strong as meaning, because most pairs of words were hardly to be met, and a pair that was not
# met counts as $M^* = -2$, "never together". (Hence the negative eigenvalue that is larger in size than
# any concept.) At the smallest size even the test is fooled: it wants many documents. So, before you trust
# a concept of a small corpus:
#
# - is its direction known (`document_uncertainty(...).directions`)?
# - are there enough counts (`rare_pairs`)? If not, take fewer words: `vocab_size=` in place of
#   `min_count=`;
# - does it stay when you leave out half of the documents?
#
# Words of a real text come in bursts, so that the counts alone make error bars that are several times too
# small (`poisson_uncertainty`, a lower bound): use documents where you have them. Read next:
# `03_seeds_scales_and_limits` for what else can go wrong; `05` for what to do with concepts; `06` for which
# documents made them, and what would change without.
