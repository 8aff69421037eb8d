"""Analogies against a loop over questions and words, and files that are not what they should be."""

import numpy as np
import pytest
from gensim.models import KeyedVectors

import w2vflow as wf
from w2vflow.semantics import analogies
from w2vflow.semantics.analogies import AnalogyScore, evaluate_analogies
from w2vflow.semantics.questions import Question, Questions, read_questions

WORDS = [f"word{n}" for n in range(40)]


def looped(vectors, words, asked, method):
    """Which questions are right, one cosine at a time."""

    def cosine(v, w):
        return v @ w / np.sqrt((v @ v) * (w @ w))

    right = []
    for question in asked:
        a, b, c, _ = (vectors[words.index(word)] for word in question)
        best, most = None, -np.inf
        for word, w in zip(words, vectors, strict=True):
            to_a, to_b, to_c = cosine(w, a), cosine(w, b), cosine(w, c)
            if method == "3CosAdd":
                score = to_b - to_a + to_c
            else:
                score = (1 + to_b) / 2 * (1 + to_c) / 2 / ((1 + to_a) / 2 + 1e-3)
            if score > most and word not in question[:3]:
                best, most = word, score
        right.append(best == question[3])
    return right


def related(rng, pairs=20, dim=12, noise=0.45):
    """Vectors of words in pairs, `word0 word1`, `word2 word3`..., with a noisy common difference."""
    base, step = rng.normal(size=(pairs, dim)), rng.normal(size=dim)
    noise = noise * rng.normal(size=(2 * pairs, dim))
    # Lengths that differ by orders of magnitude must not matter.
    length = 10.0 ** rng.uniform(-6, 6, (2 * pairs, 1))
    return length * (np.stack([base, base + 2 * step], axis=1).reshape(-1, dim) + noise)


def write(path, categories):
    lines = [f": {name}\n" + "".join(" ".join(q) + "\n" for q in asked) for name, asked in categories.items()]
    path.write_text("".join(lines))
    return path


def one_by_one(vectors, words, questions, method="3CosAdd"):
    """Which questions the evaluator finds right, every one a category of its own; NaN for unknown ones."""
    single = {str(n): [q] for n, q in enumerate(q for asked in questions.categories.values() for q in asked)}
    score = evaluate_analogies(vectors, words, Questions(single), method=method)
    return np.array([part.accuracy for part in score.by_category.values()])


def by_gensim(vectors, words, file):
    """The same by gensim, whose list of a category has the questions it knows, right ones apart."""
    loaded = KeyedVectors(vectors.shape[1])
    loaded.add_vectors(words, vectors.astype(np.float32))
    _, sections = loaded.evaluate_word_analogies(str(file), restrict_vocab=len(words))
    verdict = {}
    for section in sections[:-1]:
        for share, key in ((1.0, "correct"), (0.0, "incorrect")):
            verdict |= {(section["section"], *(w.casefold() for w in q)): share for q in section[key]}
    return np.array(
        [
            verdict.get((name, *q[:3], *q.answers), np.nan)
            for name, asked in read_questions(file).categories.items()
            for q in asked
        ]
    )


@pytest.fixture
def asked():
    """Every pair of pairs, 380 questions."""
    pairs = list(zip(WORDS[::2], WORDS[1::2], strict=True))
    return [(*one, *other) for one in pairs for other in pairs if one != other]


@pytest.mark.parametrize("method", ["3CosAdd", "3CosMul"])
@pytest.mark.parametrize("block", [(1, 1), (7, 30), (2048, 256)])
def test_answers_equal_a_loop(method, block, asked, tmp_path, monkeypatch):
    words, questions = block
    monkeypatch.setattr(analogies, "_BLOCK_WORDS", words)
    monkeypatch.setattr(analogies, "_BLOCK_QUESTIONS", questions)
    vectors = related(np.random.default_rng(0))
    # An answer among the question's own words is never right.
    file = write(tmp_path / "q", {"one": asked[:150], "two": asked[150:], "own": [("word0", "word1") * 2]})
    right = looped(vectors, WORDS, asked, method)
    assert 0.2 < np.mean(right) < 0.8, "all right or all wrong would show little"
    score = evaluate_analogies(vectors, WORDS, file, method=method)
    found = {name: (part.correct, part.total) for name, part in score.by_category.items()}
    assert found == {"one": (sum(right[:150]), 150), "two": (sum(right[150:]), 230), "own": (0, 1)}
    assert (score.correct, score.total, score.out_of_vocabulary) == (sum(right), 381, 0)
    # Question by question, so that two errors cannot cancel.
    for question, is_right in list(zip(asked, right, strict=True))[::25]:
        one = evaluate_analogies(vectors, WORDS, write(tmp_path / "one", {"x": [question]}),
                                 method=method)  # fmt: skip
        assert one.accuracy == is_right


def test_every_verdict_is_gensims(asked, tmp_path, monkeypatch):
    """Also with unknown words, capitals, other spellings, and a right answer that is one of them."""
    monkeypatch.setattr(analogies, "_BLOCK_WORDS", 10)
    vectors = related(np.random.default_rng(2), noise=0.6)
    words = [word.upper() if n % 3 else word for n, word in enumerate(WORDS)]
    # Spellings of words 0 to 5, close to them: they must neither be asked nor win over the rest.
    close = np.random.default_rng(3).normal(size=(6, 12)) * 0.05
    units = vectors[:6] / np.linalg.norm(vectors[:6], axis=1, keepdims=True)
    vectors = np.concatenate([vectors, units + close])
    words += [word.capitalize() for word in WORDS[:6]]
    unknown = [("word0", "word1", "word2", "nowhere"), ("nobody", "word1", "word2", "word3")]
    file = write(tmp_path / "q", {"one": asked[:200], "unknown": unknown, "two": asked[200:]})
    ours, theirs = one_by_one(vectors, words, read_questions(file)), by_gensim(vectors, words, file)
    assert np.isnan(ours).sum() == 2
    assert 0.2 < np.nanmean(ours) < 0.8
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_every_verdict_on_wikipedia_is_gensims(wikipedia, corpus_folder):
    file = corpus_folder / "eval" / "questions-words.txt"
    spec = wf.leading_eigenpairs(wf.Problem.from_statistics(wikipedia), 100)
    vectors = (spec.eigenvectors * np.sqrt(spec.eigenvalues)).astype(np.float32)
    ours = one_by_one(vectors, wikipedia.words, read_questions(file))
    np.testing.assert_array_equal(ours, by_gensim(vectors, wikipedia.words, file))
    assert np.isfinite(ours).sum() > 1000
    assert 0.2 < np.nanmean(ours) < 0.8


@pytest.mark.parametrize("method", ["3CosAdd", "3CosMul"])
def test_any_of_several_answers_is_right(method, asked):
    """Right where the best word is one of the answers; the answers before were looked up by a loop."""
    vectors, rng = related(np.random.default_rng(4)), np.random.default_rng(5)
    several = [
        Question(*q[:3], (*rng.choice(WORDS, rng.integers(0, 9), replace=False), "unknown", q[3]))
        for q in asked[:120]
    ]
    expected = np.array(
        [
            any(looped(vectors, WORDS, [(*q[:3], answer) for answer in q.answers[:-2]], method))
            or looped(vectors, WORDS, [(*q[:3], q.answers[-1])], method)[0]
            for q in several
        ]
    )
    single = np.array(looped(vectors, WORDS, asked[:120], method))
    assert (expected & ~single).any()
    assert not expected.all()
    np.testing.assert_array_equal(one_by_one(vectors, WORDS, Questions({"x": several}), method), expected)


def test_of_several_answers_one_known_is_enough():
    words, vectors = ["man", "woman", "king", "queen"], [[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1]]
    known = Question("man", "woman", "king", ("empress", "queen"))
    questions = Questions({"x": [known, known._replace(answers=("empress",))], "own": [], "y": [known]})
    score = evaluate_analogies(np.array(vectors), words, questions)
    assert (score.correct, score.total, score.out_of_vocabulary) == (2, 2, 1)
    assert score.too_few == ("own",)
    with pytest.raises(ValueError, match=r"must be a file with a question .* but got 1 questions with none"):
        evaluate_analogies(np.array(vectors), words, Questions({"x": questions.categories["x"][1:]}))


def test_methods_differ(asked, tmp_path):
    vectors = related(np.random.default_rng(0))
    right = [np.array(looped(vectors, WORDS, asked, method)) for method in analogies.METHODS]
    assert (right[0] != right[1]).any()


def test_float32_vectors_of_any_length(asked, tmp_path):
    file = write(tmp_path / "q", {"all": asked})
    vectors = related(np.random.default_rng(1))
    expected = evaluate_analogies(vectors, WORDS, file).correct
    for scale in (1e-30, 1e30):
        rescaled = (vectors / np.abs(vectors).max(axis=1, keepdims=True) * scale).astype(np.float32)
        assert evaluate_analogies(rescaled, WORDS, file).correct == expected


def test_unknown_words_are_counted(tmp_path):
    words = ["man", "woman", "king", "queen"]
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1]])
    file = tmp_path / "q"
    file.write_bytes(
        b"\xef\xbb\xbf: family\r\nMan WOMAN king Queen\r\n\r\nman woman king queens\r\n"
        b": capitals\r\nparis france rome italy\r\n: family\r\nking queen man woman\r\n: none\r\n"
    )
    score = evaluate_analogies(vectors, words, file)
    assert score.by_category == {
        "family": AnalogyScore(2, 2, 1),
        "capitals": AnalogyScore(0, 0, 1),
        "none": AnalogyScore(0, 0, 0),
    }
    assert (score.correct, score.total, score.out_of_vocabulary) == (2, 2, 2)
    assert score.accuracy == 1
    assert score.accuracy_of_all == 0.5
    assert np.isnan(score.by_category["capitals"].accuracy)
    assert score.by_category["capitals"].accuracy_of_all == 0
    assert np.isnan(score.by_category["none"].accuracy_of_all)
    lines = str(score).splitlines()
    assert [line.split() for line in lines[1:5]] == [
        ["family", "2", "2", "100.0%", "66.7%", "1"],
        ["capitals", "0", "0", "-", "0.0%", "1"],
        ["none", "0", "0", "-", "-", "0"],
        ["all", "2", "2", "100.0%", "50.0%", "2"],
    ]
    assert lines[0].split() == ["correct", "total", "accuracy", "of", "all", "unknown"]
    assert score.too_few == ("capitals", "none")
    assert lines[-1] == "too few known pairs for a question: capitals, none"
    assert "too few" not in str(evaluate_analogies(vectors, words, write(file, {"x": [words]})))


def test_words_beyond_the_restriction_neither_ask_nor_answer(tmp_path):
    words = ["man", "woman", "king", "queen", "lady", "lady"]
    file = write(
        tmp_path / "q", {"family": [("man", "woman", "king", "queen"), ("man", "lady", "king", "queen")]}
    )
    exactly = [0, 1, 1]
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0.3, 1, 1], exactly, [0, 0, 0]], float)
    score = evaluate_analogies(vectors, words, file, restrict_vocab=4)
    assert (score.correct, score.total, score.out_of_vocabulary) == (1, 1, 1)
    score = evaluate_analogies(vectors, words, file, restrict_vocab=5)
    assert (score.correct, score.total) == (1, 2), "the first question is answered by `lady`"
    with pytest.raises(ValueError, match=r"`restrict_vocab` must be between 1 and .* 6, but got 0"):
        evaluate_analogies(vectors, words, file, restrict_vocab=0)
    with pytest.raises(ValueError, match="`words` must be one for each of the 6 vectors, but got 5 words"):
        evaluate_analogies(vectors, words[:5], file, restrict_vocab=2)


def test_spellings_of_one_word(tmp_path):
    """Other spellings of the question's words are no answer, those of the right word are."""
    words = ["man", "woman", "king", "queen", "King", "WOMAN", "Queen"]
    file = write(tmp_path / "q", {"family": [("man", "woman", "king", "queen")]})
    nearest, near, far = [-1, 2, 1], [-1, 1.9, 0.7], [0, 0, -1]
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], far, nearest, nearest, near])
    assert evaluate_analogies(vectors, words, file).correct == 1
    vectors[6] = far
    assert evaluate_analogies(vectors, words, file).correct == 1, "far, but the only other"
    assert evaluate_analogies(vectors[[0, 1, 2, 3, 4, 5]], words[:6], file).correct == 1


def test_the_first_spelling_asks(tmp_path):
    words = ["man", "woman", "king", "queen", "down", "KING"]
    file = write(tmp_path / "q", {"family": [("man", "woman", "king", "queen")]})
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [0, 0, -1], [-1, -1, -1]])
    assert evaluate_analogies(vectors, words, file).correct == 1
    other = [0, 1, 5, 3, 4, 2]
    assert evaluate_analogies(vectors[other], [words[row] for row in other], file).correct == 0


@pytest.mark.parametrize("words", [1, 2, 2048])
def test_of_equal_words_the_first_answers(words, tmp_path, monkeypatch):
    monkeypatch.setattr(analogies, "_BLOCK_WORDS", words)
    vectors = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [0, 1, 1]])
    for right, names in ((1, ["man", "woman", "king", "queen", "twin"]),
                         (0, ["man", "woman", "king", "twin", "queen"])):  # fmt: skip
        questions = Questions({"x": [Question("man", "woman", "king", ("queen",))]})
        assert evaluate_analogies(vectors, names, questions).correct == right


def test_no_word_is_left_to_answer(tmp_path):
    """With the question's own words alone there is no right answer, and the search ends."""
    file = write(tmp_path / "q", {"x": [("a", "b", "b", "a"), ("a", "b", "a", "b")]})
    assert evaluate_analogies(np.eye(3), ["a", "b", "B"], file).correct == 0


@pytest.mark.parametrize(
    ("vectors", "words", "message"),
    [
        (np.ones(4), "abcd", r"`vectors` must be of shape \(V, d\).* but got shape \(4,\)"),
        (np.ones((0, 3)), "", r"`vectors` must be of shape \(V, d\).* but got shape \(0, 3\)"),
        (np.full((4, 3), "x"), "abcd", "`vectors` must be an array of numbers, .* type <U1"),
        (np.ones((4, 3)) * 1j, "abcd", "`vectors` must be an array of numbers, .* type complex128"),
        (np.ones((4, 3)), "abc", "`words` must be one for each of the 4 vectors, but got 3 words"),
        (np.ones((4, 3)), "abca", "`words` must be different, but got 'a' 2 times"),
        (np.diag([1, np.nan, 1, 1]), "abcd", "be finite, but got NaN or infinite entries for 'b'"),
        (np.diag([1, 1, 1, np.inf]), "abcd", "be finite, but got NaN or infinite entries for 'd'"),
        (np.diag([1, 0, 1, 0]), "abcd", "be non-zero, but got zero vectors for 'b', 'd'. They"),
        (np.diag([0] * 8), "abcdefgh", "zero vectors for 'a', 'b', 'c', 'd', 'e' and 3 more"),
    ],
)  # fmt: skip
def test_vectors_that_cannot_be_evaluated(vectors, words, message, tmp_path):
    file = write(tmp_path / "q", {"x": ["abcd"]})
    with pytest.raises((TypeError, ValueError), match=message):
        evaluate_analogies(vectors, list(words), file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b": x\na b c d\n\na b c\n", "`questions` .* line 4 is `: category` or four words, but got 'a b c'"),
        (b": x\na b c d e\n", "line 2 is `: category` or four words, but got 'a b c d e'"),
        (b":\na b c d\n", "line 1 is `: category` or four words, but got ':'"),
        (b"a b c d\n: x\n", "line 1 is `: category`, before the first question, but got 'a b c d'"),
        (b": x\na b c \xff\n", r"line 2 is UTF-8, but got b'a b c \\xff'"),
        (b"", "a file with questions in it, but got .* which has none"),
        (b": x\n: y\n", "a file with questions in it, but got .* which has none"),
        (b": x\na b c paris\n", "all four words are among `words`, but got .* with none in 4 words"),
    ],
)  # fmt: skip
def test_files_that_are_no_questions(text, message, tmp_path):
    (tmp_path / "q").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        evaluate_analogies(np.eye(4), list("abcd"), tmp_path / "q")


def test_no_such_file_and_no_such_method(tmp_path):
    for missing in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(FileNotFoundError, match=r"There is no file (\*\.txt )?of questions"):
            evaluate_analogies(np.eye(4), list("abcd"), missing)
    with pytest.raises(
        ValueError, match=r"`method` must be one of \('3CosAdd', '3CosMul'\), but got 'cosine'"
    ):
        evaluate_analogies(np.eye(4), list("abcd"), tmp_path, method="cosine")
