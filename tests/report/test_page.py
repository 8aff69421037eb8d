"""The page of a run, in a real browser: it moves, finds, sorts, switches, and asks nobody for anything."""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np
import pytest
from browsing import until
from hostile import TERMINAL
from systems import random_statistics

import w2vflow as wf
from w2vflow.report.page import write_report
from w2vflow.results.cloud import Cloud, embedding_cloud
from w2vflow.semantics.features import Feature, label_features

WORDS = 40
# What the cloud tells of what is drawn on it.
SHOWN = "document.getElementById('cloud').shown"
NASTY = (
    *("</script>", "<b>bold</b>", "<!--", '"', "'", "&amp;", "\\", "<img src=x onerror=alert(1)>", "{}"),
    *("/* DATA */", "/* SCRIPTS */", "tag</SCRIPT>", "`${1}`", "\u2028", "\ud800", "naïve", "词", "x" * 300),
    *TERMINAL,
)


@dataclasses.dataclass
class Made:
    """What a page is made of."""

    comparison: wf.Comparison
    cloud: Cloud
    features: list[Feature]
    words: tuple[str, ...]


def made(runs, spec, words):
    cloud = embedding_cloud([run for run in runs if run.source != "theory-discrete"], spec, words)
    return Made(wf.compare(*runs, spectrum=spec), cloud, label_features(spec, words), words)


@pytest.fixture(scope="module")
def small():
    """Theory, flow and SGD of three seeds."""
    problem = wf.Problem.from_statistics(random_statistics(WORDS))
    basis = wf.leading_eigenpairs(problem, WORDS)
    keys = jax.random.split(jax.random.key(0), 3)
    W0 = wf.gaussian_init(keys, WORDS, 6, 1e-2)
    rate = 0.02 / basis.eigenvalues[0]
    between = round(8.0 / basis.eigenvalues[5] / rate / 20)
    ts = np.arange(21) * between * rate
    runs = [
        wf.predict(problem, W0, ts, spectrum=basis, save_embeddings=True),
        wf.predict(problem, W0, ts, spectrum=basis, learning_rate=rate),
        wf.solve_flow(problem, W0, ts, spectrum=basis, recording=wf.Recording(save_embeddings=True)),
        wf.run_sgd_ensemble(
            problem,
            keys,
            ts,
            dim=6,
            scale=1e-2,
            learning_rate=rate,
            batch_size=2048,
            recording=wf.Recording(save_embeddings=True),
        ),
    ]
    return made(runs, basis.leading(6), tuple(f"word{i}" for i in range(WORDS)))


def little(small, sources, modes, times=21, words=None):
    """The first seed alone, of some sources, concepts and times."""
    runs = []
    for source in sources:
        run = small.comparison.trajectories[source].sel(seed=0)
        early = {name: getattr(run, name)[:times] for name in ("ts", "singular_values", "loss", "embeddings")}
        runs.append(dataclasses.replace(run, error_bound=None, **early))
    return made(runs, small.comparison.spectrum.leading(modes), words or small.words)


@pytest.fixture(scope="module")
def browser_page(browser) -> Iterator[tuple]:
    """One page for all tests, with lists of what it said and asked for."""
    said, asked = [], []
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
    page.set_default_timeout(30_000)
    page.on("console", lambda message: said.append((message.type, message.text)))
    page.on("pageerror", lambda error: said.append(("error", str(error))))
    page.on("request", lambda request: asked.append(request.url))
    yield page, said, asked
    page.close()


def opened(browser_page, path):
    page, said, asked = browser_page
    said.clear()
    asked.clear()
    page.goto(path.as_uri())
    until(page, f"{SHOWN} !== undefined")
    return page


def assert_quiet(browser_page, path):
    _, said, asked = browser_page
    assert not said
    assert asked == [path.as_uri()]


def settled(page):
    """Wait until what was changed is drawn: drawing waits for the next frame."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def shown(page):
    settled(page)
    return page.evaluate(SHOWN)


def places(page):
    """Of all words along the three axes."""
    return shown(page)["places"]


def picture(page):
    """The pixels of the cloud."""
    settled(page)
    return page.evaluate("document.getElementById('cloud').toDataURL()")


def staircase(page):
    """What is drawn, and how its times are placed."""
    settled(page)
    return page.evaluate("document.getElementById('staircase').shown")


def slide(page, value):
    page.locator("#time").fill(str(value))
    settled(page)


@pytest.fixture(scope="module")
def path(small, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    settings = {"experiment": {"dim": 6, "scale": 0.01}, "sha256": "abc123"}
    arguments = (file, small.comparison, small.cloud, small.features)
    assert write_report(*arguments, title="A <small> run", configuration=settings) == file
    return file


@pytest.fixture
def page(browser_page, path):
    yield opened(browser_page, path)
    assert_quiet(browser_page, path)


def test_the_slider_moves_the_cloud_to_where_the_solver_had_it(page, small):
    flow = small.cloud.coordinates["flow"]
    for value, at in ((0, 0), (1000, -1), (500, 10)):
        slide(page, value)
        found = np.array(places(page)).T
        np.testing.assert_allclose(found, flow[at][:, :3], atol=2e-4 * np.abs(flow).max())
    slide(page, 525)  # halfway between two times that were kept
    between = (flow[10] + flow[11])[:, :3] / 2
    np.testing.assert_allclose(np.array(places(page)).T, between, atol=2e-4 * np.abs(flow).max())
    assert "t₁" in page.locator("#time").get_attribute("aria-valuetext")


def test_keyboard_and_play_move_the_time(page):
    page.locator("#time").focus()
    page.keyboard.press("End")
    at_end = places(page)
    page.keyboard.press("ArrowLeft")
    assert places(page) != at_end
    page.locator("#play").click()
    until(page, "document.getElementById('time').value === '1000'")
    until(page, "document.getElementById('play').ariaPressed === 'false'")
    page.locator("#play").click()  # from the start again
    until(page, "0 < Number(document.getElementById('time').value)")
    page.locator("#play").click()
    assert int(page.locator("#time").input_value()) < 1000


def test_buttons_and_clicks_go_to_steps(page, small):
    steps = np.sort(small.comparison.step_times["theory"].mean(axis=0))
    slide(page, 0)
    page.locator("#after").click()
    assert page.locator("#now").text_content().startswith(f"t = {steps[0]:.3g} ")
    box, drawn = page.locator("#staircase").bounding_box(), staircase(page)
    ends = drawn["box"]["left"], drawn["box"]["right"]
    left = ends[0] + steps[3] / drawn["last"] * (ends[1] - ends[0])
    page.mouse.move(box["x"] + left + 1, box["y"] + 100)
    page.mouse.click(box["x"] + left + 2, box["y"] + 100)
    until(page, f"document.getElementById('now').textContent.startsWith('t = {steps[3]:.3g} ')")
    cursor = page.locator(".cursor").first.bounding_box()
    assert abs(cursor["x"] + 1 - box["x"] - left) < 2


def test_search_follows_a_word(page, small):
    slide(page, 1000)
    page.locator("#word").fill("WORD7")
    page.keyboard.press("Enter")
    assert "word7" in page.locator("#found").text_content()
    found = shown(page)
    assert found["pointed"] == {"word": 7, "text": "word7"}
    # In the picture the word is where it is said to be: a dot in the colour of what is followed.
    spot = found["spots"][7]
    colour = page.evaluate(
        "([x, y]) => [...document.getElementById('cloud').getContext('2d')"
        ".getImageData(x * window.devicePixelRatio, y * window.devicePixelRatio, 1, 1).data]",
        [spot["x"], spot["y"]],
    )
    assert colour == [0xD5, 0x5E, 0x00, 255]
    assert page.locator("#words option").count() == WORDS


def test_the_cloud_is_seen_as_a_camera_sees_it(page, small):
    """From afar where it stands at first; names do not lie on top of each other."""
    slide(page, 1000)
    found, box = shown(page), page.locator("#cloud").bounding_box()
    places = small.cloud.coordinates["flow"][-1][:, :3].astype(float)
    places /= 1.08 * np.abs(np.stack([*small.cloud.coordinates.values()])).max(axis=(0, 1, 2))[:3]
    turn, tilt = np.deg2rad([48, 19])
    right = np.array([-np.sin(turn), np.cos(turn), 0])
    front = np.array([np.cos(tilt) * np.cos(turn), np.cos(tilt) * np.sin(turn), np.sin(tilt)])
    size = 4 / (4 - places @ front)
    scale = min(box["width"] / 2.5, box["height"] / 2.4)
    expected = np.array([box["width"], box["height"]]) / 2 + scale * size[:, None] * np.stack(
        [places @ right, -places @ np.cross(front, right)], axis=1
    )
    spots = np.array([[spot["x"], spot["y"]] for spot in found["spots"]])
    np.testing.assert_allclose(spots, expected, atol=1)
    named = spots[[name["word"] for name in found["names"]]]
    assert len(named) > 3
    apart = np.abs(named[:, None] - named)[np.triu_indices(len(named), 1)]
    assert ((apart[:, 0] > 20) | (apart[:, 1] >= 14)).all()


def test_pointer_turns_names_and_chooses(page):
    slide(page, 1000)
    box, first = page.locator("#cloud").bounding_box(), picture(page)
    spots = shown(page)["spots"]
    word = max(range(WORDS), key=lambda at: spots[at]["y"])  # the lowest has none below
    x, y = box["x"] + spots[word]["x"], box["y"] + spots[word]["y"]
    page.mouse.move(x, y + 2)
    assert page.locator("#under").text_content() == f"word{word}rank {word + 1} by frequency"
    page.mouse.click(x, y + 2)
    assert page.locator("#word").input_value() == f"word{word}"
    page.locator("#word").fill("")
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    assert page.locator("#under").is_hidden()
    assert picture(page) == first
    page.mouse.down()
    page.mouse.move(box["x"] + 65, box["y"] + 35)
    page.mouse.up()
    turned = picture(page)
    assert turned != first
    page.mouse.wheel(0, -300)
    assert picture(page) != turned
    page.mouse.dblclick(box["x"] + 5, box["y"] + 5)  # as it was
    assert picture(page) == first
    page.locator("#nearer").click()
    assert picture(page) != first
    page.locator("#as-at-first").click()
    assert picture(page) == first
    page.locator("#cloud").focus()
    page.keyboard.press("ArrowLeft")
    assert picture(page) != first
    page.keyboard.press("ArrowRight")
    assert picture(page) == first


def test_search_says_kindly_what_it_has_not(page):
    page.locator("#word").fill("wordly")
    page.keyboard.press("Enter")
    message = page.locator("#found").text_content()
    assert message.startswith("Sorry, “wordly” is not among the vocabulary. Perhaps “word0”")
    assert shown(page)["pointed"] is None


def test_axes_colours_and_sources_are_chosen(page, small):
    slide(page, 1000)
    first = places(page)
    page.locator("#axis-0").select_option("4")
    assert "word" in page.locator("#axis-0 option:checked").text_content()
    other = places(page)
    assert other[1:] == first[1:]
    np.testing.assert_allclose(other[0], small.cloud.coordinates["flow"][-1, :, 4], atol=2e-3)
    page.locator("#colour").select_option("-1")
    ranks = np.arange(1, WORDS + 1)
    np.testing.assert_allclose(shown(page)["shares"], np.log10(ranks) / np.log10(WORDS))
    page.get_by_role("group", name="Which learning").get_by_text("SGD").click()
    sgd = small.cloud.coordinates["sgd"][-1]
    np.testing.assert_allclose(places(page)[1], sgd[:, 1], atol=2e-4 * np.abs(sgd).max())
    before = staircase(page)["sources"]
    page.get_by_role("group", name="Which curves").get_by_text("SGD").click()
    assert staircase(page)["sources"] == [source for source in before if source != "sgd"]


def test_the_table_sorts_by_every_column(page, small):
    columns = page.locator("#concepts thead button")
    assert columns.all_text_contents() == [
        *("#", "Concept", "λ", "Predicted", "+ step size", "Flow", "Flow error", "SGD", "SGD error")
    ]
    mean = small.comparison.step_times["sgd"].mean(axis=0)
    reference = small.comparison.step_time_errors("sgd", "theory-discrete")
    orders = {2: small.comparison.spectrum.eigenvalues, 7: mean, 8: reference}
    for column, values in orders.items():
        columns.nth(column).click()
        rising = page.locator("#concepts tbody td:first-child").all_text_contents()
        assert [int(number) - 1 for number in rising] == np.argsort(values).tolist()
        columns.nth(column).click()
        assert page.locator("#concepts tbody td:first-child").all_text_contents() == rising[::-1]
    for column in range(columns.count()):
        columns.nth(column).click()
        assert page.locator("#concepts th").nth(column).get_attribute("aria-sort")


def test_a_row_shows_the_words_of_its_concept(page, small):
    slide(page, 1000)
    page.locator("#concepts tbody tr").nth(4).click()
    feature = small.features[4]
    words = page.locator("#ends .words button").all_text_contents()
    assert words == [*feature.positive, *feature.negative]
    assert page.locator("#axis-0").input_value() == "4"
    found = shown(page)
    assert found["chosen"] == [small.words.index(word) for word in words]
    np.testing.assert_allclose(found["places"][0], small.cloud.coordinates["flow"][-1][:, 4], atol=2e-3)
    page.locator("#ends .words button").first.click()
    assert page.locator("#word").input_value() == feature.positive[0]


def test_dark_light_and_configuration(browser_page, page):
    shade = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(shade)
    page.locator("#theme").click()
    dark = page.evaluate(shade)
    assert dark != light
    page.locator("#theme").click()
    assert page.evaluate(shade) == light
    page.emulate_media(color_scheme="dark")
    page.reload()
    assert page.evaluate(shade) == dark
    page.emulate_media(color_scheme="light")
    browser_page[2].pop()  # the reload
    assert page.title() == "A <small> run"
    assert page.locator("h1").text_content() == "A <small> run"
    page.locator(".about summary").click()
    rows = page.locator("#configuration tr").all_text_contents()
    assert {"experiment.dim6", "sha256abc123"} <= set(rows)
    assert page.get_by_text("arXiv 2502.09863").is_visible()


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_is_wider_than_the_screen(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("#concepts tbody tr").first.click()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1280, "height": 800})


def test_words_are_text_whatever_they_hold(browser_page, small, tmp_path):
    words = (*NASTY, *(f"w{i}" for i in range(WORDS - len(NASTY))))
    one = little(small, ("theory", "flow"), 2, words=words)
    file = write_report(tmp_path / "nasty.html", one.comparison, one.cloud, one.features)
    page = opened(browser_page, file)
    held = page.evaluate("JSON.parse(document.getElementById('data').textContent).cloud.words")
    assert len(held) == WORDS
    slide(page, 1000)
    for word in NASTY[:9]:
        page.locator("#word").fill(word)
        page.keyboard.press("Enter")
        assert f"“{word}”: rank {words.index(word) + 1} of 40" in page.locator("#found").text_content()
        settled(page)
    page.locator("#concepts tbody tr").first.click()
    assert page.locator("#concepts td.name").first.text_content() == one.features[0].short
    assert page.locator("main b b, main img").count() == 0
    assert_quiet(browser_page, file)


def test_names_are_text_whatever_they_hold(browser_page, small, tmp_path):
    """Of sources, which a file of results may name, of settings, and of the page."""
    names = ("constructor", "<b>bold</b> %{y} </script>\u2028\x1b[2J")
    runs = [
        dataclasses.replace(small.comparison.trajectories[source].sel(seed=0), source=name, error_bound=None)
        for source, name in zip(("theory", "flow"), names, strict=True)
    ]
    one = made(runs, small.comparison.spectrum.leading(2), small.words)
    title = "</title><script>alert(1)</script>\ud800\x07"
    settings = {"</script><img src=x onerror=alert(1)>": "\u2028<b>bold</b>"}
    path = tmp_path / "names.html"
    file = write_report(path, one.comparison, one.cloud, one.features, title=title, configuration=settings)
    page = opened(browser_page, file)
    slide(page, 1000)
    assert {*names} <= {*page.locator("button").all_text_contents()}
    assert {*names} <= {*page.evaluate("document.getElementById('loss').shown.sources")}
    assert page.evaluate("document.title").startswith("</title><script>alert(1)</script>")
    assert page.locator("main b b, main img").count() == 0
    assert_quiet(browser_page, file)


@pytest.mark.parametrize(
    ("sources", "modes", "times", "note"),
    [
        (("theory",), 1, 21, "no measurement beside a prediction"),
        (("flow",), 3, 21, "no measurement beside a prediction"),
        (("theory", "flow"), 4, 3, "No concept was learned"),
    ],
)
def test_pages_of_little(browser_page, small, tmp_path, sources, modes, times, note):
    one = little(small, sources, modes, times)
    file = write_report(tmp_path / "little.html", one.comparison, one.cloud, one.features)
    page = opened(browser_page, file)
    assert note in page.locator("#agreement-note").text_content()
    slide(page, 600)
    page.locator("#after").click()
    page.locator("#concepts tbody tr").last.click()
    assert_quiet(browser_page, file)


def test_what_a_page_needs_is_named(small, tmp_path):
    path, comparison = tmp_path / "report.html", small.comparison
    bare = wf.compare(*comparison.trajectories.values())
    with pytest.raises(ValueError, match="`comparison` must be one with a spectrum"):
        write_report(path, bare, small.cloud, small.features)
    with pytest.raises(ValueError, match=r"Run the solvers with `Recording\(save_embeddings=True\)`"):
        write_report(path, comparison, None, small.features)
    with pytest.raises(ValueError, match="`features` must be those of 6 concepts, but got 2 features"):
        write_report(path, comparison, small.cloud, small.features[:2])
    lost = dataclasses.replace(small.cloud, coordinates={"flow": small.cloud.coordinates["flow"] * np.nan})
    with pytest.raises(ValueError, match="`cloud` must be of finite positions"):
        write_report(path, comparison, lost, small.features)
    assert not path.exists()
