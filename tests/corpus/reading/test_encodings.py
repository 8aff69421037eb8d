"""Texts in every encoding: read if the bytes show which it is, else refused with the one that fits."""

import io

import pytest
from texts import read_documents

import w2vflow as wf
from w2vflow.corpus.reading.encodings import Utf8Stream, found_encoding
from w2vflow.corpus.reading.facts import FileFacts
from w2vflow.corpus.reading.files import read_blocks

GERMAN = "Die Straße führt über die Brücke nach Köln.\nDas Wetter ist schön, morgen könnte es regnen.\n"
RUSSIAN = "Мама мыла раму, а папа читал газету у окна.\nВечером они пошли гулять в парк.\n"
CHINESE = "今天天气很好，我们一起去公园散步。\n猫在椅子上睡觉，狗在草地上跑来跑去。\n"
# What a text may be in, and what the message says; of letters at the same places one name stands for several.
OTHERS = [
    ("latin-1", "cp1252", GERMAN),
    ("cp1252", "cp1252", "Le café était fermé – « désolé », dit l’hôtelier. Voilà déjà l’été à Besançon.\n"),
    ("cp1250", "cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy.\nŠťastný šedý žralok.\n"),
    ("iso8859-2", "iso8859_2", "Příliš žluťoučký kůň úpěl ďábelské ódy.\nŠťastný šedý žralok.\n"),
    ("cp1254", "cp1254", "Bugün hava çok güzel olduğu için parka yürüyüşe gittik. Işıklar söndü.\n"),
    ("cp1251", "cp1251", RUSSIAN),
    ("koi8-r", "koi8_r", RUSSIAN),
    ("cp1253", "cp1253", "Η γάτα κοιμάται πάνω στην καρέκλα και ο σκύλος τρέχει στον κήπο.\n"),
    ("cp1256", "cp1256", "القطة تنام على الكرسي والكلب يجري في الحديقة الجميلة.\n"),
    ("shift-jis", "cp932", "今日は天気がとても良いので、公園へ散歩に行きました。\n猫が眠っていました。\n"),
    ("euc-jp", "euc_jp", "今日は天気がとても良いので、公園へ散歩に行きました。\n猫が眠っていました。\n"),
    ("gb18030", "gb18030", CHINESE),
    ("big5", "big5", "今天天氣很好，我們一起去公園散步。\n貓在椅子上睡覺，狗在草地上跑來跑去。\n"),
    ("euc-kr", "cp949", "오늘은 날씨가 매우 좋아서 공원으로 산책을 갔습니다.\n고양이가 자고 있었습니다.\n"),
]


@pytest.mark.parametrize("text", [GERMAN, RUSSIAN, CHINESE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_forms_of_unicode_are_read(tmp_path, encoding, text):
    path = tmp_path / "text"
    path.write_bytes(text.encode(encoding))
    assert list(read_documents(path)) == text.splitlines()


@pytest.mark.parametrize("text", [GERMAN, RUSSIAN])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_zero_bytes_at_every_other_place_tell_utf16(tmp_path, encoding, text):
    path = tmp_path / "text"
    path.write_bytes(text.encode(encoding) * 2000)
    blocks = list(read_blocks(path, block_bytes=1001))
    assert b"".join(block.text for block in blocks).decode() == text * 2000
    assert blocks[0].facts[0].encoding == encoding.upper()[:6]


@pytest.mark.parametrize(("encoding", "said", "text"), OTHERS, ids=[encoding for encoding, _, _ in OTHERS])
def test_another_encoding_is_refused_by_name_and_read_if_given(tmp_path, encoding, said, text):
    path = tmp_path / "text"
    path.write_bytes(text.encode(encoding))
    fits = rf'must be text in UTF-8, .*text, which loses more .* In {said} it reads "\w.*`encoding="{said}"`'
    with pytest.raises(ValueError, match=fits):
        list(read_documents(path))
    for name in (encoding, said):
        (block,) = read_blocks(path, encoding=name)
        assert block.text.decode() == text


def test_a_text_that_turns_bad_late_is_refused(tmp_path):
    path = tmp_path / "late.txt"
    path.write_bytes(b"good text\n" * 2**18 + GERMAN.encode("latin-1") * 200)
    for block_bytes in (2**16, 2**25):
        with pytest.raises(ValueError, match=r'In cp1252 it reads "Straße führt'):
            list(read_blocks(path, block_bytes=block_bytes))
    with pytest.raises(ValueError, match="cp1252"):
        wf.corpus.count_to_file(path, tmp_path / "c.npz")
    assert not (tmp_path / "c.npz").exists()
    replaced = list(read_blocks(path, encoding="utf-8"))
    assert replaced[0].facts[0].replaced == 7 * 200


def test_a_stray_byte_is_replaced_and_said(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"a good text\n" * 200 + b"a bad \xff one\n")
    stats = wf.count(path, window=2)
    assert stats.metadata["corpus_invalid_utf8_replaced"] == 1
    assert "invalid bytes replaced: 1" in stats.metadata["corpus_summary"]
    # In the file each counts, however short it is.
    path.write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r'In cp1252 it reads "café"'):
        list(read_blocks(path))


@pytest.mark.parametrize("before", [0, 10, 2**20])
def test_a_zero_byte_is_refused_wherever_it_is(tmp_path, before):
    path = tmp_path / "text.txt"
    path.write_bytes(b"good text\n" * before + b"a \0 byte\n" + b"good text\n" * 10)
    for encoding in ("auto", "utf-8", "latin-1"):
        with pytest.raises(
            ValueError, match=r"`paths` must be text, but got .*text.txt, which has zero bytes"
        ):
            list(read_blocks(path, encoding=encoding))


def test_characters_on_the_border_of_what_is_read_stay_whole():
    text = "é漢\U0001f431x" * 3
    for encoding in ("utf-8", "utf-16", "gb18030"):
        for size in range(1, 8):
            stream = Utf8Stream(io.BytesIO(text.encode(encoding)), "t", FileFacts(), encoding)
            parts = list(iter(lambda stream=stream, size=size: stream.read(size), b""))
            assert b"".join(parts).decode() == text
            assert all(part.decode() for part in parts)


def test_an_encoding_that_is_none_is_refused(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("good\n")
    for encoding in ("klingon", "base64", ""):
        with pytest.raises(ValueError, match="`encoding` must be 'auto' or one that Python knows, but got"):
            list(read_blocks(path, encoding=encoding))
        with pytest.raises(ValueError, match="`encoding` must be 'auto' or one that Python knows, but got"):
            wf.count(path, encoding=encoding)


def test_bytes_that_a_given_encoding_does_not_have(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"good \x81 text\n")
    (block,) = read_blocks(path, encoding="cp1252")
    assert (block.text.decode(), block.facts[0].replaced) == ("good \ufffd text\n", 1)
    with pytest.raises(
        ValueError, match=r"`paths` must be CP1252, but got .*text.txt with the byte 0x81 at 5"
    ):
        list(read_blocks(path, encoding="cp1252", bad_utf8="error"))


def test_binary_data_is_not_taken_for_utf16():
    import numpy as np

    assert found_encoding(np.arange(1000, dtype=np.int64).tobytes()) == "utf-8"
    assert found_encoding(np.random.default_rng(0).bytes(1000)) == "utf-8"
    assert found_encoding(np.arange(1000, dtype=np.int16).tobytes()) == "utf-8"
