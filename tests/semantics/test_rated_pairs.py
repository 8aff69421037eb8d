"""Sets of rated pairs in the forms in which their authors publish them."""

import gzip
import zipfile

import numpy as np
import pytest

from w2vflow.semantics.rated_pairs import read_ratings
from w2vflow.semantics.similarity import evaluate_similarity

PAIRS = [("king", "queen", 8.5), ("man", "woman", 9.0)]
# The beginnings of the files, with other words.
PUBLISHED = {
    "wordsim353/combined.csv": ("Word 1,Word 2,Human (mean)\nking,queen,8.5\nman,woman,9\n", 3),
    "wordsim353/set1.tab": (
        "Word 1\tWord 2\tHuman (mean)\t1\t2\r\nking\tqueen\t8.5\t8\t9\r\nman\twoman\t9\t9\t9\r\n",
        3,
    ),
    "wordsim353/set2.csv": ("Word 1,Word 2,Human (mean),1,2\nking,queen,8.5,8,9\nman,woman,9,9,9\n", 3),
    "wordsim_similarity_goldstandard.txt": ("king\tqueen\t8.5\nman\twoman\t9\n", 3),
    "SimLex-999.txt": (
        "word1\tword2\tPOS\tSimLex999\tconc(w1)\tconc(w2)\tconcQ\tAssoc(USF)\tSimAssoc333\tSD(SimLex)\n"
        "king\tqueen\tN\t8.5\t2.72\t2.81\t2\t7.25\t1\t0.41\nman\twoman\tN\t9\t2.6\t2.9\t2\t7.1\t1\t1.19\n",
        4,
    ),
    "rw.txt": ("king\tqueen\t8.5\t8\t9\t10\nman\twoman\t9\t9\t9\t9\n", 3),
    "SimVerb-3500.txt": ("king\tqueen\tV\t8.5\tSYNONYMS\nman\twoman\tV\t9\tNONE\n", 4),
    "MEN_dataset_natural_form_full": ("king queen 8.500000\nman woman 9.000000\n", 3),
    "MTURK-771.csv": ("king,queen,8.5\nman,woman,9.0\n", 3),
    "rg65.csv": ("king;queen;8.5\nman;woman;9.0\n", 3),
    "yp-130.txt": ("king  queen   8.5\nman   woman   9.0\n", 3),
    "quoted.csv": ('"word1","word2","rating"\n"king","queen","8.5"\n"man","woman","9"\n', 3),
    "numbered.csv": ("id,word1,word2,sd,score\n1,king,queen,0.5,8.5\n2,man,woman,1,9\n", 5),
    "unnamed.csv": ("a,b,what people say\nking,queen,8.5\nman,woman,9\n", 3),
    "tagged.tsv": ("one\tother\tpos\tvalue of all\nking\tqueen\tN\t8.5\nman\twoman\tN\t9\n", 4),
    "marked.txt": ("\ufeffking\tqueen\t8.5\n# comment\n\nman\twoman\t9\n", 3),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sets_as_published(name, tmp_path):
    text, column = PUBLISHED[name]
    file = tmp_path / "set"
    file.write_bytes(text.encode())
    read = read_ratings(file)
    assert read.pairs == PAIRS
    assert read.rated_by.split()[:2] == ["column", str(column)]
    vectors = np.array([[1, 0], [1, 1], [0, 1], [0.1, 1]])
    score = evaluate_similarity(vectors, ["king", "queen", "man", "woman"], file)
    assert (score.total, score.spearman) == (2, pytest.approx(1))
    assert score.rated_by == read.rated_by


def test_the_column_is_told_by_its_header(tmp_path):
    file = tmp_path / "set"
    file.write_text(PUBLISHED["SimLex-999.txt"][0])
    assert read_ratings(file).rated_by == "column 4 (SimLex999)"
    file.write_text("a b 3\nc d 4\n")
    assert read_ratings(file).rated_by == "column 3"


def test_packed_sets(tmp_path):
    text = PUBLISHED["rw.txt"][0].encode()
    (tmp_path / "rw.txt.gz").write_bytes(gzip.compress(text))
    with zipfile.ZipFile(tmp_path / "rw.zip", "w") as archive:
        archive.writestr("rw/rw.txt", text)
    for name in ("rw.txt.gz", "rw.zip"):
        assert read_ratings(tmp_path / name).pairs == PAIRS
    (tmp_path / "rw.txt.gz").write_bytes(gzip.compress(text)[:-9])
    with pytest.raises(ValueError, match=r"`pairs` must be a whole file, but got .* cut short or damaged"):
        read_ratings(tmp_path / "rw.txt.gz")


def test_lemmas_of_men_lose_their_tags(tmp_path):
    file = tmp_path / "MEN_dataset_lemma_form_full"
    file.write_text("sun-n sunlight-n 50\nrun-v quick-j 30\nsun-n run-v 10\n")
    vectors, words = np.array([[1, 0], [1, 0.1], [0, 1], [0.5, 1]]), ["sun", "sunlight", "run", "quick"]
    score = evaluate_similarity(vectors, words, file)
    assert (score.total, score.spearman) == (3, pytest.approx(1))
    # Vectors of tagged words are asked for as they are, and words that end so by chance are left alone.
    tagged = evaluate_similarity(vectors, ["sun-n", "sunlight-n", "run-v", "quick-j"], file)
    assert tagged == score
    file.write_text("sun-n sunlight 50\n")
    with pytest.raises(ValueError, match="with none in 1 words"):
        evaluate_similarity(vectors[:1], ["sun"], file)


def test_words_of_several_parts_and_other_spaces(tmp_path):
    file = tmp_path / "set"
    file.write_text("New York\tbig city\t7\nnew\u00a0york\ta\u2028b\t3\n", encoding="utf-8")
    assert read_ratings(file).pairs == [("new york", "big city", 7), ("new\u00a0york", "a\u2028b", 3)]
    file.write_text("new\u00a0york city 7\n", encoding="utf-8")
    assert read_ratings(file).pairs == [("new\u00a0york", "city", 7)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "word1,word2,mean,score\na,b,3,4\nc,d,4,5\n",
            r"header is `mean`.* but got .* columns 'mean', 'score'",
        ),
        ("a\tb\tN\t3\t4\nc\td\tN\t4\t5\n", "the rating third, or .* but got .* with numbers in columns 4, 5"),
        ("t\ttiger\tcat\t7\ni\tbook\tpaper\t5\n", "line 1 is two words and a finite rating"),
        ("a\tb\t3,5\nc\td\t4,5\n", "line 1 is two words and a finite rating, as 7.5, between tabs"),
        ("a\tb\t3\nc\td\n", r"line 2 is two words .* but got 'c\\td'"),
        ("word1 word2 score\n", "line 1 is two words"),
    ],
)
def test_what_cannot_be_told_is_refused(text, message, tmp_path):
    (tmp_path / "set").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_ratings(tmp_path / "set")
