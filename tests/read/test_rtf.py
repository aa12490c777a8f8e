"""Rich text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.errors import ReadError
from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.rtf import read_rtf


def read(body: str | bytes, head: str = r"\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Helvetica;}}") -> Content:
    raw = body.encode("ascii") if isinstance(body, str) else body
    return read_rtf(b"{\\rtf1" + head.encode("ascii") + b" " + raw + b"}", "x.rtf", Limits())


def escaped(text: str) -> str:
    """Text as Word writes it: UTF-16 units with a stand-in each."""
    units = text.encode("utf-16-le")
    numbers = [int.from_bytes(units[at : at + 2], "little", signed=True) for at in range(0, len(units), 2)]
    return "".join(f"\\u{number}?" for number in numbers)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Co", "Z")), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_unicode_is_read_as_it_was_written(text: str) -> None:
    assert read(escaped(text)).text == text


def test_stand_ins_are_skipped_whatever_they_are() -> None:
    assert read(r"a\u8212\'97b\uc2\u20013\'d6\'d0c\uc0\u8212 d{\uc1\u233\emdash e}\u233 f\uc1\u233{x}").text == "a—b中c—déeéféx"


def test_paragraphs_lines_and_signs() -> None:
    assert read(r"one\line two\par three\emdash\ldblquote four\rdblquote\~five\_six\-seven\{\}\\").text == (
        "one\ntwo\n\nthree—“four”\u00a0five\u2011sixseven{}\\"
    )
    assert read("a\\\nb\r\nc").text == "a\n\nbc"


def test_chinese_in_its_code_page() -> None:
    fonts = r"\ansi\ansicpg936\deff0{\fonttbl{\f0\fnil\fcharset134 \'cb\'ce\'cc\'e5;}{\f1\fnil\fcharset0 Arial;}}"
    assert read(r"\f0\'d6\'d0\'ce\'c4\'b2\'e2\'ca\'d4\f1  and \'d6\'d0", fonts).text == "中文测试 and 中"
    assert read("\\f0 中文".encode("gbk"), fonts).text == "中文"
    assert read(r"\f0\'95\'5c\'95\{", r"\ansi{\fonttbl{\f0\fcharset128 MS Mincho;}}").text == "表府"  # the second byte looks like a sign


def test_a_font_decides_the_code_page() -> None:
    fonts = r"\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset2 Symbol;}}"
    assert read(r"caf\'e9 {\f1 \'ec\'e8\'f0} caf\'e9 {\f2\'b7} \plain\'e9", fonts).text == "café мир café • é"


def test_hidden_and_deleted_text_is_left_out_and_told() -> None:
    content = read(r"seen{\v secret} too\v more\v0  end{\deleted gone}\v x\plain y")
    assert content.text == "seen too endy"
    assert content.warnings == ("hidden text was left out", "text marked as deleted was left out")


def test_links_show_their_words() -> None:
    field = r'see {\field{\*\fldinst{HYPERLINK "http://evil.example/?q"}}{\fldrslt{\ul the page}}} now'
    assert read(field).text == "see the page now"


def test_pictures_objects_and_unknown_destinations_are_passed_over() -> None:
    body = (
        rb"a{\pict\pngblip 89504e470d0a}b{\*\shppict{\pict 8950}}c{\pict\bin7 }}{{\\\x00}d{\*\unknown{\b text}}e"
        rb"{\object\objemb{\*\objdata 0105}{\result{f}}}g{\*\bkmkstart x}{\xe entry}h\bin3 }}}i"
    )
    assert read(body).text == "abcdefghi"


def test_text_boxes_are_read_once() -> None:
    shape = r"{\shp{\*\shpinst{\sp{\sn fName}{\sv Box 1}}{\shptxt in the box\par}}{\shprslt{\*\do again}}}after"
    assert read(shape).text == "in the box\n\nafter"


def test_tables_are_rows() -> None:
    rows = r"\trowd\cellx1\cellx2\pard\intbl Name\cell Size\cell\row\trowd\pard\intbl Elk\par big\cell 2 m\cell\row\pard after\par"
    content = read(r"before\par" + rows)
    assert content.text == "before\n\nName | Size\nElk big | 2 m\n\nafter"
    (region,) = content.regions
    assert (region.kind, content.text[region.start : region.end]) == ("table", "Name | Size\nElk big | 2 m")


def test_a_table_in_a_cell_stays_in_its_row() -> None:
    inner = r"\pard\intbl\itap2 a\nestcell b\nestcell{\*\nesttableprops\trowd\nestrow}{\nonesttables\par}"
    rows = r"\trowd\pard\intbl " + inner + r"\pard\intbl\itap1 tail\cell x\cell\row\trowd\pard\intbl 1\cell 2\cell\row"
    assert read(rows).text == "a | b tail | x\n1 | 2"


def test_headings_come_from_styles_and_outline_levels() -> None:
    head = r"\ansi{\stylesheet{\ql Normal;}{\s1\sb240 heading 1;}{\s2 heading 2;}{\s7\outlinelevel2 Strange;}{\*\cs9 Font;}}"
    body = r"\pard\s1 Elks\par\pard plain\par\pard\s2 Food\par\pard\s7 Deep\par\pard{\outlinelevel0 Moss\par}after\par\outlinelevel9 b\par"
    content = read(body, head)
    found = [(heading.level, heading.title, content.text[heading.start :].split("\n")[0]) for heading in content.headings]
    assert found == [(1, "Elks", "Elks"), (2, "Food", "Food"), (3, "Deep", "Deep"), (1, "Moss", "Moss")]


def test_the_title_and_what_surrounds_the_text() -> None:
    info = r"{\info{\title On elks}{\author A. Nonymous}{\*\company C}{\subject s}}"
    content = read(info + r"{\header top}{\footerl\pard}body{\footnote see {\i there}}{\*\annotation hm} end")
    assert (content.title, content.text) == ("On elks", "body end\n\nsee there")
    assert content.warnings == ("the text of page headers and footers was left out", "comments in the margin were left out (1)")
    assert read(r"{\info{\title draft.doc}}{\pard\outlinelevel0 Moss\par}").title == "Moss"


def test_lists_keep_their_marks() -> None:
    fonts = r"\ansi{\fonttbl{\f0 A;}{\f1\fcharset2 Symbol;}}"
    assert read(r"{\listtext\f1\'b7\tab}one\par{\pntext 2.\tab}two\par", fonts).text == "- one\n\n2. two"


def test_html_in_rtf_is_read_as_its_text() -> None:
    space = r"{\*\htmltag84 &nbsp;}\htmlrtf \'a0\htmlrtf0"
    body = r"{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 one " + space + r" two\htmlrtf\par}\htmlrtf0{\*\htmltag72 </p>}three"
    assert read(body, r"\ansi\fromhtml1{\fonttbl{\f0 A;}}").text == "one \u00a0two\n\nthree"


def test_deep_nesting_and_other_files_are_refused() -> None:
    for data in (b"{\\rtf1 " + b"{" * 100_000, b"no rich text"):
        with pytest.raises(ReadError) as caught:
            read_rtf(data, "x.rtf", Limits())
        assert caught.value.reason == "damaged"


def test_a_cut_is_told() -> None:
    content = read_rtf(b"{\\rtf1\\ansi one\\par {\\b two", "x.rtf", Limits())
    assert content.text == "one\n\ntwo"
    assert content.warnings == ("the file is cut short or broken: a group in it has no end",)


_WORDS = r"""\par \cell \row \nestcell \nestrow \intbl \pard \v \v0 \uc0 \uc9 \bin3 \bin99999999 \u20013 \u-1 \f1 \s1 \deff1 \fcharset134
{\*\x {\fonttbl {\stylesheet {\info {\footnote {\*\htmltag {\listtext {\pict { } } } \'d6 \'zz \* \\ \{ \~ text""".split()
_WORD = st.sampled_from([*_WORDS, "\\\n", "\\", "é\x00"])


@given(st.lists(_WORD, max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_mixture_gives_a_text(words: list[str]) -> None:
    content = read(" ".join(words).encode("latin-1"))
    assert not any(char in content.text for char in "\x00\r\f")
    assert all(0 <= region.start < region.end <= len(content.text) for region in content.regions)
    assert all(content.text.startswith(heading.title, heading.start) for heading in content.headings)
