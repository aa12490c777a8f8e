"""Subtitles become speech in pages that are called by their time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.subtitles import read_subtitles


def read(source: str) -> Content:
    content = read_subtitles(source.encode(), "x.srt", Limits())
    at = 0
    for number, page in enumerate(content.pages):
        assert (page.index, page.start) == (number, at)
        at = page.end + 1
    assert at in (len(content.text) + 1, 0)
    return content


def pages(content: Content) -> list[tuple[str, str]]:
    return [(page.label, content.text[page.start : page.end]) for page in content.pages]


SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Good evening</i>, {\\an8}and
welcome.

2
00:00:03,000 --> 00:00:04,000 X1:63 X2:223
2 &lt; 3, <font color="red">he</font> said: 5 < 6.

3
01:10:09,250 --> 01:10:11,000
Much later.
"""


def test_srt() -> None:
    content = read(SRT)
    assert pages(content) == [("00:00:01", "Good evening, and\nwelcome.\n2 < 3, he said: 5 < 6."), ("01:10:09", "Much later.")]
    assert content.warnings == ()


VTT = """WEBVTT - The talk
Kind: captions

STYLE
::cue { color: red }

NOTE by the author
of two lines

intro
00:01.000 --> 00:04.000 align:start
<v.loud Ann Lee>Hello <b>there</b>.</v>

00:05.000 --> 00:06.000
<v Bob>Hi.

NOTE a note

00:07.000 --> 00:08.000
<c.yellow>42</c>
"""


def test_vtt() -> None:
    content = read(VTT)
    assert content.title == "The talk"
    assert pages(content) == [("00:00:01", "Ann Lee: Hello there.\nBob: Hi.\n42")]
    assert content.warnings == ("notes and styles left out: 3",)


def test_rolling_captions_are_read_once() -> None:
    source = (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n \nso<00:00:00.500><c> this</c><00:00:01.000><c> is</c>\n\n"
        "00:00:02.000 --> 00:00:02.010\nso this is\n \n\n"
        "00:00:02.010 --> 00:00:04.000\nso this is\nhow<00:00:03.000><c> it</c>\n\n"
        "00:00:04.000 --> 00:00:06.000\nhow it\nrolls<00:00:05.000>\n"
    )
    assert read(source).text == "so this is\nhow it\nrolls"
    assert read("1\n00:00:01,000 --> 00:00:02,000\nNo.\n\n2\n00:00:02,000 --> 00:00:03,000\nNo.\n").text == "No.\nNo."


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("1\n00:00:01,000 --> 00:00:02,000\nOne\n\nmore\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n", "One\nmore\nTwo"),
        ("1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n", "One\nTwo"),
        ("1\n00:00:01,000 -> 00:00:02,000\nOne\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo", "1\n00:00:01,000 -> 00:00:02,000\nOne\nTwo"),
        ("1\n00:00:05,000 --> 00:00:02,000\nBackwards\n", "Backwards"),
        ("Just words.\nNo times.", "Just words.\nNo times."),
        ("1\n00:00:01,000 --> 00:00:02,000\n\n2\n00:00:03,000 --> 00:00:04,000\n7\n", "7"),
    ],
    ids=["blank line", "no blank line", "bad arrow", "backwards", "no times", "empty cue"],
)
def test_cues_with_faults_lose_no_words(source: str, text: str) -> None:
    assert read(source).text == text


def test_faults_are_told() -> None:
    assert "not well-formed, read as far as they are understood: 1" in read("1\n00:00:05,000 --> 00:00:02,000\nBackwards\n").warnings[0]


WORDS = st.text(alphabet="abcé检 ,.!", min_size=1, max_size=60).map(str.strip).filter(bool)


@given(st.lists(st.tuples(WORDS, st.integers(0, 40)), min_size=1, max_size=60))
def test_every_word_is_kept_in_order_and_pages_are_short(said: list[tuple[str, int]]) -> None:
    def clock(seconds: int) -> str:
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    source, at, starts = "", 0, []
    for number, (words, pause) in enumerate(said, start=1):
        at += pause
        starts.append(clock(at))
        source += f"{number}\n{clock(at)},000 --> {clock(at + 2)},000\n{words}\n\n"
        at += 2
    content = read(source)
    assert content.text.split() == [word for words, _ in said for word in words.split()]
    assert all(page.end - page.start <= 480 for page in content.pages)
    assert [page.label for page in content.pages] == [label for label in starts if label in {page.label for page in content.pages}]
