"""Rules that cut text into words: right ones in many scripts, and the compiled rule against the plain one."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import w2vflow as wf
from w2vflow.corpus import tokenizer
from w2vflow.corpus.counting.rules import CountingRule
from w2vflow.corpus.counting.stages import number_block, open_tokens, open_words
from w2vflow.corpus.reading.blocks import Block

cut = tokenizer("unicode")

# Own sentences; the words that a reader of the language would cut.
SENTENCES = {
    "German": ("Für die Straße: Übermut tut selten gut.", "für die straße übermut tut selten gut"),
    "Italian": ("Perché l'amico è già là?", "perché l amico è già là"),
    "Dutch": ("Eén coördinaat, geïnd.", "eén coördinaat geïnd"),
    "French": ("L’œuvre naïve, ça va où?", "l œuvre naïve ça va où"),
    "Catalan": ("El col·legi vell", "el col·legi vell"),
    "Spanish": ("¿Qué año? ¡Mañana!", "qué año mañana"),
    "Czech": ("Žluťoučký kůň", "žluťoučký kůň"),
    "Polish": ("Zażółć gęślą jaźń", "zażółć gęślą jaźń"),
    "Turkish": ("ağaç, Irmak", "ağaç irmak"),
    "Vietnamese": ("Tiếng Việt rất đẹp", "tiếng việt rất đẹp"),
    "Greek": ("Ο ΛΟΓΟΣ του φίλος", "ο λογος του φίλος"),
    "Russian": ("Ёж и ёлка, 3 ели", "ёж и ёлка ели"),
    "French, one word": ("Aujourd'hui, jusqu'à quelqu’un", "aujourd'hui jusqu à quelqu’un"),
    "Italian, elided": ("Com'è? Dell'anno, cent’anni", "com è dell anno cent anni"),
    "Irish": ("D'fhan sé; b'fhéidir", "d fhan sé b fhéidir"),
    "Luxembourgish": ("D'Recht an d'Fräiheet", "d recht an d fräiheet"),
    "English": ("I don’t think it's Murphy's.", "i don’t think it's murphy's"),
    "English, quoted": ("‘They’ said 'yes' of '90s rock'n'roll", "they said yes of s rock'n'roll"),
    "Breton": ("C'hoant am eus d'ar marc'h", "c'hoant am eus d ar marc'h"),
    "Dutch, short forms": ("m'n foto's en d'r auto", "m'n foto's en d'r auto"),
    "Hausa": ("Jama'a, ra’ayi", "jama'a ra’ayi"),
    "Hawaiian": ("Kū'oko'a, ʻōlelo", "kū'oko'a ʻōlelo"),
    "Uzbek": ("O‘zbek, ma'no", "o‘zbek ma'no"),
    "Swahili": ("ng'ombe wangu", "ng'ombe wangu"),
    "Turkish, capital I with dot": ("İstanbul’da, istanbul’da", "istanbul’da istanbul’da"),
    "Occitan": ("Des·har", "des·har"),
    "Spanish, ordinals": ("La 1ª y el 2º", "la y el"),
    "Ukrainian": ("П'ять, п’ять сімей", "п'ять п’ять сімей"),
    "Hebrew": ("צה״ל ועד", "צה״ל ועד"),
    "Hebrew, geresh": ("פרופ׳ גדול", "פרופ׳ גדול"),
    "Arabic": ("كِتَابٌ جديد،", "كِتَابٌ جديد"),
    "Persian": ("می\u200cخواهم بروم", "می\u200cخواهم بروم"),
    "Hindi": ("हिन्दी में क्\u200dष है।", "हिन्दी में क्\u200dष है"),
    "Sinhala": ("ශ්\u200dරී ලංකා", "ශ්\u200dරී ලංකා"),
    "Malayalam": ("അവന്\u200d വന്നു", "അവന്\u200d വന്നു"),
    "Tamil": ("தமிழ் மொழி", "தமிழ் மொழி"),
    "Bengali": ("বাংলা ভাষা।", "বাংলা ভাষা"),
    "Korean": ("한국어 '문장'은", "한국어 문장 은"),
    "Georgian": ("ქართული ენა", "ქართული ენა"),
    "Armenian": ("Հայերեն լեզու", "հայերեն լեզու"),
    "Armenian, asked and stressed": ("Ինչո՞ւ, այո՛։", "ինչու այո"),
    "Tigrinya": ("ከምኡ’ውን፣", "ከምኡ’ውን"),
    "Amharic": ("ሰላም፣ ዓለም።", "ሰላም ዓለም"),
    "soft hyphens": ("co\u00adoperate", "cooperate"),
    "wide letters": ("ＡＢＣ ﬁn", "abc fin"),
    "no letters": ("№ ℃ ™ ² 12", ""),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_words_are_those_a_reader_would_cut(language):
    text, words = SENTENCES[language]
    right = [unicodedata.normalize("NFC", word) for word in words.split()]
    assert list(cut(text)) == right
    assert list(cut(unicodedata.normalize("NFD", text))) == right


def numbered(documents, tokens, folder, shortest=0):
    """The documents as words, by the compiled rule."""
    texts = [document.encode() for document in documents]
    ends = np.cumsum([len(text) + 1 for text in texts]) - 1
    starts = ends - [len(text) for text in texts]
    path = folder / f"tokens-{abs(hash((tuple(documents), tokens, shortest)))}"
    path.unlink(missing_ok=True)
    number_block(path, Block(b"\n".join(texts), starts, ends, ()), tokens, shortest)
    joined, frequency, kept = open_words(path)
    words = joined.tobytes().decode().split("\n") if len(frequency) else []
    numbers, documents = open_tokens(path)
    assert documents == kept == (numbers == -1).sum()
    assert np.array_equal(np.bincount(numbers[numbers >= 0], minlength=len(words)), frequency)
    found, document = [], []
    for number in numbers:
        if number < 0:
            found.append(document)
            document = []
        else:
            document.append(words[number])
    return found


# Signs that normal forms, case and joiners make hard; and any others.
HARD = (
    "cCdlmnsxh'h’‘aAbllIKsSſßẞΣσςİıǅǆŉﬁﬀﷺﷲÅÅ\u0301\u0307\u030c\u0345\u0327é…’'\"·ŀĿ´½№™℃①ªº\u00ad\u200b\u200c\u200d"
    "\u2060\ufeff\u05f3\u05f4״אב\u055b\u055eհՀגпПя'ёक्\u093cष\u094dද\u0dcaනのンーｶﾞ漢字한\u1112\u1161\u11ab𝒜𐐀𐐨😀\U0002a6d6"
    "\U000e0100 \t.-_"
)
ANY = st.characters(exclude_categories=("Cs", "Cc"))
letters = st.text(st.one_of(st.sampled_from(HARD), ANY), max_size=30)


@settings(deadline=None, max_examples=400)
@given(st.lists(letters, min_size=1, max_size=6), st.integers(0, 3))
def test_the_compiled_rule_is_the_plain_one(tmp_path_factory, documents, shortest):
    found = numbered(documents, "unicode", tmp_path_factory.getbasetemp(), shortest)
    plain = [list(cut(document)) for document in documents]
    assert found == [words for words in plain if words and len(words) >= shortest]


def test_every_letter_is_cut_as_the_plain_rule_does(tmp_path):
    # Between letters, after one, and before a mark; all planes that hold letters.
    every = [chr(code) for code in range(1, 0x3FFFF) if not 0xD800 <= code < 0xE000 and chr(code) != "\n"]
    documents = [
        " ".join(f"x{sign}y z{sign} {sign}\u0301" for sign in every[at : at + 4096])
        for at in range(0, len(every), 4096)
    ]
    assert numbered(documents, "unicode", tmp_path) == [list(cut(document)) for document in documents]


def test_long_words_are_told_apart_by_their_last_letter(tmp_path):
    words = [f"{'я' * 9}{one}{other}" for one in "абвгдежз" for other in "абвгдежз"] + ["я" * 3, "я" * 4]
    assert numbered([" ".join(words * 2)], "unicode", tmp_path) == [words * 2]


@pytest.mark.parametrize(
    ("tokens", "got"),
    [
        ("[^ ]+", "line break"),
        (r"\w*", "an empty one"),
        ("(the) (cat)", "which has 2"),
        (lambda text: [1, 2], "1, a int"),
        (lambda text: ["\ud800", "b"], "UTF-8 cannot hold"),
        (lambda text: [""], "an empty one"),
        (lambda text: ["a\nb"], "line break"),
    ],
)
def test_rules_whose_words_are_none_are_refused(tmp_path, tokens, got):
    (tmp_path / "t.txt").write_text("the cat sat on\nthe mat and the\n\nanother paragraph of\nthe cat\n")
    with pytest.raises(ValueError, match=got):
        wf.count(tmp_path / "t.txt", tokens=tokens, min_count=1)


def test_lower_case_keeps_spelling(tmp_path):
    (tmp_path / "t.txt").write_text("Die Straße, die STRASSE; ΛΟΓΟΣ λόγος\n" * 3)
    words = wf.count(tmp_path / "t.txt", tokens="unicode").words
    assert set(words) == {"die", "straße", "strasse", "λογος", "λόγος"}
    assert CountingRule(tokens="unicode").describe()["tokens"].endswith("lower-casing")
