"""Figures draw what they are given, on the Axes they are given, and leave nothing behind."""

import dataclasses
import importlib
import inspect
import pkgutil
import runpy
import shutil
from pathlib import Path

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import w2vflow as wf
import w2vflow.plotting as plotting
from w2vflow.plotting import style
from w2vflow.plotting.animation import _Scene
from w2vflow.plotting.learning import name_words

DIM, MODES = 4, 3


@pytest.fixture(autouse=True)
def figures_made_by_pyplot():
    """Composites make their own figures outside pyplot, where nobody need close them."""
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def spec(basis):
    return basis.leading(DIM)


@pytest.fixture(scope="module")
def runs(problem, spec):
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(0), 2), 30, DIM, 1e-3)
    ts = np.linspace(0, 1.2 * wf.step_time_law(problem, DIM, 1e-3).mean.max(), 40)
    theory = wf.predict(problem, W0, ts, save_embeddings=True)
    flow = wf.solve_flow(problem, W0, ts, recording=wf.Recording(save_embeddings=True))
    return theory, flow


@pytest.fixture(scope="module")
def row(runs, stats):
    theory, flow = runs
    clouds = [flow.embeddings[0, at][:, :3] for at in (10, 20, 39)]
    sgd = wf.Trajectory("sgd", flow.ts, flow.singular_values * 1.01, flow.loss + 0.1)
    return plotting.LearningRow(
        "quartic",
        theory.sel(seed=0),
        flow.sel(seed=0),
        sgd,
        flow.ts[np.array([10, 20, 39])],
        clouds,
        stats.words,
        range(8),
        time_unit=2.0,
    )


def drawn(ax: Axes, across: np.ndarray, up: np.ndarray) -> bool:
    """Return whether one of the lines goes through just these points."""
    lines = [line.get_xydata() for line in ax.get_lines()]
    given = np.stack([across, up], axis=1)
    return any(line.shape == given.shape and np.allclose(line, given, rtol=1e-12) for line in lines)


def test_every_plot_function_is_exported():
    for module in pkgutil.iter_modules(plotting.__path__):
        home = importlib.import_module(f"w2vflow.plotting.{module.name}")
        for name in home.__all__:
            if name.startswith(("plot_", "animate_")):
                assert name in plotting.__all__, f"{module.name}.{name}"
                assert getattr(plotting, name) is getattr(home, name)


def test_panels_and_composites_take_axes_and_give_axes():
    for name in plotting.__all__:
        if name.startswith("plot_"):
            parameters = inspect.signature(getattr(plotting, name)).parameters
            wanted = "ax" if "ax" in parameters else "axes"
            assert parameters[wanted].default is None, name


def test_loss_and_staircase_draw_the_numbers(runs, spec):
    theory, flow = runs
    _, (left, right) = style.new_figure(2)
    assert plotting.plot_loss(theory, flow, time_unit=2.0, ax=left) is left
    assert plotting.plot_singular_values(theory, flow, spectrum=spec, ax=right) is right
    for seed in range(2):
        assert drawn(left, flow.ts / 2, flow.loss[seed])
        for mode in range(DIM):
            assert drawn(right, flow.ts, flow.singular_values[seed, :, mode] ** 2)
    assert left.get_xlabel() == "time $t / t_1$"
    assert right.get_xlabel() == "time $t$"
    assert [t.get_text() for t in left.get_legend().get_texts()] == ["closed form", "gradient flow"]
    assert plt.get_fignums() == []
    fresh = plotting.plot_loss(theory)
    assert drawn(fresh, theory.ts, theory.loss[1])


def test_a_renamed_trajectory_is_drawn_under_its_name(runs):
    theory, _ = runs
    other = wf.Trajectory("by hand", theory.ts, theory.singular_values, theory.loss)
    ax = plotting.plot_loss(other)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["by hand"]


def test_concepts_draw_theory_flow_and_every_seed(row):
    ax = Figure().subplots()
    assert plotting.plot_concepts(row.theory, row.flow, row.sgd, concepts=MODES, time_unit=2.0, ax=ax) is ax
    assert len(ax.get_lines()) == MODES * (2 + row.sgd.seeds)
    for mode in range(MODES):
        for values in (row.theory.singular_values, row.flow.singular_values, *row.sgd.singular_values):
            assert drawn(ax, row.flow.ts / 2, values[:, mode] ** 2)
    alone = plotting.plot_concepts(row.theory, row.flow, concepts=1)
    assert len(alone.get_lines()) == 2
    with pytest.raises(ValueError, match="`concepts` must be between 1 and the dimension 4, but got 5"):
        plotting.plot_concepts(row.theory, row.flow, concepts=5)


def test_figure_1(row, runs):
    settings = dict(mpl.rcParams)
    axes = plotting.plot_learning([row, row], concepts=MODES)
    assert axes.shape == (2, 5)
    assert dict(mpl.rcParams) == settings
    assert plt.get_fignums() == []
    loss, staircase, *slices = axes[1]
    for values in (row.flow.loss, row.theory.loss, *row.sgd.loss):
        assert drawn(loss, row.flow.ts / 2, values)
    assert drawn(staircase, row.flow.ts / 2, row.theory.singular_values[:, 2] ** 2)
    for cloud, ax in zip(row.slices, slices, strict=True):
        np.testing.assert_array_equal(ax.collections[0].get_offsets(), cloud[:, :2])
        np.testing.assert_array_equal(ax.collections[0].get_array(), cloud[:, 2])
    assert len({ax.get_xlim() for ax in slices}) == 1
    letters = [text.get_text() for ax in axes.flat for text in ax.texts if text.get_weight() == "bold"]
    assert letters == list("abcdefghij")
    assert loss.xaxis.label.get_fontsize() == 8
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("time $t / t_1$", r"loss $\mathcal{L}$")
    given = Figure().subplots(1, 5)
    assert (plotting.plot_learning([row], given, concepts=MODES) == given).all()


def test_a_first_concept_that_dwarfs_the_others_leaves_the_panel(row):
    shown = dataclasses.replace(row, first=2)
    loss, staircase = plotting.plot_learning([shown], concepts=MODES)[0, :2]
    squares = row.theory.singular_values[-1] ** 2
    assert squares[1] < staircase.get_ylim()[1] < squares[0] * 1.3
    assert row.flow.loss[0] > loss.get_ylim()[1] > row.flow.loss[-1]
    assert any(f"{squares[0]:.0f}" in text.get_text() for text in staircase.texts)


def test_figure_2(runs, spec):
    theory, flow = (traj.sel(seed=0) for traj in runs)
    axes = plotting.plot_init_scales({1e-3: (theory, flow), 0.5: (theory, flow)}, spec, concepts=MODES)
    assert axes.shape == (2, 2)
    assert plt.get_fignums() == []
    unit = wf.measure_step_times(theory, spec)[0]
    assert drawn(axes[0, 0], theory.ts / unit, flow.singular_values[:, 1] ** 2)
    assert drawn(axes[1, 1], theory.ts / unit, theory.loss)
    # In the limit of vanishing weights step k is at lambda_1 / lambda_k.
    upright = [line.get_xdata()[0] for line in axes[0, 0].get_lines() if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(upright, spec.eigenvalues[0] / spec.eigenvalues[:MODES])
    assert [ax.get_title() for ax in axes[0]] == ["initial scale $10^{-3}$", "initial scale 0.5"]
    early = wf.Trajectory("theory", theory.ts[:5], theory.singular_values[:5], theory.loss[:5])
    with pytest.raises(ValueError, match=r"take the first step, but got one from 0\.001 that does not"):
        plotting.plot_init_scales({1e-3: (early, early)}, spec, concepts=MODES)


def test_words_of_a_concept_are_ranked_with_their_entries():
    words = ["a", "b", "c", "d", "e", "f"]
    entries = np.array([0.1, -0.5, 0.7, 0.0, -0.2, 0.3])
    ax = plotting.plot_concept_words(words, entries, n=2, title="concept", ax=Figure().subplots())
    assert [text.get_text() for text in ax.texts] == ["c", "f", "e", "b"]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [0.7, 0.3, -0.2, -0.5])
    # Words stand where there is no bar.
    assert all(
        text.get_position()[0] * bar.get_width() < 0 for text, bar in zip(ax.texts, ax.patches, strict=True)
    )
    assert ax.get_xlabel() == "entry of the eigenvector"


def test_figure_4(spec, stats):
    times = np.array([1.0, 1.5, 2.25, 4.0])
    axes = plotting.plot_concept_table(
        spec, stats.words, step_times=times, time_unit=0.5, concepts=MODES, n=3
    )
    assert axes.shape == (MODES,)
    assert plt.get_fignums() == []
    for mode, ax in enumerate(axes):
        v = spec.eigenvectors[:, mode]
        order = np.argsort(-v, kind="stable")
        assert [t.get_text() for t in ax.texts] == [stats.words[i] for i in [*order[:3], *order[-3:]]]
        assert f"{spec.eigenvalues[mode]:.3g}" in ax.get_title()
        assert f"{times[mode] / 0.5:.2f}" in ax.get_title()
    relative = plotting.plot_concept_table(spec, stats.words, relative_to=stats.unigram, concepts=1, n=3)[0]
    scores = np.sort(wf.semantics.relative_entries(spec.eigenvectors[:, :1], stats.unigram)[:, 0])
    np.testing.assert_allclose(relative.patches[0].get_width(), scores[-1])


def test_bad_input_of_composites(row, spec, stats):
    lacking = dataclasses.replace(row, moments=row.moments[:2])
    for call, match in (
        (lambda: plotting.plot_learning([]), "`rows` must be at least one model, but got none"),
        (lambda: plotting.plot_learning([lacking]), "`rows` must be models with as many slices as moments"),
        (
            lambda: plotting.plot_learning([row], Figure().subplots(1, 3)),
            r"`axes` must be an array of Axes of shape \(1, 5\)",
        ),
        (lambda: plotting.plot_init_scales({}, spec), "`by_scale` must be at least one initial scale"),
        (
            lambda: plotting.plot_concept_table(spec, stats.words),
            "`concepts` must be between 1 and the 4 that are known",
        ),
        (lambda: plotting.plot_concept_words(["a"], np.zeros(2)), r"`entries` must be of shape \(1,\)"),
        (
            lambda: plotting.plot_concept_words(["a", "b"], np.zeros(2)),
            "`n` must be between 1 and half of the 2 words",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            call()


def test_names_in_a_slice_do_not_lie_on_one_another():
    rng = np.random.default_rng(0)
    spots = rng.normal(size=(200, 2))
    words = ["abcdefghijkl"[: rng.integers(3, 12)] for _ in range(200)]
    figure = Figure(figsize=(3, 3), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    written = name_words(ax, spots, words, range(200), 3.0)
    figure.draw_without_rendering()
    boxes = [name.get_window_extent() for name in written.values()]
    assert 5 < len(boxes) < 150
    # Of the letters alone: boxes hold room for those below the line.
    smaller = [box.expanded(0.98, 0.9) for box in boxes]
    assert not any(one.overlaps(two) for i, one in enumerate(smaller) for two in smaller[:i])
    assert all(np.hypot(*spots[row]) >= 0.3 for row in written)


def linear(colour: str) -> np.ndarray:
    """Return a colour in light rather than in sRGB's code."""
    coded = np.array(to_rgb(colour))
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


# Vienot, Brettel, Mollon (1999): what is left of linear RGB without one kind of cone.
DEUTERANOPIA = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])


PROTANOPIA = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])


@pytest.mark.parametrize("sight", [np.eye(3), DEUTERANOPIA, PROTANOPIA])
def test_the_palette_is_told_apart(sight):
    colours = [style.BLACK, style.ORANGE, style.SKY, style.GREEN, style.BLUE, style.RED]
    seen = [np.clip(sight @ linear(colour), 0, 1) ** (1 / 2.2) for colour in colours]
    for i, one in enumerate(seen):
        for other in seen[:i]:
            assert np.linalg.norm(one - other) > 0.15
    # A test that red and green of the same lightness would fail.
    red, green = (np.clip(DEUTERANOPIA @ linear(c), 0, 1) ** (1 / 2.2) for c in ("#C05050", "#7F7F4E"))
    assert np.linalg.norm(red - green) < 0.15


def test_shades_of_concepts_go_from_dark_to_light():
    luminance = [np.dot([0.2126, 0.7152, 0.0722], linear(tuple(shade[:3]))) for shade in style.shades(8)]
    assert (np.diff(luminance) > 0.01).all()


def test_files_of_a_figure_are_the_same_twice_and_hold_their_fonts(tmp_path):
    with style.publication():
        figure, (ax,) = style.new_figure(1, style.ONE_COLUMN, 2)
        ax.set_xlabel("time")
    first, second = (
        style.save_figure(figure, tmp_path / name, formats=["svg", "pdf", "png"]) for name in "ab"
    )
    assert [path.suffix for path in first] == [".svg", ".pdf", ".png"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert b"<text" not in first[0].read_bytes()
    assert b"/FontFile2" in first[1].read_bytes()
    assert plt.imread(first[2]).shape[1] == round(style.ONE_COLUMN * 160)


def cloud_of(runs, spec, stats, **settings):
    from w2vflow.results.cloud import embedding_cloud

    return embedding_cloud(runs, spec, stats.words, **settings)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg")
def test_film(runs, spec, stats, tmp_path):
    cloud = cloud_of(runs, spec, stats, n_times=9)
    path = plotting.animate_learning(
        tmp_path / "learning.gif", cloud, wf.compare(*runs, spectrum=spec), seconds=0.3
    )
    assert path == tmp_path / "learning.mp4"
    assert path.read_bytes()[4:8] == b"ftyp"
    assert [p.name for p in tmp_path.iterdir()] == ["learning.mp4"]


def without_h264(folder):
    """An ffmpeg that fails as one does that was built without the encoder."""
    program = folder / "ffmpeg"
    program.write_text("#!/bin/sh\ncat >/dev/null\nexit 1\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("program", ["none", "without H.264"])
def test_film_without_ffmpeg(runs, spec, stats, tmp_path, tmp_path_factory, monkeypatch, program):
    from PIL import Image

    found = None if program == "none" else without_h264(tmp_path_factory.mktemp("bin"))
    monkeypatch.setattr(shutil, "which", lambda name: found)
    cloud = cloud_of(runs, spec, stats, n_times=9)
    path = plotting.animate_learning(
        tmp_path / "learning.mp4", cloud, wf.compare(*runs, spectrum=spec), source="theory", seconds=0.4
    )
    assert path == tmp_path / "learning.gif"
    with Image.open(path) as film:
        assert film.n_frames == 4
        frames = []
        for at in range(4):
            film.seek(at)
            frames.append(np.asarray(film.convert("RGB")))
    assert all((frames[at] != frames[at + 1]).any() for at in range(3))
    assert plt.get_fignums() == []


def test_a_scene_shows_the_words_where_they_are_at_the_time(runs, spec, stats):
    cloud = cloud_of(runs, spec, stats, n_times=9)
    scene = _Scene(cloud, wf.compare(*runs, spectrum=spec), "flow", 80)
    places = cloud.coordinates["flow"][..., :2].astype(float)
    for moment, expected in (
        (cloud.ts[-1], places[-1]),
        (0.25 * cloud.ts[3] + 0.75 * cloud.ts[4], 0.25 * places[3] + 0.75 * places[4]),
    ):
        scene.show(moment)
        np.testing.assert_allclose(scene.dots.get_offsets(), expected, rtol=1e-12)
        assert list(scene.cursor.get_xdata()) == [moment, moment]
        scene.figure.draw_without_rendering()
        box, whole = scene.title.get_window_extent(), scene.figure.bbox
        assert scene.title.get_text() == f"$t = {moment:.3g}$"
        assert 0 < box.x0 < box.x1 < whole.width
        assert 0.8 * whole.height < box.y0 < box.y1 < whole.height


def test_what_cannot_be_filmed(runs, spec, stats, tmp_path):
    theory, flow = runs
    cloud, comparison = cloud_of(runs, spec, stats), wf.compare(theory, flow, spectrum=spec)
    flat = cloud_of(runs, spec, stats, n_concepts=1)
    still = cloud_of(runs, spec, stats, n_times=1)
    for given, settings, match in (
        (
            cloud,
            {"source": "sgd"},
            r"`source` must be in the cloud and the comparison: one of \['theory', 'flow'\]",
        ),
        (flat, {}, "`cloud` must be along two concepts or more, at two times or more, but got 1 and 40"),
        (still, {}, "two times or more, but got 4 and 1"),
        (cloud, {"seconds": 0}, "`seconds` must be above 0, but got 0"),
    ):
        with pytest.raises(ValueError, match=match):
            plotting.animate_learning(tmp_path / "film.mp4", given, comparison, **settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["1 2 3 5 simclr", "4 8"])
def test_figures_of_the_paper(asked, tmp_path, monkeypatch, capsys, request):
    if "4" in asked:
        monkeypatch.setenv("W2VFLOW_TEST_DATA", str(request.getfixturevalue("corpus_folder")))
    script = Path(__file__).parents[2] / "validation" / "paper_figures.py"
    monkeypatch.syspath_prepend(script.parent)
    runpy.run_path(str(script))["main"]([*asked.split(), "--small", "--out", str(tmp_path)])
    names = [f"figure{name}" if name.isdigit() else name for name in asked.split()]
    written = [f"{name}.{suffix}" for name in names for suffix in ("pdf", "png")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written)
    said = capsys.readouterr().out
    assert all(f"{name} is written" in said for name in names)


def test_figures_that_the_paper_does_not_have_are_refused(tmp_path, monkeypatch, capsys):
    script = Path(__file__).parents[2] / "validation" / "paper_figures.py"
    monkeypatch.syspath_prepend(script.parent)
    with pytest.raises(SystemExit):
        runpy.run_path(str(script))["main"](["9", "--out", str(tmp_path)])
    assert "no figure 9: there are 1, 2, 3, 4, 5, 8, simclr" in capsys.readouterr().err
