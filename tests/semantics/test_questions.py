"""Questions and word pairs of files in both formats, and files that are neither."""

import gzip

import pytest

from w2vflow.semantics.questions import (
    Question,
    Questions,
    pairwise_questions,
    read_pairs,
    read_questions,
)


def folder_of(path, files):
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


BATS = {
    "1_Inflectional/I01 [noun - plural_reg].txt": (
        b"\xef\xbb\xbfAlbum\talbums\r\n\r\narea\tareas\r\nalbum\tALBUMS"
    ),
    "4_Lexicographic/L01 [hypernyms - animals].txt": (
        "cat\tfeline / mammal/animal\nnew york\tcity, place\nape primate/animal\n"
    ),
    "4_Lexicographic/L02 [one].txt": "alone\tlonely\n",
    "4_Lexicographic/L03 [none].txt": "\n",
    "4_Lexicographic/._L04.txt": b"\x00\xff",
    "metadata.json": "{}",
}


def test_google_questions_as_they_are(tmp_path):
    file = tmp_path / "q"
    file.write_bytes(
        b"\xef\xbb\xbf: family\r\nMan WOMAN king Queen\r\n\r\n:capitals\r\nparis france rome italy\r\n"
        b": family\r\nking queen man woman\r\nman woman king queen\r\n: none\r\n"
    )
    first = Question("man", "woman", "king", ("queen",))
    questions = read_questions(file)
    assert questions.categories == {
        "family": [first, Question("king", "queen", "man", ("woman",)), first],
        "capitals": [Question("paris", "france", "rome", ("italy",))],
        "none": [],
    }
    assert questions.too_few == ("none",)
    assert len(questions) == 4
    assert read_pairs(file) == {
        "family": [("man", "woman"), ("king", "queen")],
        "capitals": [("paris", "france"), ("rome", "italy")],
        "none": [],
    }


def test_a_folder_in_the_format_of_bats(tmp_path):
    folder = folder_of(tmp_path / "BATS", BATS)
    questions = read_questions(folder)
    assert list(questions.categories) == [
        "I01 [noun - plural_reg]",
        "L01 [hypernyms - animals]",
        "L02 [one]",
        "L03 [none]",
    ]
    assert questions.categories["I01 [noun - plural_reg]"] == [
        Question("album", "albums", "area", ("areas",)),
        Question("area", "areas", "album", ("albums",)),
    ]
    cat, york, ape = (
        ("cat", ("feline", "mammal", "animal")),
        ("new york", ("city", "place")),
        ("ape", ("primate", "animal")),
    )
    assert questions.categories["L01 [hypernyms - animals]"] == [
        Question(a, b[0], c, d)
        for (a, b), (c, d) in [(cat, york), (cat, ape), (york, cat), (york, ape), (ape, cat), (ape, york)]
    ]
    assert questions.too_few == ("L02 [one]", "L03 [none]")
    assert read_pairs(folder) == {
        "I01 [noun - plural_reg]": [("album", "albums"), ("area", "areas")],
        "L01 [hypernyms - animals]": [("cat", "feline"), ("new york", "city"), ("ape", "primate")],
        "L02 [one]": [("alone", "lonely")],
        "L03 [none]": [],
    }


def test_pairs_make_every_question_the_file_left_out(tmp_path):
    """As the code of arXiv 2502.09863: n pairs, n (n - 1) questions, each pair asked with each other."""
    file = tmp_path / "q"
    file.write_text(": x\na b c d\nc d e f\n: y\ng h i j\n")
    questions = pairwise_questions(read_pairs(file))
    assert list(questions.categories) == ["x", "y"]
    asked = [(q.a, q.b, q.c, *q.answers) for q in questions.categories["x"]]
    expected = {"ab cd", "ab ef", "cd ab", "cd ef", "ef ab", "ef cd"}
    assert len(asked) == 6
    assert {"".join(q[:2]) + " " + "".join(q[2:]) for q in asked} == expected
    # One word in two pairs makes two pairs; the same pair in capitals none.
    two = pairwise_questions({"x": [("us", "dollar"), ("US", "Dollar"), ("us", "cent")], "one": [("a", "b")]})
    assert two.categories["x"] == [
        Question("us", "dollar", "us", ("cent",)),
        Question("us", "cent", "us", ("dollar",)),
    ]
    assert two.too_few == ("one",)
    assert len(Questions({})) == 0


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": "x\ty\n\nz\n"}, "line 3 is a word, a tab, and its answers .* but got 'z'. Mend .*a.txt"),
        ({"a.txt": "x\ty\tz\n"}, r"line 1 is a word, a tab, .* but got 'x\\ty\\tz'"),
        ({"a.txt": "x\ty//z\n"}, r"line 1 is a word, a tab, .* but got 'x\\ty//z'"),
        ({"a.txt": "one two three\n"}, "line 1 is a word, a tab, .* but got 'one two three'"),
        ({"a.txt": "x\ty\n", "b/b.txt": b"v\tw\nx\t\xff\n"}, "line 2 is UTF-8, but got .*. Mend .*b.txt"),
        ({"a.txt": "x\ty\n", "b.txt": ""}, "a file with questions in it, but got .*, which has none"),
    ],
)
def test_folders_that_are_no_questions(files, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_questions(folder_of(tmp_path, files))


def test_nothing_to_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file of questions .*nothing"):
        read_pairs(tmp_path / "nothing")
    for reading in (read_questions, read_pairs):
        with pytest.raises(FileNotFoundError, match=r"no file \*\.txt of questions in"):
            reading(tmp_path)


def test_questions_of_no_category_are_of_one_named_after_the_file(tmp_path):
    file = tmp_path / "msr.txt"
    file.write_bytes("good better rough rougher\r\nnew\u00a0york x\u2028y c d\r\n".encode())
    assert read_questions(file).categories == {
        "msr": [
            Question("good", "better", "rough", ("rougher",)),
            Question("new\u00a0york", "x\u2028y", "c", ("d",)),
        ]
    }


def test_questions_of_msr_have_their_answers_beside_them(tmp_path):
    file, answers = tmp_path / "word_relationship.questions", tmp_path / "word_relationship.answers"
    file.write_text("good better rough\nGood best new\nwalk walked see\n")
    answers.write_text("JJ_JJR rougher\nJJ_JJS Newest\nVB_VBD saw\n")
    assert read_questions(file).categories == {
        "JJ_JJR": [Question("good", "better", "rough", ("rougher",))],
        "JJ_JJS": [Question("good", "best", "new", ("newest",))],
        "VB_VBD": [Question("walk", "walked", "see", ("saw",))],
    }
    answers.write_text("JJ_JJR rougher\nJJ_JJS newest\nsaw\n")
    with pytest.raises(ValueError, match="line 3 is a category and a word, but got 'saw'"):
        read_questions(file)
    answers.write_text("JJ_JJR rougher\n")
    with pytest.raises(ValueError, match="files of as many questions as answers, but got 3 and 1"):
        read_questions(file)
    file.write_text("good better\n")
    with pytest.raises(ValueError, match="line 1 is three words, but got 'good better'"):
        read_questions(file)


def test_packed_questions(tmp_path):
    (tmp_path / "q.gz").write_bytes(gzip.compress(b": x\r\na b c d\r\n"))
    assert read_questions(tmp_path / "q.gz").categories == {"x": [Question("a", "b", "c", ("d",))]}


@pytest.mark.slow
def test_the_official_questions(corpus_folder):
    """Counts as published; the pair-wise variant has n (n - 1) questions of every category."""
    file = corpus_folder / "eval" / "questions-words.txt"
    questions, pairs = read_questions(file), read_pairs(file)
    assert (len(questions), len(questions.categories), questions.too_few) == (19544, 14, ())
    assert len(questions.categories["capital-world"]) == 4524
    assert len(pairs["capital-world"]) == 116
    every = pairwise_questions(pairs)
    assert len(every.categories["capital-world"]) == 13340
    for name, asked in questions.categories.items():
        assert set(asked) <= set(every.categories[name])
