"""PowerPoint presentations, made with python-pptx."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Pt

from wellread.errors import ReadError
from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.pptx import read_pptx

TITLE_ONLY, BLANK, TITLE_AND_BODY = 5, 6, 1


def saved(deck: Any) -> bytes:
    out = io.BytesIO()
    deck.save(out)
    return out.getvalue()


def read(deck: Any) -> Content:
    return read_pptx(saved(deck), "x.pptx", Limits())


def slides(content: Content) -> list[str]:
    return content.text.split("\f")


def slide(deck: Any, layout: int, title: str = "") -> Any:
    made = deck.slides.add_slide(deck.slide_layouts[layout])
    if title:
        made.shapes.title.text = title
    return made


def box(shapes: Any, text: str, left: int, top: int) -> None:
    shapes.add_textbox(Pt(left), Pt(top), Pt(100), Pt(20)).text_frame.text = text


def test_a_slide_is_a_page_with_its_title_its_text_and_its_notes() -> None:
    deck = Presentation()
    first = slide(deck, TITLE_AND_BODY, "Elks")
    first.placeholders[1].text_frame.text = "They are tall\nThey eat\vleaves"
    first.notes_slide.notes_text_frame.text = "Say hello.\nSmile."
    slide(deck, TITLE_ONLY, "Deer")
    content = read(deck)
    assert slides(content) == ["Elks\n\n- They are tall\n\n- They eat\nleaves\n\nNotes: Say hello.\n\nSmile.", "Deer"]
    assert [(page.label, page.size) for page in content.pages] == [("slide 1", (720, 540)), ("slide 2", (720, 540))]
    assert [content.text[page.start : page.end] for page in content.pages] == slides(content)
    assert [(heading.title, content.text[heading.start :][:4]) for heading in content.headings] == [("Elks", "Elks"), ("Deer", "Deer")]
    assert content.title == "Elks"


def test_shapes_are_read_in_rows_and_groups_in_their_place() -> None:
    deck = Presentation()
    made = slide(deck, BLANK)
    for text, left, top in (("last", 10, 300), ("right", 300, 103), ("left", 10, 105), ("top", 300, 20)):
        box(made.shapes, text, left, top)
    group = made.shapes.add_group_shape()
    box(group.shapes, "second in group", 200, 200)
    box(group.shapes, "first in group", 10, 201)
    content = read(deck)
    assert content.text.split("\n\n") == ["top", "left", "right", "first in group", "second in group", "last"]
    assert [heading.title for heading in content.headings] == ["top"]
    assert content.title == ""


def test_tables_and_charts_are_rows() -> None:
    deck = Presentation()
    made = slide(deck, TITLE_ONLY, "Numbers")
    table = made.shapes.add_table(2, 3, Pt(10), Pt(100), Pt(200), Pt(50)).table
    for place, text in enumerate(("Name", "Size", "", "Elk", "2\nm", "tall")):
        table.cell(place // 3, place % 3).text = text
    numbers = CategoryChartData()
    numbers.categories = ["2019", "2020"]
    numbers.add_series("Elks", (8.2, 10))
    numbers.add_series("Deer", (4, None))
    made.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Pt(10), Pt(200), Pt(100), Pt(100), numbers)
    flat = saved(deck)
    part = next(name for name in zipfile.ZipFile(io.BytesIO(flat)).namelist() if name.startswith("ppt/charts/chart"))
    solid = changed(changed(flat, part, "<c:barChart>", "<c:bar3DChart>"), part, "</c:barChart>", "</c:bar3DChart>")
    for data in (flat, solid):
        content = read_pptx(data, "x.pptx", Limits())
        tables = [content.text[region.start : region.end] for region in content.regions]
        assert tables == ["Name | Size\nElk | 2 m | tall", " | Elks | Deer\n2019 | 8.2 | 4\n2020 | 10"]
        assert {region.kind for region in content.regions} == {"table"}


def test_hidden_slides_are_read_and_told() -> None:
    deck = Presentation()
    slide(deck, TITLE_ONLY, "Seen")
    slide(deck, TITLE_ONLY, "Unseen").element.set("show", "0")
    content = read(deck)
    assert slides(content) == ["Seen", "Unseen"]
    assert content.warnings == ("hidden slides were read: 2",)


def test_the_title_comes_from_the_properties() -> None:
    deck = Presentation()
    slide(deck, TITLE_ONLY, "Welcome")
    for title, found in (("On elks", "On elks"), ("PowerPoint Presentation", "Welcome")):
        deck.core_properties.title = title
        assert read(deck).title == found


def changed(data: bytes, part: str, old: str, new: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.namelist():
            text = before.read(entry)
            after.writestr(entry, text.replace(old.encode(), new.encode(), 1) if entry == part else text)
    return out.getvalue()


def test_shapes_with_formulas_are_read() -> None:
    deck = Presentation()
    box(slide(deck, TITLE_ONLY, "Pythagoras").shapes, "FORMULA", 10, 200)
    data = saved(deck)
    math = (
        '<a14:m xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main"><m:oMath xmlns:m='
        '"http://schemas.openxmlformats.org/officeDocument/2006/math"><m:sSup><m:e><m:r><m:t>a</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r>'
        "</m:sup></m:sSup></m:oMath></a14:m>"
    )
    compatible = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    data = changed(
        data, "ppt/slides/slide1.xml", "<a:r><a:t>FORMULA</a:t></a:r>", f"<a:r><a:t>So </a:t></a:r>{math}<a:r><a:t> it is</a:t></a:r>"
    )
    before = '<p:sp><p:nvSpPr><p:cNvPr id="3"'
    data = changed(data, "ppt/slides/slide1.xml", before, f'<mc:AlternateContent {compatible}><mc:Choice Requires="a14">{before}')
    data = changed(data, "ppt/slides/slide1.xml", "</p:spTree>", "</mc:Choice><mc:Fallback/></mc:AlternateContent></p:spTree>")
    assert read_pptx(data, "x.pptx", Limits()).text == "Pythagoras\n\nSo a^2 it is"


@pytest.mark.parametrize("kind", ["slideshow", "template"])
def test_shows_and_templates_are_presentations(kind: str) -> None:
    deck = Presentation()
    slide(deck, TITLE_ONLY, "Elks")
    data = changed(saved(deck), "[Content_Types].xml", "presentationml.presentation.main", f"presentationml.{kind}.main")
    assert read_pptx(data, "x.ppsx", Limits()).text == "Elks"


def test_limits_and_hostile_parts() -> None:
    deck = Presentation()
    for number in range(3):
        slide(deck, TITLE_ONLY, f"Slide {number}")
    data = saved(deck)
    for limits, reason in (
        (Limits(pages=2), "too_many_pages"),
        (Limits(text_chars=10), "too_large"),
        (Limits(unpacked_entries=5), "too_large"),
    ):
        with pytest.raises(ReadError) as caught:
            read_pptx(data, "x.pptx", limits)
        assert caught.value.reason == reason
    for old, new in (("<p:sld ", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><p:sld "), ("<p:cSld", "<p:cSl")):
        with pytest.raises(ReadError) as caught:
            read_pptx(changed(data, "ppt/slides/slide1.xml", old, new), "x.pptx", Limits())
        assert caught.value.reason == "damaged"
