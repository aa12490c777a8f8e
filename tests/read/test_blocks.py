"""HTML trees become text, and the places of headings, tables and listings in it are true."""

from __future__ import annotations

from html import escape

from hypothesis import given
from hypothesis import strategies as st
from lxml.html import document_fromstring

from wellread.read.blocks import Blocks, text_of
from wellread.read.html import read_html
from wellread.read.limits import Limits

WORDS = st.text("abc äß字", min_size=1, max_size=8).map(lambda text: " ".join(text.split()) or "x")
TABLES = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(WORDS, min_size=width, max_size=width), min_size=2, max_size=4))
LISTINGS = st.lists(st.text("ab {}\t&<", min_size=1, max_size=9).map(lambda line: "x" + line), min_size=1, max_size=4).map("\n".join)
PARTS = st.lists(
    st.one_of(
        st.tuples(st.just("p"), WORDS),
        st.tuples(st.just("h2"), WORDS),
        st.tuples(st.just("table"), TABLES),
        st.tuples(st.just("pre"), LISTINGS),
    ),
    min_size=1,
    max_size=8,
)


def blocks(html: str) -> Blocks:
    return text_of(document_fromstring(html))


def held(content: Blocks, kind: str) -> list[str]:
    return [content.text[region.start : region.end] for region in content.regions if region.kind == kind]


@given(PARTS)
def test_every_part_is_where_it_says(parts: list[tuple[str, str | list[list[str]]]]) -> None:
    html, expected, tables, listings, headings = "", [], [], [], []
    for kind, content in parts:
        if isinstance(content, list):
            html += "<table>" + "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in content) + "</table>"
            expected.append("\n".join(" | ".join(row) for row in content))
            tables.append(expected[-1])
        else:
            html += f"<{kind}>{escape(content)}</{kind}>"
            expected.append(content)
            if kind == "pre":
                listings.append(content)
            if kind == "h2":
                headings.append(content)
    content = blocks(html)
    assert content.text == "\n\n".join(expected)
    assert held(content, "table") == tables
    assert held(content, "code") == listings
    assert [content.text[heading.start :][: len(heading.title)] for heading in content.headings] == headings


def test_tables_of_one_row_or_column_are_no_regions() -> None:
    content = blocks("<table><tr><td>a</td><td>b</td></tr></table><table><tr><td>c</td></tr><tr><td>d</td></tr></table>")
    assert content.text == "a | b\n\nc\nd"
    assert content.regions == ()


def test_two_tables_are_two_regions_even_side_by_side() -> None:
    table = "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>"
    assert held(blocks(table + table), "table") == ["a | b\nc | d", "a | b\nc | d"]


def test_line_ends_shift_nothing() -> None:
    content = blocks(
        "<pre>one&#13;&#10;two&#13;three&#12;four</pre><table><tr><td>a&#13;</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>"
    )
    assert content.text == "one\ntwo\nthree\nfour\n\na | b\nc | d"
    assert held(content, "code") == ["one\ntwo\nthree\nfour"]
    assert held(content, "table") == ["a | b\nc | d"]


def test_regions_belong_to_the_text_that_was_chosen() -> None:
    table = "<table><tr><th>Elk</th><th>Size</th></tr><tr><td>Anna</td><td>2 m</td></tr></table>"
    article = "".join(f"<p>Sentence {n} of the article tells something about elks, their size and what they eat.</p>" for n in range(30))
    links = "".join(f"<li><a href='/{n}'>Other story {n}</a></li>" for n in range(40))
    page = f"<html><body><div class='sidebar'><ul>{links}</ul></div><article><h1>Elks</h1>{article}{table}</article></body></html>"
    content = read_html(page.encode(), "x.html", Limits())
    assert "Other story" not in content.text
    assert [content.text[region.start : region.end] for region in content.regions] == ["Elk | Size\nAnna | 2 m"]
