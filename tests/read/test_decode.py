"""Whatever the encoding, canonical text is the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.read.decode import clean, decode

GERMAN = "Die Straße ist naß, die Männer grüßen höflich und trinken süßen Kaffee für fünfzig Kreuzer.\n" * 5
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 5


@given(st.text())
def test_clean_text_holds_nothing_forbidden(text: str) -> None:
    cleaned = clean(text)
    assert not any(char in "\x00\r" or "\ud800" <= char <= "\udfff" for char in cleaned)
    assert clean(cleaned) == cleaned


@settings(deadline=None)  # the first example pays for imports
@given(st.text(alphabet=st.characters(codec="utf-8")), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_unicode_comes_back(text: str, encoding: str) -> None:
    if encoding == "utf-8" and text.startswith("\ufeff"):
        return  # the mark belongs to the encoding, not to the text
    wide = encoding == "utf-8" and "\x00" in text
    if not wide:
        assert decode(text.encode(encoding)) == (clean(text), None)


def test_surrogates_and_nul_become_the_replacement_character() -> None:
    assert clean("a\x00b\ud800c") == "a\ufffdb\ufffdc"
    assert clean("a\r\nb\rc\n") == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("können\n\näöüß", "cp1252"),
        (RUSSIAN, "cp1251"),
        (GERMAN, "cp1252"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
    ],
)
def test_encodings_without_a_mark_are_found(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == (text, None)


def test_the_encoding_is_found_far_into_a_file() -> None:
    text = "plain ascii words in a row\n" * 20_000 + GERMAN
    assert decode(text.encode("cp1252"))[0] == text


def test_a_declared_encoding_is_believed_only_where_it_works() -> None:
    assert decode("naïve café".encode("cp1252"), "cp1252") == ("naïve café", None)
    assert decode("naïve café".encode(), "no-such-encoding") == ("naïve café", None)
    assert decode("日本".encode(), "ascii") == ("日本", None)
