"""Tables as text: a line is a record, and positions are those of the file."""

from __future__ import annotations

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.read.content import Content
from wellread.read.delimited import read_delimited
from wellread.read.limits import Limits

CELLS = st.text(alphabet=st.sampled_from(list('ab,;|\t" \n检é')), max_size=8)


def read(data: str | bytes) -> Content:
    return read_delimited(data.encode() if isinstance(data, str) else data, "x.csv", Limits())


def table(content: Content) -> str:
    (region,) = content.regions
    assert region.kind == "table"
    return content.text[region.start : region.end]


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=6), st.sampled_from(",;\t|"))
def test_each_record_is_one_line(rows: list[list[str]], delimiter: str) -> None:
    """What the csv module writes, every cell quoted, comes back with a line a record and with every other character in its place."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    source = out.getvalue()
    text = read(source).text
    assert len(text) == len(source)
    assert all(now == was or (was, now) == ("\n", " ") for was, now in zip(source, text, strict=True))
    assert text.count("\n") == len(rows)
    expected = [[cell.replace("\n", " ") for cell in row] for row in rows]
    assert list(csv.reader(io.StringIO(text), delimiter=delimiter)) == expected


@pytest.mark.parametrize(
    "source",
    ['size,note\n5" pipe,a\n7" pipe,b\n', 'a,"b\nc,d\ne,f\n', 'a,b\nx"y,z\n"q"r,s\n', '"\n' + "a,b\n" * 1200 + '"'],
    ids=["inches", "never closed", "inside a cell", "closed too late"],
)
def test_stray_quotes_join_nothing(source: str) -> None:
    assert read(source).text == source


@pytest.mark.parametrize(
    ("above", "rows"),
    [
        ("Stanley Cups\t\t\n", "Team\tLocation\tCups\nBlues\tSTL\t1\n"),
        ("sep=;\n", "a;b;c\n1;2;3\n"),
        ("# exported, by me\n\n", "a,b,c,d,e,f\n1,2,3,4,5,6\n2,3,4,5,6,7\n"),
        ("", ",title,url\n0,a,b\n"),
        ("", "one column\nonly\n"),
    ],
)
def test_the_table_begins_at_its_header(above: str, rows: str) -> None:
    content = read(above + rows)
    assert content.text == above + rows
    assert table(content) == rows


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp932"])
def test_encodings(encoding: str) -> None:
    source = "名前,年齢,住所\n佐藤太郎,30,東京\n三木英子,25,大阪\n髙橋淳,35,名古屋\n"
    assert table(read(source.encode(encoding))) == source


def test_a_million_records_are_read_in_little_time() -> None:
    source = b"id,name,n\n" + b"".join(b'%d,"name, %d",7\n' % (n, n) for n in range(1_000_000))
    began = time.process_time()
    content = read(source)
    assert time.process_time() - began < 10
    assert content.text.count("\n") == 1_000_001
