"""Words of scripts without spaces between them."""

import warnings

import pytest

import w2vflow as wf
from w2vflow.corpus import segmenters, text_tokens, tokenizer

CHINESE = "我来到北京清华大学,他们很高兴。今天天气很好,我们去公园看花。"
WORDS = {
    "chinese": (CHINESE[:16], ["我", "来到", "北京", "清华大学", "他们", "很", "高兴"]),
    "japanese": ("すもももももももものうち", ["すもも", "も", "もも", "も", "もも", "の", "うち"]),
    "thai": ("ฉันรักภาษาไทย ABC", ["ฉัน", "รัก", "ภาษาไทย", "abc"]),
}


@pytest.mark.parametrize("language", WORDS)
def test_a_segmenter_cuts_words(language):
    pytest.importorskip(segmenters.SEGMENTERS[language])
    text, words = WORDS[language]
    assert list(tokenizer(language)(text)) == words


@pytest.mark.parametrize("language", WORDS)
def test_auto_takes_the_segmenter_of_each_language(tmp_path, language):
    pytest.importorskip(segmenters.SEGMENTERS[language])
    (tmp_path / "t.txt").write_text(f"{WORDS[language][0]}\n" * 3)
    assert text_tokens([tmp_path / "t.txt"]) == language


def test_phrases_are_warned_of_and_words_are_not(tmp_path):
    pytest.importorskip("rjieba")
    path = tmp_path / "t.txt"
    path.write_text(f"{CHINESE}\n" * 3)
    with pytest.warns(RuntimeWarning, match=r"no spaces between its words \(chinese\).*segmenters"):
        wf.count(path, tokens="unicode")
    stats = wf.count(path, tokens="chinese")
    assert "清华大学" in stats.words
    assert stats.metadata["tokens"].startswith("letters in the pieces of rjieba")
    # Cut before, with spaces between its words: no phrases.
    path.write_text(f"{' '.join(tokenizer('chinese')(CHINESE))}\n" * 3)
    assert "清华大学" in wf.count(path, tokens="unicode").words


def test_scripts_without_spaces_are_told():
    cut = tokenizer("unicode")
    texts = {
        "japanese": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
        "thai": "ฉันรักภาษาไทยมากที่สุด วันนี้อากาศดีมากเลยนะ",
        "Khmer": "ខ្ញុំស្រឡាញ់ភាសាខ្មែរ ថ្ងៃនេះអាកាសធាតុល្អណាស់",
        "Lao": "ຂ້ອຍຮັກພາສາລາວຫຼາຍ ມື້ນີ້ອາກາດດີຫຼາຍ",
        "Burmese": "မြန်မာဘာသာစကားကို ကျွန်တော်ချစ်ပါသည်။ ယနေ့ရာသီဥတုကောင်းသည်။",
        "Javanese": "ꦲꦏ꧀ꦱꦫꦗꦮꦲꦶꦏꦸꦲꦏ꧀ꦱꦫ꧈",
        None: "한국어 문장은 띄어 쓴다. हिन्दी में शब्द अलग हैं। Words, слова, λέξεις",
    }
    for script, text in texts.items():
        words = list(cut(text))
        assert segmenters.unspaced_script(words) == script
        if script is not None:
            assert ("segmenters" in segmenters.phrases_note(script, words)) == (
                script in segmenters.SEGMENTERS
            )


def test_a_segmenter_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(segmenters.SEGMENTERS, "chinese", "no_such_library")
    with pytest.raises(ImportError, match=r"no_such_library: pip install 'w2vflow\[segmenters\]'"):
        tokenizer("chinese")
    assert segmenters.described_segmenter("chinese").startswith("letters in the pieces of no_such_library ?")


def test_other_rules_are_not_looked_at(tmp_path):
    (tmp_path / "t.txt").write_text(f"{CHINESE} a b\n" * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wf.count(tmp_path / "t.txt", tokens="latin")


def test_auto_takes_the_segmenter_that_is_installed(tmp_path, monkeypatch):
    pytest.importorskip("rjieba")
    path = tmp_path / "t.txt"
    path.write_text(f"{CHINESE}\n" * 3)
    assert text_tokens([path]) == "chinese"
    assert "清华大学" in wf.count(path).words
    monkeypatch.setitem(segmenters.SEGMENTERS, "chinese", "no_such_library")
    assert text_tokens([path]) == "unicode"
    path.write_text("한국어 문장은 띄어 쓴다. 낱말 사이에 빈칸이 있다.\n" * 3)
    assert text_tokens([path]) == "unicode"
