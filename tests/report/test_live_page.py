"""The page that computes: equal to `predict` whatever is moved, and it tells its story."""

import csv
import dataclasses
import io
import json

import jax
import numpy as np
import pytest
from browsing import until
from systems import random_statistics

import w2vflow as wf
from w2vflow.report import write_pair, write_report
from w2vflow.theory import exact_start

WORDS, DIM, PAIRS = 90, 5, 24
FINE = 320


@pytest.fixture(scope="module")
def run():
    """A problem with more words than pairs are kept, its weights and the page's parts."""
    problem = wf.Problem.from_statistics(random_statistics(WORDS))
    basis = wf.leading_eigenpairs(problem, WORDS)
    W0 = wf.gaussian_init(jax.random.split(jax.random.key(3), 2), WORDS, DIM, 1e-2)
    ts = np.linspace(0, 9.0 / basis.eigenvalues[DIM - 1], 41)
    theory = wf.predict(problem, W0, ts, spectrum=basis, save_embeddings=True)
    words = tuple(f"word{i}" for i in range(WORDS))
    spectrum = basis.leading(DIM)
    cloud = wf.results.embedding_cloud([theory], spectrum, words, n_words=40)
    features = wf.label_features(spectrum, words)
    start = exact_start(problem, W0, cloud.ranks, pairs=PAIRS, spectrum=basis)
    return problem, basis.leading(PAIRS), W0, wf.compare(theory, spectrum=spectrum), cloud, features, start


@pytest.fixture(scope="module")
def path(run, tmp_path_factory):
    *_, comparison, cloud, features, start = run
    file = tmp_path_factory.mktemp("live") / "report.html"
    title = "What word2vec learned from a text, step by step"
    return write_report(file, comparison, cloud, features, start=start, title=title, pending=["sgd"])


@pytest.fixture(scope="module")
def tab(browser):
    page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme="light")
    page.set_default_timeout(30_000)
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.said.append(request.url))
    yield page
    page.close()


@pytest.fixture
def page(tab, path):
    """The page as it opens; it says nothing and asks for nothing."""
    tab.goto("about:blank")
    tab.said.clear()
    tab.goto(path.as_uri())
    until(tab, "document.getElementById('staircase').shown !== undefined")
    yield tab
    assert {line.split("#")[0] for line in tab.said} == {path.as_uri()}


def move(page, **positions):
    for name, position in positions.items():
        page.locator(f"#set-{name}").fill(str(position))


def computed(page):
    """Times and squared singular values of the training that the page has computed, once it rests."""
    until(page, f"document.getElementById('staircase').shown.ts.length === {FINE + 1}")
    shown = page.evaluate("document.getElementById('staircase').shown")
    theory = shown["curves"]["theory"]
    return np.array(shown["ts"]), np.array(theory["squares"][0]).T, np.array(theory["loss"][0]), shown


def assert_equal(found, exact, problem, tolerance=1e-10):
    ts, squares, loss, _ = found
    np.testing.assert_allclose(exact.ts, ts)
    size = float(np.max(squares))
    np.testing.assert_allclose(squares, exact.singular_values**2, atol=tolerance * size)
    np.testing.assert_allclose(loss, exact.loss, atol=tolerance * float(problem.target_norm_squared()) / 4)


@pytest.mark.parametrize(
    ("moved", "settings"),
    [
        ({"seed": 1}, {"seed": 1}),
        ({"factor": -2}, {"factor": 1e-2}),
        ({"dim": 3}, {"dim": 3}),
        ({"rate": 0.2}, {"learning_rate": 0.2}),
        ({"decay": 0.3}, {"weight_decay": 0.3}),
        ({"factor": -4, "rate": 0.1, "decay": 0.1, "dim": 4}, {"factor": 1e-4, "dim": 4, "learning_rate": 0.1,
                                                           "weight_decay": 0.1}),
    ],
)  # fmt: skip
def test_what_is_moved_gives_the_exact_solution(page, run, moved, settings):
    problem, spectrum, W0, *_ = run
    move(page, **moved)
    found = computed(page)
    dim = settings.get("dim", DIM)
    start = W0[settings.get("seed", 0)][:, :dim] * settings.get("factor", 1.0) * np.sqrt(DIM / dim)
    unit = float(spectrum.eigenvalues[0])
    rates = {"learning_rate": settings.get("learning_rate", 0) / unit,
             "weight_decay": settings.get("weight_decay", 0) * unit}  # fmt: skip
    exact = wf.predict(problem, start, found[0], spectrum=spectrum, **rates)
    assert_equal(found, exact, problem)


def test_a_level_that_is_dragged_is_another_eigenvalue(page, run):
    problem, spectrum, W0, *_ = run
    box = page.locator("#staircase").bounding_box()
    drawn = page.evaluate("document.getElementById('staircase').shown.box")
    values = np.asarray(spectrum.eigenvalues)
    most = 1.1 * values[0]
    level = lambda value: box["y"] + drawn["bottom"] - value / most * (drawn["bottom"] - drawn["top"])  # noqa: E731
    x = box["x"] + drawn["right"] - 10
    page.mouse.move(x, level(values[0]))
    page.mouse.down()
    page.mouse.move(x, level(values[0]) + 20, steps=4)
    page.mouse.up()
    found = computed(page)
    until(page, "location.hash.includes('eigenvalues')")
    moved = json.loads(page.evaluate("new URLSearchParams(location.hash.slice(1)).get('set')"))
    changed = values * [moved["eigenvalues"].get(str(k), 1.0) for k in range(PAIRS)]
    assert changed[0] < 0.95 * values[0]
    vectors = np.asarray(spectrum.eigenvectors)
    M = np.asarray(problem.target()) + (vectors * (changed - values)) @ vectors.T
    other = wf.Problem.from_target((M + M.T) / 2)
    exact = wf.predict(other, W0[0], found[0])
    assert_equal(found, exact, other, tolerance=2e-3)  # of the rest only the density is known


def test_a_word_that_is_removed(page, run):
    """Within the span of the leading pairs and the word: far nearer than the run itself."""
    problem, spectrum, W0, *_ = run
    page.locator("#word").fill("word4")
    page.keyboard.press("Enter")
    move(page, weight=0)
    found = computed(page)
    M = np.asarray(problem.target()).copy()
    M[4] = M[:, 4] = 0
    other = wf.Problem.from_target(M)
    exact = wf.predict(other, W0[0], found[0]).singular_values ** 2
    before = wf.predict(problem, W0[0], found[0], spectrum=spectrum).singular_values ** 2
    off, size = np.abs(found[1] - exact).max(), float(exact.max())
    assert off < 0.2 * np.abs(before - exact).max()
    assert off < 0.02 * size
    assert "removed" in page.locator("#sliders").text_content()


def test_a_word_of_wikipedia_that_is_reweighed(tab, tmp_path):
    """Its row and column of M* multiplied: eigenvalues as docs/first-page.md says."""
    stats = wf.load_statistics("enwiki15k-v3000").most_frequent(600)
    problem = wf.Problem.from_statistics(stats)
    basis = wf.leading_eigenpairs(problem, 600)
    W0 = wf.gaussian_init(jax.random.key(0), 600, 16, 1e-2)
    theory = wf.predict(problem, W0, np.linspace(0, 0.4, 5), spectrum=basis, save_embeddings=True)
    leading = basis.leading(16)
    cloud = wf.results.embedding_cloud([theory], leading, stats.words)
    start = exact_start(problem, W0, cloud.ranks, spectrum=basis)
    features = wf.label_features(leading, stats.words)
    path = tmp_path / "page.html"
    write_report(path, wf.compare(theory, spectrum=leading), cloud, features, start=start)
    tab.goto("about:blank")
    tab.goto(path.as_uri())
    until(tab, "document.getElementById('staircase').shown !== undefined")
    for word, weight, within in (("war", 0, 1e-3), ("aircraft", 0, 1e-3), ("you", 2, 7e-3)):
        tab.locator("#word").fill(word)
        tab.keyboard.press("Enter")
        move(tab, weight=weight)
        *_, shown = computed(tab)
        M, row = np.asarray(problem.target()).copy(), stats.words.index(word)
        M[row] *= weight
        M[:, row] *= weight
        exact = np.linalg.eigvalsh(M)[::-1][:16]
        np.testing.assert_allclose(shown["eigenvalues"], exact, rtol=within)
        assert np.abs(exact / basis.eigenvalues[:16] - 1).max() > 5 * within
        tab.locator("#back-to-run").click()


def test_the_cloud_moves_to_where_the_solution_is(page, run):
    problem, spectrum, W0, _, cloud, *_ = run
    move(page, factor=-1.5)
    found = computed(page)
    page.locator("#time").fill("600")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    places = np.array(page.evaluate("document.getElementById('cloud').shown.places"))
    at = 0.6 * found[0][-1]
    start = W0[0] * 10**-1.5
    exact = wf.predict(problem, start, [at], spectrum=spectrum, save_embeddings=True)
    own = wf.results.concept_coordinates(exact.embeddings, spectrum.leading(DIM))[0]
    expected = np.asarray(own)[np.asarray(cloud.ranks)][:, :3].T
    np.testing.assert_allclose(places, expected, atol=1e-5 * np.abs(expected).max())  # float32 eigenvectors


def test_it_goes_back_to_the_run(page):
    before = page.evaluate("document.getElementById('staircase').shown.ts")
    move(page, factor=-2)
    computed(page)
    assert page.get_by_text("Computed here, exactly").is_visible()
    page.locator("#back-to-run").click()
    assert page.evaluate("document.getElementById('staircase').shown.ts") == before
    assert page.locator("#back-to-run").is_disabled()


def test_more_dimensions_have_names_too(page):
    move(page, dim=9)
    computed(page)
    names = page.locator("#concepts td.name").all_text_contents()
    assert len(names) == 9
    assert all("word" in name for name in names)


def test_a_caption_follows_the_time(page, run):
    *_, features, _ = run
    caption = page.locator("#caption")
    page.locator("#time").fill("0")
    assert caption.text_content().startswith("Nothing is learned yet")
    page.locator("#after").click()
    assert "Now learning concept 1: " in caption.text_content()
    assert features[0].short in caption.text_content()


def test_keys_play_and_step_from_wherever_one_is(page):
    assert page.locator("#time").input_value() == "1000"  # it opens on the end
    page.keyboard.press("ArrowLeft")
    first = float(page.locator("#time").input_value())
    assert first < 1000
    page.keyboard.press("ArrowLeft")
    assert float(page.locator("#time").input_value()) < first
    page.keyboard.press(" ")
    until(page, "document.getElementById('play').ariaPressed === 'true'")
    page.keyboard.press(" ")
    until(page, "document.getElementById('play').ariaPressed === 'false'")


def test_an_address_holds_the_moment(page, tab, path):
    page.locator("#concepts tbody tr").nth(2).click()
    page.locator("#word").fill("word7")
    page.keyboard.press("Enter")
    move(page, factor=-3)
    page.locator("#time").fill("400")
    until(page, "location.hash.includes('t=0.4') && location.hash.includes('word7')")
    computed(page)
    seen = page.evaluate("document.getElementById('staircase').shown.stepTimes")
    address = page.url
    tab.goto("about:blank")
    tab.goto(address)
    until(tab, "document.getElementById('staircase').shown !== undefined")
    np.testing.assert_allclose(computed(page)[3]["stepTimes"], seen)
    assert page.locator("#time").input_value() == "400"
    assert page.locator("#word").input_value() == "word7"
    assert page.locator("#concepts tr[aria-selected=true]").get_attribute("data-concept") == "2"
    tab.said[:] = [line for line in tab.said if line != "about:blank"]


@pytest.mark.parametrize(
    "hash",
    ["#t=NaN&concept=99&word=<b>&axes=9-9-9", "#set={&t=2", "#set=[]&source=constructor",
     '#set={"dim":1e9,"seed":-1,"factor":"x","eigenvalues":{"__proto__":1,"3":-1},"word":1.5}'],
)  # fmt: skip
def test_a_strange_address_does_no_harm(page, tab, path, hash):
    tab.goto("about:blank")
    tab.goto(path.as_uri() + hash)
    until(tab, "document.getElementById('staircase').shown !== undefined")
    assert tab.locator("#back-to-run").is_disabled()
    tab.said[:] = [line for line in tab.said if line != "about:blank"]


def test_nearest_words_change_with_the_time(page, run):
    page.locator("#word").fill("word3")
    page.keyboard.press("Enter")
    last = page.locator("#nearest").text_content()
    cloud = run[4]
    final = np.asarray(next(iter(cloud.coordinates.values())))[-1].astype(float)
    unit = final / np.linalg.norm(final, axis=1, keepdims=True)
    row = cloud.words.index("word3")
    order = [cloud.words[i] for i in np.argsort(-(unit @ unit[row])) if i != row]
    assert f"now: {', '.join(order[:3])}" in last
    page.locator("#time").fill("0")
    assert page.locator("#nearest").text_content() != last


def test_lessons_ask_first_and_compute_the_answer(page, run):
    problem, spectrum, W0, *_ = run
    lesson = page.locator("#lesson-list details").nth(1)
    lesson.locator("summary").click()
    assert lesson.locator(".answer").text_content() == ""
    lesson.locator("button").nth(0).click()
    ratio = [float(wf.predict_step_times(problem, W0[0] * f, spectrum=spectrum)[0]) for f in (0.01, 1.0)]
    answer = lesson.locator(".answer").text_content()
    assert answer.startswith("No. ")
    assert float(answer[4:].split(" ")[0]) == pytest.approx(ratio[0] / ratio[1], rel=5e-3)
    lesson.get_by_text("Show it above").click()
    assert page.locator("#set-factor").input_value() == "-2"
    assert page.locator("#lesson-list details").count() == 5


def test_what_is_still_to_come_is_said(page):
    assert "SGD is still being computed." in page.locator("#pending").text_content()


def test_numbers_are_saved(page):
    with page.expect_download() as waiting:
        page.locator("#save-csv").click()
    text = waiting.value.path().read_text()
    assert waiting.value.suggested_filename == "What-word2vec-learned-from-a-text-step-by-step-curves.csv"
    rows = list(csv.DictReader(io.StringIO(text)))
    shown = page.evaluate("document.getElementById('staircase').shown")
    assert [float(row["time"]) for row in rows if row["seed"] == "1"] == shown["ts"]
    with page.expect_download() as waiting:
        page.locator("#save-png").click()
    assert waiting.value.path().read_bytes().startswith(b"\x89PNG")
    page.said[:] = [line for line in page.said if not line.startswith("blob:")]


def test_every_number_is_seen_on_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 844})
    cells = page.locator("#concepts tbody tr").first.locator("td.number:not(:first-child)")
    assert cells.count() >= 2
    for cell in cells.all():
        box = cell.bounding_box()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    page.set_viewport_size({"width": 1400, "height": 900})


def test_two_runs_keep_one_time(tab, path, tmp_path):
    file = write_pair(tmp_path / "pair.html", path, path)
    tab.goto("about:blank")
    tab.said.clear()
    tab.goto(file.as_uri())
    first, second = [frame for frame in tab.frames if frame != tab.main_frame]
    first.locator("#time").fill("300")
    for _ in range(100):
        if second.locator("#time").input_value() == "300":
            break
        tab.wait_for_timeout(50)
    assert second.locator("#time").input_value() == "300"
    assert {line for line in tab.said if not line.startswith("about:")} == {file.as_uri()}


def test_a_pair_is_made_of_pages(path, tmp_path):
    other = tmp_path / "other.html"
    other.write_text("<p>Hello</p>")
    with pytest.raises(ValueError, match="`second` must be a page that `write_report` wrote"):
        write_pair(tmp_path / "pair.html", path, other)
    assert not (tmp_path / "pair.html").exists()


def test_a_start_of_other_words_is_refused(run, tmp_path):
    *_, comparison, cloud, features, start = run
    other = dataclasses.replace(start, ranks=start.ranks[::-1])
    with pytest.raises(ValueError, match="`start` must be of the 40 words of the cloud"):
        write_report(tmp_path / "page.html", comparison, cloud, features, start=other)
