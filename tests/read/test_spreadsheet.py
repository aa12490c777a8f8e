"""Excel workbooks, made with XlsxWriter, and a real one of Excel 97."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import ReadError
from wellread.read.cell_value import kind_of_format, number_shown
from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.spreadsheet import read_spreadsheet


def workbook(write: Callable[[Any], None], **options: object) -> bytes:
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    write(made)
    made.close()
    return out.getvalue()


def read(write: Callable[[Any], None], limits: Limits = Limits(), **options: object) -> Content:  # noqa: B008
    return read_spreadsheet(workbook(write, **options), "x.xlsx", limits)


def tables(content: Content) -> list[str]:
    return [content.text[region.start : region.end] for region in content.regions]


def test_a_sheet_is_a_page_and_a_row_is_a_line() -> None:
    def write(book: Any) -> None:
        sheet = book.add_worksheet("Sales 2024")
        for row, cells in enumerate((["Name", "Size"], ["Elk", 3.0, "", "tall\nand  old"], [], ["Deer", 0.1 + 0.2], ["", True])):
            sheet.write_row(row + 4, 2, cells)
        sheet.write_formula(11, 2, "=1+1", None, 2)
        book.add_worksheet("Empty")
        book.add_worksheet("Last").write(0, 0, "end")

    content = read(write)
    table, other = "Name | Size\nElk | 3 |  | tall and old", "Deer | 0.3\n | TRUE"
    assert content.text == f"Sales 2024\n\n{table}\n\n{other}\n\n2\fEmpty\fLast\n\nend"
    assert [page.label for page in content.pages] == ["sheet Sales 2024", "sheet Empty", "sheet Last"]
    assert [content.text[page.start : page.end] for page in content.pages] == content.text.split("\f")
    assert [content.text[heading.start :].startswith(heading.title) for heading in content.headings] == [True] * 3
    assert tables(content) == [table, other]


@given(
    st.lists(
        st.lists(st.text("ab |字\n\t'=&<\x0b", max_size=6).map(lambda text: " ".join(text.split())), max_size=5),
        min_size=1,
        max_size=6,
    )
)
def test_what_is_written_is_read(rows: list[list[str]]) -> None:
    def write(book: Any) -> None:
        sheet = book.add_worksheet("S")
        for number, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                sheet.write_string(number, column, cell)

    content = read(write)
    assert "".join(content.text.split()) == "".join(["S", *("|".join("".join(cell.split()) for cell in line) for line in _blocks(rows))])


def _blocks(rows: list[list[str]]) -> list[list[str]]:
    """The rows as they should be written: no empty cells at the end, nor at the beginning where a block has none there."""
    found: list[list[str]] = []
    block: list[list[str]] = []
    for row in [*rows, []]:
        filled = [place for place, cell in enumerate(row) if cell]
        if filled:
            block.append(row[: filled[-1] + 1])
        elif block:
            indent = min(next(place for place, cell in enumerate(line) if cell) for line in block)
            found += [line[indent:] for line in block]
            block = []
    return found


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (date(2024, 2, 29), "d. mmm yyyy", "2024-02-29"),
        (datetime(2024, 2, 29, 13, 5), "dd/mm/yy hh:mm", "2024-02-29 13:05:00"),
        (time(13, 5), "h:mm AM/PM", "13:05:00"),
        (timedelta(hours=30, minutes=5), "[h]:mm:ss", "30:05:00"),
        (0.125, "0.0%", "12.5%"),
        (0.25, "0%", "25%"),
        (1234.5, '#,##0.00 "days"', "1234.5"),
        (1234.5, "[Red]General", "1234.5"),
        (5, "yyyy-mm-dd", "1900-01-05"),
        (-5, "yyyy-mm-dd", "-5"),
        (1e300, "yyyy-mm-dd", "1e+300"),
    ],
)
@pytest.mark.parametrize("since_1904", [False, True])
def test_numbers_are_shown_as_their_format_says(value: Any, code: str, shown: str, since_1904: bool) -> None:
    def write(book: Any) -> None:
        kind = book.add_format({"num_format": code})
        sheet = book.add_worksheet("S")
        if isinstance(value, float | int):
            sheet.write_number(0, 0, value, kind)
        else:
            sheet.write_datetime(0, 0, value, kind)

    text = read(write, date_1904=since_1904).text.removeprefix("S\n\n")
    assert text == (shown if (value, since_1904) != (5, True) else "1904-01-06")


@given(st.floats(), st.text('yMdhms[]%0."\\;AP/ General', max_size=12), st.booleans())
def test_any_number_in_any_format_is_shown(value: float, code: str, since_1904: bool) -> None:
    if value == value and abs(value) != float("inf"):
        assert number_shown(value, kind_of_format(0, code), since_1904)


def test_hidden_sheets_and_what_is_beside_the_cells_are_told() -> None:
    def write(book: Any) -> None:
        sheet = book.add_worksheet("Seen")
        sheet.write(0, 0, "seen")
        sheet.write_comment(0, 0, "a note")
        sheet.insert_textbox(3, 3, "in a box")
        book.add_worksheet("Secret").write(0, 0, "secret words")
        book.get_worksheet_by_name("Secret").hide()
        book.add_worksheet("Deep").very_hidden()
        chart = book.add_chart({"type": "bar"})
        chart.add_series({"values": "=Seen!$A$1:$A$2"})
        book.add_chartsheet("Chart").set_chart(chart)

    content = read(write)
    assert content.text == "Seen\n\nseen"
    assert content.warnings == (
        "hidden sheets were left out: Secret, Deep",
        "sheets without cells (charts, macros) were left out: Chart",
        "notes on cells were left out (1)",
        "text in shapes was left out (1)",
    )


def test_the_farthest_cell_costs_nothing() -> None:
    def write(book: Any) -> None:
        sheet = book.add_worksheet("S")
        sheet.write(0, 0, "first")
        sheet.write(1_048_575, 16_383, "last")
        sheet.write(1_048_575, 0, "before")

    content = read(write)
    assert content.text.startswith("S\n\nfirst\n\nbefore | ")
    assert content.text.endswith(" | last")
    assert len(content.text) < 1000


def test_limits_hold_while_a_sheet_is_read() -> None:
    def write(book: Any) -> None:
        for number in range(3):
            book.add_worksheet(f"S{number}").write_column(0, 0, ["the same long text " * 1000] * 50)

    for limits, reason in ((Limits(text_chars=100_000), "too_large"), (Limits(pages=2, unpacked_ratio=1000), "too_many_pages")):
        with pytest.raises(ReadError) as caught:
            read(write, limits)
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("part", "xml"),
    [
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row><c>"),
        ("xl/worksheets/sheet1.xml", b"<worksheet>" + b"<a>" * 5000),
        ("xl/sharedStrings.xml", b'<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><sst><si><t>&a;</t></si></sst>'),
        ("xl/workbook.xml", b""),
    ],
)
def test_hostile_parts_are_refused(part: str, xml: bytes) -> None:
    data = workbook(lambda book: book.add_worksheet("S").write(0, 0, "text"))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w") as after:
        for entry in before.namelist():
            after.writestr(entry, xml if entry == part else before.read(entry))
    with pytest.raises(ReadError) as caught:
        read_spreadsheet(out.getvalue(), "x.xlsx", Limits())
    assert caught.value.reason == "damaged"


def test_a_workbook_of_excel_97_is_read(docs_set: Path) -> None:
    content = read_spreadsheet((docs_set / "xls" / "tests-example.xls").read_bytes(), "x.xls", Limits())
    assert [page.label for page in content.pages] == ["sheet Example Test", "sheet Format Abbr.", "sheet Readme"]
    assert "MC | What is 2+2? | 4 | correct | 3 | incorrect\n" in content.text
    assert tables(content)[1].startswith("Abbreviation | Question Type\nMC | Multiple Choice\n")


@pytest.mark.parametrize(("stream", "reason"), [("Workbook", "damaged"), ("Book\0", "unsupported")])
def test_an_old_workbook_that_cannot_be_read_is_refused(stream: str, reason: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_spreadsheet(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + stream.encode("utf-16-le") * 100, "x.xls", Limits())
    assert caught.value.reason == reason
