"""How words are cut is guessed from the letters that are there."""

import json

import pytest

from w2vflow.corpus.reading.guesses import suggested, text_tokens
from w2vflow.support.sources import Source

# A few lines of each, written here.
UNICODE = {
    "German": "Der Hund läuft über die Straße. Die Katze schläft für eine Stunde im Garten.",
    "German, of capitals alone": "Die Tür war offen und der Wind kam in das Haus.",
    "German, in capitals": "DER HUND LÄUFT ÜBER DIE STRASSE",
    "German, letters and marks apart": "Der Hund la\u0308uft u\u0308ber den Fluss.",
    "Italian": "Il gatto dorme sulla sedia. Oggi fa caldo, ma non è un problema per i bambini.",
    "Dutch": "Er was één man in het dorp die goede ideeën had, maar niemand luisterde naar hem.",
    "French": "Le chat dort sur la chaise et le chien court dans le jardin. Il a mangé une pomme.",
    "Spanish": "El niño comió una manzana en la cocina. Mañana iremos al mercado con la abuela.",
    "Portuguese": "O gato dorme na cadeira e não há ninguém em casa. Amanhã é feriado.",
    "Finnish": "Kissa nukkuu tuolilla ja koira juoksee pihalla. Tänään on hyvä päivä.",
    "Swedish": "Katten sover på stolen och hunden springer i trädgården.",
    "Danish": "Katten sover på stolen, og hunden løber i haven for at lege.",
    "Hungarian": "A macska a széken alszik, és a kutya a kertben fut. Ez is jó nap.",
    "Czech": "Kočka spí na židli a pes běhá po zahradě.",
    "Polish": "Kot śpi na krześle, a pies biega po ogrodzie i to jest dobre.",
    "Turkish": "Kedi sandalyede uyuyor ve köpek bahçede koşuyor. Bugün hava güzel.",
    "Vietnamese": "Con mèo ngủ trên ghế và con chó chạy trong vườn.",
    "Greek": "Η γάτα κοιμάται στην καρέκλα.",
    "Russian": "Кошка спит на стуле.",
    "Arabic": "القطة تنام على الكرسي",
    "Hindi": "बिल्ली कुर्सी पर सो रही है",
    "Dutch, one letter": f"{'Er was een man in het dorp die goede dingen had. ' * 120} één",
    "Swahili, a letter of two": "Paka analala kwenye kiti na ng'ombe anakimbia bustanini.",
    "Chinese": "猫在椅子上睡觉",
}
LATIN = {
    "English": "The cat sleeps and the dog runs in the garden. It was a good day for all of us.",
    "English with a name": "We met at the café in Zürich, and she told me of a naïve man who slept.",
    "English with names": "He sent his résumé to São Paulo, and it was read by Renée and François.",
    "Latin": "Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae, aliam Aquitani.",
    "Indonesian": "Kucing itu tidur di kursi dan anjing berlari di kebun. Hari ini cuaca sangat baik.",
    "Swahili": "Paka analala kwenye kiti na mbwa anakimbia bustanini. Leo hali ya hewa ni nzuri.",
    "English with apostrophes": "It's the cat that doesn't sleep, and it wasn't the dog's day for us.",
    "nothing": "",
    "numbers": "1 2 3",
}


@pytest.mark.parametrize("times", [1, 300])
@pytest.mark.parametrize("language", [*UNICODE, *LATIN])
def test_letters_that_are_there_decide(tmp_path, language, times, monkeypatch):
    # As where no segmenter is installed.
    monkeypatch.setattr("w2vflow.corpus.reading.guesses.is_installed", lambda name: False)
    text = (UNICODE | LATIN)[language]
    (tmp_path / "text.txt").write_text(f"{text}\n" * times, encoding="utf-8")
    assert text_tokens([tmp_path / "text.txt"]) == ("unicode" if language in UNICODE else "latin")


def test_names_of_a_long_text_do_not_decide(tmp_path):
    english = LATIN["English"] * 200 + LATIN["English with names"] * 9
    (tmp_path / "text.txt").write_text(english, encoding="utf-8")
    assert text_tokens([tmp_path / "text.txt"]) == "latin"
    (tmp_path / "text.txt").write_text(LATIN["Indonesian"] * 99 + " Zürich", encoding="utf-8")
    assert text_tokens([tmp_path / "text.txt"]) == "latin"


def test_a_corpus_of_two_languages_has_the_letters_of_both(tmp_path):
    german = "Für müde Bären große Füße über süßen Früchten, hört böse Vögel fröhlich träumen, können früh. "
    (tmp_path / "text.txt").write_text(LATIN["English"] * 4 + german * 4, encoding="utf-8")
    assert text_tokens([tmp_path / "text.txt"]) == "unicode"


def test_tables_and_other_encodings_are_looked_into(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    german = UNICODE["German"]
    # Escaped, and beside columns that would tell otherwise.
    rows = [{"url": "https://x.org/the/of/and", "text": german}] * 3
    (tmp_path / "a.txt").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.table({"url": ["x"], "text": [german]}), tmp_path / "b.parquet")
    (tmp_path / "c.txt").write_bytes(german.encode("utf-16"))
    for name in ("a.txt", "b.parquet", "c.txt"):
        assert suggested([tmp_path / name], "auto", "auto") == ("auto", "unicode")
    # Cut off within the first of what is long, and half as long as its bytes.
    (tmp_path / "e.txt").write_bytes(("[" + json.dumps({"text": german * 999}) + "]").encode("utf-16"))
    assert suggested([tmp_path / "e.txt"], "auto", "auto") == ("auto", "unicode")
    (tmp_path / "d.txt").write_bytes(german.encode("latin-1"))
    assert text_tokens([tmp_path / "d.txt"], encoding="latin-1") == "unicode"
    assert text_tokens([tmp_path / "b.parquet"], "dataset") == "unicode"


def test_beginnings_are_looked_at_once_for_words_and_lines(tmp_path, monkeypatch):
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text("für uns\nund euch\n\nüber allen\nist ruh\n")
    opened = []
    head = Source.head
    monkeypatch.setattr(Source, "head", lambda self, size: opened.append(self.name) or head(self, size))
    assert suggested([tmp_path], "auto", "auto") == ("paragraphs", "unicode")
    assert opened == [str(tmp_path / f"{number:02}.txt") for number in range(20)]
    # What is said is not looked for.
    assert suggested([tmp_path], "lines", "latin") == ("lines", "latin")
    assert len(opened) == 20
