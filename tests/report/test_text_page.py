"""The page of a text, in a real browser: counts and eigenpairs are the package's, and it asks nobody."""

import re
import unicodedata
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import regex
from hostile import MARKUP, TERMINAL
from texts import random_text, themed_text

import w2vflow as wf
from w2vflow.cli import main
from w2vflow.corpus.counting.tokenizers import tokenizer
from w2vflow.report import write_text_page

FOUND = "document.getElementById('result').found"
STATUS = "document.getElementById('status')"

# What is peculiar to each way of writing, in words of our own.
WRITTEN = {
    "english": "the ship and its crew left the harbour for that was what they had planned, don't worry",
    "german": "Straße und Äpfel: über die Brücke führt der Weg, weiß-blau MÜLLER STRASSE ﬁnden",
    "french": "l'été n'est plus là, qu’elle aujourd'hui s'en va; où ça? Cœur d’œuf c'h L’Île presqu'île m'n",
    "italian": "dell'acqua nell’aria un'altra volta c'è l'uomo quell'anno sant'Anna D'r bo' po' ANCH'IO",
    "russian": "Ёлка и её друзья пошли в об'єкт, п'ять ПОШЛИ домо\u0301й й и\u0306 СОБАКА из-за дома",
    "hindi": "हिन्दी में क\u094d\u200dष और क्\u200cष, हिन्दी, विद्या\u200dलय में बच्चे क्\u200d र् पढ़ते हैं १२३",
    "hebrew": "ג׳ירפה צה\"ל שלום עולם צה״ל של\u200fום ג'ינס הבית",
    "greek": "Ὀδυσσεύς ΟΔΟΣ ΣΊΣΥΦΟΣ λόγος Λόγος και ο άνθρωπος",
    "turkish": "İSTANBUL ILIK ılık istanbul İzmir'de şehir güzel Çok",
    "catalan": "col·legi CoL·Legi l'home paral·lel n·h s·hèr ·l l· d'aquí",
    "signs": "1ª 20ᵗʰ xᵗʰ m² ⅣX ﬀ Å Å K \u00ad so\u00adft ½ ⅷ ǅ ǆ ʼn ŉ ｆｕｌｌ ㎏ ՀԱՅ՛ Հայ\u055bերեն ﷺ",
    "rare": "𝐀𝐛c 𝒳𝓎 𐐀𐐨 𐐀 ｚ ﬁ a\U0001f600b 𞤀'𞤁 ꭜa ſ ẞ s'ſ",
}


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory) -> Iterator[tuple]:
    """The page, with lists of what it said and asked for."""
    path = write_text_page(tmp_path_factory.mktemp("page") / "word2vec.html")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(30_000)
    said, asked = [], []
    page.on("console", lambda message: said.append((message.type, message.text)))
    page.on("pageerror", lambda error: said.append(("error", str(error))))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page, said, asked
    # Of the page itself, and of its worker, which is made in it.
    assert [url for url in asked if not url.startswith("blob:")] == [path.as_uri()]
    page.close()


def given(opened, path):
    """Give the page a file; return what it found, or why it refuses."""
    page, said, _ = opened
    page.evaluate(f"{FOUND} = null; {STATUS}.className = ''")
    page.set_input_files("#file", path)
    for _ in range(300):
        if page.evaluate(f"{STATUS}.className") == "refused":
            found = page.evaluate(f"{STATUS}.textContent")
            break
        if page.evaluate(f"{FOUND} !== null"):
            found = page.evaluate(_TOLD)
            break
        page.wait_for_timeout(50)
    else:
        pytest.fail(page.evaluate(f"{STATUS}.textContent"))
    assert not said
    return found


_TOLD = f"""() => {{
    const {{ counted, solution }} = {FOUND};
    const plain = (found) => Object.fromEntries(Object.entries(found).map(
      ([name, value]) => [name, ArrayBuffer.isView(value) ? Array.from(value) : value]));
    return {{ counted: plain(counted), solution: plain(solution) }};
}}"""


def assert_equal(opened, path):
    """Hold what the page finds of a text against the package; return the statistics."""
    found = given(opened, path)
    assert not isinstance(found, str), found
    counted, solution = found["counted"], found["solution"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        stats = wf.count(path, vocab_size=1000, min_count=counted["minCount"])
    size = stats.vocab_size
    assert tuple(counted["words"]) == stats.words
    np.testing.assert_array_equal(counted["occurrences"], stats.unigram)
    np.testing.assert_array_equal(np.reshape(counted["counts"], (size, size)), stats.counts.toarray())
    assert counted["summary"] == stats.metadata["corpus_summary"]
    target = np.asarray(wf.Problem.from_statistics(stats).target())
    assert_spectrum(solution, target, np.linalg.eigvalsh(target)[::-1])
    return stats, found


def assert_spectrum(solution, target, eigenvalues):
    size = len(target)
    pairs = min(64, size)
    values = np.asarray(solution["eigenvalues"])
    vectors = np.reshape(solution["vectors"], (size, pairs))
    norm = max(np.abs(eigenvalues).max(), 1e-3)
    every = np.concatenate([values, solution["nodes"]])
    np.testing.assert_allclose(every, eigenvalues, rtol=0, atol=1e-8 * min(norm, 1))
    assert solution["weights"] == [1] * (size - pairs)
    np.testing.assert_allclose(target @ vectors, vectors * values, atol=1e-10 * norm * size)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(pairs), atol=1e-12 * size)
    # The largest entry is positive; of several equal in size, one of them.
    assert (vectors.max(axis=0) >= np.abs(vectors).max(axis=0) * (1 - 1e-9)).all()
    np.testing.assert_allclose(solution["normSquared"], np.sum(target**2), rtol=1e-10)
    np.testing.assert_allclose(solution["diagonal"], np.diag(target), atol=1e-12)
    np.testing.assert_allclose(solution["rowSquares"], np.sum(target**2, axis=0), rtol=1e-10)


@pytest.mark.parametrize("language", WRITTEN)
def test_counts_and_spectrum_are_those_of_the_package(opened, tmp_path, language):
    words = WRITTEN[language].split(" ")
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.permutation(words)) for _ in range(30)]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    stats, _ = assert_equal(opened, tmp_path / "text.txt")
    assert stats.metadata["tokens"].startswith("[a-z]+") == (language == "english")


def test_more_words_than_all_vectors_are_found_of(opened, tmp_path):
    random_text(tmp_path / "text.txt", documents=400, seed=1, words=500)
    stats, found = assert_equal(opened, tmp_path / "text.txt")
    assert stats.vocab_size > 300
    solution = found["solution"]
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), 64)
    np.testing.assert_allclose(solution["eigenvalues"], spectrum.eigenvalues, rtol=0, atol=1e-8)
    vectors = np.reshape(solution["vectors"], spectrum.eigenvectors.shape)
    np.testing.assert_allclose(vectors, spectrum.eigenvectors, atol=1e-8)


def test_training_follows_from_the_text(opened, tmp_path):
    """In the frame is the page of a run: strengths rise to the eigenvalues, when the law says."""
    page, said, _ = opened
    themed_text(tmp_path / "text.txt")
    stats, found = assert_equal(opened, tmp_path / "text.txt")
    frame = page.frame_locator("#training")
    staircase = frame.locator("#staircase")
    for _ in range(200):
        shown = staircase.evaluate("(place) => place.shown")
        if shown:
            break
        page.wait_for_timeout(50)
    squares = np.array(shown["curves"]["theory"]["squares"][0])
    values = np.asarray(found["solution"]["eigenvalues"])[: len(squares)]
    np.testing.assert_allclose(squares[0, -1], values[0], rtol=1e-6)
    assert (squares[:, -1] < values * (1 + 1e-9)).all()
    assert (squares[:, 0] < 1e-3).all()
    # Of the law for many starts: this start's first step is within a quarter.
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), min(64, stats.vocab_size))
    problem = wf.Problem.from_statistics(stats)
    law = wf.step_time_law(problem, len(squares), 0.01, spectrum=spectrum)
    np.testing.assert_allclose(shown["stepTimes"][0], law.mean[0], rtol=0.25)
    # A control of the page of a run: other starts, the same concepts.
    slider = frame.locator("#sliders input").first
    slider.fill("3")
    page.wait_for_timeout(600)
    again = np.array(staircase.evaluate("(place) => place.shown")["curves"]["theory"]["squares"][0])
    assert np.abs(again - squares).max() > 1e-3 * values[0]
    np.testing.assert_allclose(again[0, -1], values[0], rtol=1e-6)
    assert "theory" in shown["sources"]
    assert not said


def test_rare_words_are_left_out_where_there_are_enough(opened, tmp_path):
    random_text(tmp_path / "text.txt", documents=200, seed=2, words=2000)
    stats, _ = assert_equal(opened, tmp_path / "text.txt")
    assert stats.unigram.min() >= 5
    assert stats.vocab_size < stats.metadata["corpus_distinct_words"]


@pytest.mark.parametrize(
    ("content", "reader"),
    [
        (b"one two\nthree two one\n\nfour five one\nsix two\n\n \t\nseven one two three", "paragraphs"),
        (b"one two\r\nthree two one\r\n\r\nfour five one\r\nsix two\r\n\r\nseven one\r\n", "paragraphs"),
        (b"one two three\r\nthree two one\r\nfour five one\r\n", "lines"),
        (b"one two", "lines"),
        (b"\xef\xbb\xbfone two\ntwo three\nthree \xef\xbb\xbfone\n", "lines"),
        ("one two\nzwei drei über one\n".encode("utf-16"), "lines"),
        ("\ufeffone two\nzwei drei über one\n".encode("utf-16-be"), "lines"),
        (b"one two three four\n" * 300 + b"fi\xffve \xe2\x82 one \xef\xbf\xbd two\n", "lines"),
        (b"one\ntwo one\nlonely\nthree two\nanother\n", "lines"),
        (b"b a\nd c\nB A\nz Y\n" + b"w " * 40 + b"\n", "lines"),
    ],
)
def test_reads_files_as_count_does(opened, tmp_path, content, reader):
    (tmp_path / "text.txt").write_bytes(content)
    stats, _ = assert_equal(opened, tmp_path / "text.txt")
    assert stats.metadata["corpus_reader"] == reader


def test_hostile_words_and_names_are_text(opened, tmp_path):
    words = [word for word in [*TERMINAL, *MARKUP] if "\x00" not in word]
    path = tmp_path / "<img src=x onerror=alert(1)>&amp;.txt"
    path.write_text("\n".join(" ".join([*words, *words[:i]]) for i in range(20)), encoding="utf-8")
    assert_equal(opened, path)
    page, *_ = opened
    assert path.name in page.inner_text("#title")
    assert page.evaluate("document.querySelectorAll('#result img, #result script').length") == 0


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", b" \n\t\r\n", "There is no text."),
        ("a.txt", b"1 2 3 !?\n", "There are no words"),
        ("a.txt", b"one\ntwo\nthree\n", "No words stand beside each other"),
        ("a.txt", b"one\x00two", "zero bytes"),
        ("a.txt", "für größere Bäume über".encode("cp1252"), "not in UTF-8"),
        (
            "a.txt",
            "我喜欢读书和写字在家里，天气很好今天我们去公园".encode(),
            "no spaces between its words (Chinese)",
        ),
        ("a.txt", "きょうはとてもいいてんきですね、さんぽにいきましょう".encode(), "(Japanese)"),
        ("a.txt", b"<!DOCTYPE html><p>one two", "HTML or XML"),
        ("a.txt", b"1\n00:00:01,000 --> 00:00:02,000\none two\n", "subtitles"),
        ("a.csv", b"id,text\n1,one two\n", "a table or JSON"),
        ("a.txt", b'{"text": "one two"}\n', "a table or JSON"),
        ("a.pdf", b"%PDF-1.7 one two", "a.pdf is a PDF"),
        ("a.docx", b"PK\x03\x04one two", "a zip archive"),
    ],
)
def test_says_plainly_what_it_cannot_use(opened, tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    assert why in given(opened, tmp_path / name)
    page, *_ = opened
    assert page.is_hidden("#result")


def test_text_that_is_too_large_is_refused_before_it_is_read(opened, tmp_path):
    with open(tmp_path / "large.txt", "wb") as file:
        file.truncate(21_000_000)
    assert "large.txt has 21 MB" in given(opened, tmp_path / "large.txt")


def test_example_shows_topics_and_paste_shows_the_text(opened, tmp_path):
    page, said, _ = opened
    page.evaluate(f"{FOUND} = null")
    page.click("#example")
    page.wait_for_selector("#result:not([hidden])")
    rows = page.locator("#concepts tr")
    assert rows.count() > 3
    ends = rows.nth(0).locator("td").all_inner_texts()
    assert ends[0] == "1"
    example = page.input_value("#text")
    (tmp_path / "text.txt").write_text(example)
    stats = wf.count(tmp_path / "text.txt", vocab_size=1000, min_count=1)
    spectrum = wf.leading_eigenpairs(wf.Problem.from_statistics(stats), 4)
    first = wf.semantics.label_features(spectrum, stats.words)[0]
    assert ends[2:] == [", ".join(first.positive), ", ".join(first.negative)]
    themed_text(tmp_path / "themed.txt")
    page.fill("#text", (tmp_path / "themed.txt").read_text())
    page.evaluate(f"{FOUND} = null; document.getElementById('result').hidden = true")
    page.click("#use")
    page.wait_for_selector("#result:not([hidden])")
    assert "300 documents" in page.inner_text("#read")
    assert "your text" in page.inner_text("#title")
    assert not said


def test_dropped_file_is_read(opened, tmp_path):
    page, said, _ = opened
    page.evaluate(f"{FOUND} = null; document.getElementById('result').hidden = true")
    page.evaluate("""() => {
      const data = new DataTransfer();
      data.items.add(new File(["one two three\\ntwo three four\\n"], "dropped.txt"));
      const how = { dataTransfer: data, bubbles: true, cancelable: true };
      document.body.dispatchEvent(new DragEvent("drop", how));
    }""")
    page.wait_for_selector("#result:not([hidden])")
    assert "dropped.txt" in page.inner_text("#title")
    assert not said


def test_equal_eigenvalues_have_vectors_at_right_angles(opened):
    """Words that say the same of each other: eigenvalues that are equal, many times."""
    page, *_ = opened
    size, pairs = 240, 64
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
    values = np.concatenate([np.repeat([5.0, 3.0, 1.0], 20), np.zeros(100), np.full(80, -90.0)])
    for matrix in ((basis * values) @ basis.T, np.diag(values), np.ones((size, size)) - 2):
        found = page.evaluate(_PAIRS, [matrix.ravel().tolist(), size, pairs])
        vectors = np.reshape(found["vectors"], (size, pairs))
        exact = np.linalg.eigvalsh(matrix)[::-1]
        np.testing.assert_allclose([*found["eigenvalues"], *found["nodes"]], exact, atol=1e-11)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(pairs), atol=1e-12)
        assert max(found["residuals"]) < 1e-10


def test_small_matrix_has_all_its_pairs(opened):
    page, *_ = opened
    rng = np.random.default_rng(1)
    graded = np.exp(-np.add.outer(np.arange(30), np.arange(30)) / 2) * np.cos(
        np.subtract.outer(*2 * [np.arange(30)])
    )
    draw = rng.normal(size=(65, 65))
    for matrix in (
        draw + draw.T,
        1e150 * (draw + draw.T),
        graded,
        np.zeros((4, 4)),
        np.ones((3, 3)),
        np.array([[7.0]]),
    ):
        size, norm = len(matrix), max(np.abs(matrix).max(), 1e-300)
        found = page.evaluate(_ALL, [matrix.ravel().tolist(), size])
        vectors = np.reshape(found["vectors"], (size, size))
        exact = np.linalg.eigvalsh(matrix)[::-1]
        np.testing.assert_allclose(found["values"], exact, atol=1e-13 * norm * size)
        np.testing.assert_allclose(found["alone"], exact, atol=1e-13 * norm * size)
        np.testing.assert_allclose(matrix / norm @ vectors, vectors * (exact / norm), atol=1e-12 * size)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(size), atol=1e-13 * size)


# The worker's own functions, of its source with another end.
_WITHIN = """const source = document.getElementById("worker").textContent;
    const end = source.lastIndexOf("})();");
    const script = document.createElement("script");
    const names = "leadingEigenpairs, symmetricEigen, symmetricValues, unicodeWords";
    script.textContent = `${source.slice(0, end)}window.within = { ${names} }; window.onmessage = null;})();`;
    document.body.append(script);
    script.remove();"""
_PAIRS = f"""([entries, size, pairs]) => {{
    {_WITHIN}
    const found = within.leadingEigenpairs(Float64Array.from(entries), size, pairs);
    return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, Array.from(values)]));
}}"""
_ALL = f"""([entries, size]) => {{
    {_WITHIN}
    const matrix = Float64Array.from(entries), {{ values, vectors }} = within.symmetricEigen(matrix, size);
    const alone = within.symmetricValues(matrix, size);
    return {{ values: Array.from(values), vectors: Array.from(vectors), alone: Array.from(alone) }};
}}"""


def test_words_are_cut_alike_in_all_that_is_written(opened):
    """Strings of letters, marks and signs of many scripts, at random."""
    page, *_ = opened
    rng = np.random.default_rng(0)
    wanted = regex.compile(r"\p{L}|\p{M}|['’‘\"”·׳״]|[\u200c\u200d\xad\u2060]|\p{Nd}| ")
    # Those that the Unicode of every Python here has.
    letters = map(chr, range(0x2FF0))
    known = [letter for letter in letters if wanted.match(letter) and unicodedata.category(letter) != "Cn"]
    known += [*"'’ ·\u200c\u200d"] * 300
    known += [*"dlnLcqu'e’a"] * 60
    texts = ["".join(rng.choice(known, 60)) for _ in range(1500)]
    cut = tokenizer("unicode")
    found = page.evaluate(f"(texts) => {{ {_WITHIN} return texts.map(within.unicodeWords); }}", texts)
    different = [text for text, words in zip(texts, found, strict=True) if words != cut(text)]
    assert not different, [(text, cut(text)) for text in different[:3]]


def test_command_writes_one_file(tmp_path, capsys):
    main(["page", "--out", str(tmp_path / "class.html")])
    assert "class.html" in capsys.readouterr().out
    content = (tmp_path / "class.html").read_text(encoding="utf-8")
    assert not re.search(r"/\* (STYLE|WORKER|SCRIPTS) \*/", content)
    assert "https:" not in content
    with pytest.raises(SystemExit):
        main(["page", "--out", str(tmp_path / "class.txt")])
    assert [path.name for path in tmp_path.iterdir()] == ["class.html"]
