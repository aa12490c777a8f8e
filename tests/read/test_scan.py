"""Pages that are pictures: which they are, and where their lines stand."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from wellread.read.allowance import extra_seconds
from wellread.read.limits import Limits
from wellread.read.scan import needs_ocr, ocr_page

TEXT = "Minutes of the meeting"
INK = (41, 113, 281, 134)
WORDS = "The committee approved the budget for the coming year and thanked everyone. " * 8


def text_of(page: Any) -> str:
    textpage = page.get_textpage()
    text: str = textpage.get_text_range()
    textpage.close()
    return text


def scanned(path: Path) -> Any:
    """A page of 400 by 200 points that is a picture, with words that fill `INK` points: left, bottom, right, top."""
    image, draw, font = (pytest.importorskip(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
    picture = image.new("RGB", (1000, 500), "white")
    draw.Draw(picture).text((100, 150), TEXT, fill="black", font=font.load_default(60))
    picture.save(path, "PDF", resolution=180)
    return pypdfium2.PdfDocument(path)


def stamped(document: Any, text: str, y: float) -> Any:
    """The first page of a document, with a line of text at this height."""
    raw = pypdfium2.raw
    page = document[0]
    line = raw.FPDFPageObj_NewTextObj(document.raw, b"Helvetica", 8.0)
    units = (text + "\0").encode("utf-16-le")
    raw.FPDFText_SetText(line, (raw.FPDF_WCHAR * (len(units) // 2)).from_buffer_copy(units))
    raw.FPDFPageObj_Transform(line, 1, 0, 0, 1, 20, y)
    raw.FPDFPage_InsertObject(page.raw, line)
    page.gen_content()
    return page


def test_a_picture_needs_ocr_and_text_does_not(tmp_path: Path, make_pdf: Any) -> None:
    page = scanned(tmp_path / "scan.pdf")[0]
    assert needs_ocr(page, text_of(page))
    written = pypdfium2.PdfDocument(make_pdf([[(72, 700, 12, "F1", WORDS[:80])], []]))
    assert not needs_ocr(written[0], text_of(written[0]))
    assert not needs_ocr(written[1], "")  # an empty page


def test_a_scan_under_a_stamp_needs_ocr_and_a_slide_over_a_picture_does_not(tmp_path: Path) -> None:
    line = "Downloaded from the archive on 1 May 2020, see the terms of use."
    stamp = stamped(scanned(tmp_path / "stamp.pdf"), line, 5)
    assert line in text_of(stamp)
    assert needs_ocr(stamp, text_of(stamp))
    slide = stamped(scanned(tmp_path / "slide.pdf"), line, 100)
    assert line in text_of(slide)
    assert not needs_ocr(slide, text_of(slide))


def test_letters_without_names_need_ocr(make_pdf: Any) -> None:
    page = pypdfium2.PdfDocument(make_pdf([[(72, 700, 12, "F1", "words")]]))[0]
    assert needs_ocr(page, "\ue001\ue002\ue003 \ufffd" * 200)
    assert not needs_ocr(page, WORDS + "\ufffd")


def test_a_page_of_text_costs_next_to_nothing(make_pdf: Any) -> None:
    page = pypdfium2.PdfDocument(make_pdf([[(72, 700, 12, "F1", "words")]]))[0]
    text = WORDS * 6
    began = time.process_time()
    for _ in range(200):
        assert not needs_ocr(page, text)
    assert (time.process_time() - began) / 200 < 0.0005


@pytest.mark.slow
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_lines_stand_where_they_are_seen(tmp_path: Path, rotation: int) -> None:
    pytest.importorskip("rapidocr")
    page = scanned(tmp_path / "scan.pdf")[0]
    left, bottom, right, top = INK
    page.set_rotation(rotation)
    (line,) = ocr_page(page, Limits())
    assert line.text == TEXT
    wanted = {
        0: INK,
        90: (bottom, 400 - right, top, 400 - left),
        180: (400 - right, 200 - top, 400 - left, 200 - bottom),
        270: (200 - top, left, 200 - bottom, right),
    }
    assert line.box == pytest.approx(wanted[rotation], abs=16)


@pytest.mark.slow
def test_boxes_count_from_the_visible_part(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr")
    page = scanned(tmp_path / "scan.pdf")[0]
    (whole,) = ocr_page(page, Limits())
    page.set_cropbox(20, 50, 390, 190)
    (part,) = ocr_page(page, Limits(ocr_pixels=200_000))
    assert part.text == whole.text == TEXT
    left, bottom, right, top = whole.box
    assert part.box == pytest.approx((left - 20, bottom - 50, right - 20, top - 50), abs=6)


@pytest.mark.skipif(sys.platform == "win32", reason="there processor time is not limited")
def test_extra_seconds_count_for_themselves() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    try:
        limit = int(time.process_time()) + 1000
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))
        with extra_seconds(30):
            assert resource.getrlimit(resource.RLIMIT_CPU) == (limit + 30, hard)
        assert limit <= resource.getrlimit(resource.RLIMIT_CPU)[0] <= limit + 2
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


@pytest.mark.slow
def test_the_pages_of_the_set(docs_set: Path) -> None:
    alarms, missed, pages = [], [], 0
    for entry in json.loads((docs_set / "manifest.json").read_text())["files"]:
        if entry["kind"] != "pdf" or entry["expect"] not in ("text", "ocr"):
            continue
        document = pypdfium2.PdfDocument(docs_set / entry["file"], password=entry.get("password"))
        for index in range(min(len(document), 30)):
            page = document[index]
            pages += 1
            if needs_ocr(page, text_of(page)) != (entry["expect"] == "ocr"):
                (missed if entry["expect"] == "ocr" else alarms).append((entry["file"], index))
    assert pages > 300
    assert alarms == [("pdf/debian-reference.zh-cn.pdf", 0)]  # a cover: a picture and no text
    assert missed == [("pdf/text_as_lines_01.pdf", index) for index in range(3)]  # it has all of its text, wrongly encoded
