"""The day that a file says it is of: what readers find, what is believed, and that it goes over the wire."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pptx import Presentation

from wellread.read.day import day
from wellread.read.limits import Limits
from wellread.read.parse import parse
from wellread.read.wire import Result, pack, unpack

days = st.dates(min_value=date(1000, 1, 1), max_value=date(2999, 12, 31))


@given(days, st.sampled_from(["", "T10:00:00Z", " 23:59", "T00:00:00+14:00"]))
def test_a_day_is_found_however_it_is_written(told: date, time: str) -> None:
    assert day(None, "", "soon", told.isoformat() + time) == told.isoformat()
    assert day(f"D:{told:%Y%m%d}235959+14'00'") == told.isoformat()


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True) | st.from_regex(r"D:[0-9]{8}", fullmatch=True))
def test_whatever_is_told_a_real_day_or_none_comes_of_it(told: str) -> None:
    found = day(told)
    assert found is None or 1000 <= date.fromisoformat(found).year <= 2999


@pytest.mark.parametrize(
    "told",
    [
        "2023-02-29",
        "0999-12-31",
        "3000-01-01",
        "2024-13-01",
        "2024-03",
        "20240305",
        "D:2024",
        "D:20240230",
        "2024-03-051",
        "Tue, 5 Mar",
        "x" * 10**6,
    ],
)
def test_what_cannot_be_a_day_is_not_believed(told: str) -> None:
    assert day(told) is None


def office(part: str, body: str, core: str) -> bytes:
    """A package with properties, enough of one for its reader."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in {"[Content_Types].xml": _TYPES, "_rels/.rels": _RELATIONS, part: body, "docProps/core.xml": core}.items():
            archive.writestr(name, text)
    return out.getvalue()


_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Target="word/document.xml"'
    ' Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
)
_WORD = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>Tea.</w:t></w:r></w:p>'
    "</w:body></w:document>"
)


def core(modified: str, created: str) -> str:
    return (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
        ' xmlns:dcterms="http://purl.org/dc/terms/">'
        f"<dcterms:created>{created}</dcterms:created><dcterms:modified>{modified}</dcterms:modified></cp:coreProperties>"
    )


def pdf(information: str) -> bytes:
    """A page that says "Tea.", and what is said of it."""
    content = "BT /F1 12 Tf 20 50 Td (Tea.) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< {information} >>",
    ]
    body, places = "%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{one}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R /Info 6 0 R >>\nstartxref\n{len(body)}\n%%EOF"
    return (body + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}").encode("latin-1")


def deck() -> bytes:
    slides = Presentation()
    slides.slides.add_slide(slides.slide_layouts[5]).shapes.title.text = "Tea"
    slides.core_properties.modified = datetime(2020, 2, 29, 10)
    out = io.BytesIO()
    slides.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("made.pdf", pdf("/CreationDate (D:20190503120000+08'00') /ModDate (D:20240101000000Z)"), "2019-05-03"),
        ("changed.pdf", pdf("/CreationDate (D:00000000) /ModDate (D:20240101000000Z)"), "2024-01-01"),
        ("silent.pdf", pdf("/Title (2019-05-03)"), None),
        ("a.docx", office("word/document.xml", _WORD, core("2021-06-07T08:09:10Z", "2001-01-01T00:00:00Z")), "2021-06-07"),
        ("new.docx", office("word/document.xml", _WORD, core("never", "2001-01-01T00:00:00Z")), "2001-01-01"),
        ("a.pptx", deck(), "2020-02-29"),
        ("a.html", b'<html><head><meta property="article:published_time" content="2018-04-05T06:07:08+02:00"></head><p>Tea.', "2018-04-05"),
        ("b.html", b'<html><head><meta name="DATE" content="1998-12-31"></head><p>Tea.', "1998-12-31"),
        ("c.html", b'<html><head><meta name="date" content="1998-12-32"></head><p>Tea.', None),
        ("a.eml", b"From: a@b.c\nDate: Tue, 5 Mar 2024 23:10:00 -0800\nSubject: Tea\n\nTea.", "2024-03-05"),
        ("b.eml", b"From: a@b.c\nDate: some day\nSubject: Tea\n\nTea.", None),
        ("a.txt", b"Date: 2024-03-05", None),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_a_document_bears_its_own_date(name: str, data: bytes, expected: str | None) -> None:
    document = parse(data, name, name, Limits())
    assert document.date == expected
    assert unpack(pack(Result(document))) == Result(document)
