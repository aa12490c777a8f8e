"""Where quotes stand on their pages: what lies under the rectangles is the quote, and nothing of it lies elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import ReadError, UsageError, WellreadError
from wellread.read.limits import Limits
from wellread.read.parse import parse
from wellread.read.pdf_lines import turned
from wellread.read.rects import Rect, rects
from wellread.types import Document, Page, Region

MakePdf = Callable[..., bytes]
LINES = [
    "The quick brown fox jumps over the lazy dog and runs through the for-",
    "est until it meets another fox that tells it where the river is, where",
    "both drink. A well-",
    "known fox, or so they say.",
]
OUTSIDE = {"pdf/cropbox_versus_mediabox_02.pdf"}  # its quote stands outside the visible page


def read(data: bytes, name: str = "x.pdf", ocr_pages: int = 0) -> Document:
    return parse(data, name, name, Limits(ocr_pages=ocr_pages))


def page_of(lines: Sequence[str], top: float = 700, left: float = 72) -> list[tuple[float, float, float, str, str]]:
    return [(left, top - 14 * at, 10.0, "F1", line) for at, line in enumerate(lines)]


def letters(text: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text).replace("\ufffe", "").replace("\x02", "").lower())


def spelt(text: str) -> tuple[str, list[int]]:
    """The letters of a text, and where each comes from."""
    pairs = [(letter, at) for at, char in enumerate(text) for letter in letters(char)]
    return "".join(letter for letter, _ in pairs), [at for _, at in pairs]


def in_file(page: Any, rect: Rect) -> tuple[float, float, float, float]:
    """A rectangle in the coordinates of the file: turned back, and counted from the MediaBox."""
    left, bottom, right, top = turned((rect.left, rect.bottom, rect.right, rect.top), *page.get_size(), -page.get_rotation() % 360)
    across, up, _, _ = page.get_bbox()
    return left + across, bottom + up, right + across, top + up


def under(data: bytes, found: Sequence[Rect]) -> str:
    """What PDFium finds within rectangles."""
    document = pypdfium2.PdfDocument(data)
    pages = [document[rect.page] for rect in found]
    return "".join(page.get_textpage().get_text_bounded(*in_file(page, rect)) for page, rect in zip(pages, found, strict=True))


def test_a_quote_over_lines_and_pages(make_pdf: MakePdf) -> None:
    data = make_pdf([page_of(LINES), page_of(["And on it goes."])])
    document = read(data)
    start, end = document.text.index("through"), document.text.index(" it goes")
    found = rects(data, document, start, end)
    assert [rect.page for rect in found] == [0, 0, 0, 0, 1]
    assert letters(under(data, found)) == letters(document.text[start:end])
    assert found[0].left > 250 > 72.5 > found[1].left > 71
    assert 699 > found[0].bottom > 695 and 706 < found[0].top < 710


def test_a_span_without_letters_has_no_rectangles(make_pdf: MakePdf) -> None:
    data = make_pdf([page_of(LINES)])
    document = read(data)
    assert rects(data, document, 5, 5) == ()
    space = document.text.index("\n")
    assert rects(data, document, space, space + 1) == ()


def test_every_letter_lies_under_the_rectangles_of_its_span(make_pdf: MakePdf) -> None:
    data = make_pdf([page_of(LINES) + page_of(LINES, left=400), [], page_of(LINES[::-1])])
    document = read(data)

    @given(st.integers(0, len(document.text)), st.integers(0, len(document.text)))
    def check(one: int, other: int) -> None:
        start, end = min(one, other), max(one, other)
        assert letters(under(data, rects(data, document, start, end))) == letters(document.text[start:end])

    check()


def ink(picture: Any, size: tuple[float, float], found: Sequence[Rect]) -> tuple[int, int]:
    """How many dark pixels of a picture of a page lie under rectangles, and how many elsewhere."""
    dark = picture.min(axis=2) < 128
    height, width = dark.shape
    covered = np.zeros_like(dark)
    for rect in found:
        rows = slice(int((1 - rect.top / size[1]) * height), int(np.ceil((1 - rect.bottom / size[1]) * height)))
        covered[rows, int(rect.left / size[0] * width) : int(np.ceil(rect.right / size[0] * width))] = True
    return int((dark & covered).sum()), int((dark & ~covered).sum())


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_rectangles_lie_on_the_page_as_it_is_shown(make_pdf: MakePdf, turned: int) -> None:
    both = [(300.0, 500.0, 20.0, "F1", "Seen words"), (300.0, 200.0, 20.0, "F1", "Other words")]

    def made(words: Sequence[Any]) -> bytes:
        return make_pdf([words], crop="250 100 600 700").replace(b"/CropBox", b"/Rotate %d /CropBox" % turned)

    data = made(both)
    document = read(data)
    start = document.text.index("Seen")
    found = rects(data, document, start, start + len("Seen words"))
    size = document.pages[0].size
    assert size == ((350, 600) if turned % 180 == 0 else (600, 350))
    alone = pypdfium2.PdfDocument(made(both[:1]))[0].render(scale=2).to_numpy()[:, :, :3]
    under_them, elsewhere = ink(alone, size, found)
    assert under_them > 500
    assert elsewhere == 0
    other = pypdfium2.PdfDocument(made(both[1:]))[0].render(scale=2).to_numpy()[:, :, :3]
    assert ink(other, size, found)[0] == 0


def test_another_file_or_a_wrong_span_is_an_error(make_pdf: MakePdf) -> None:
    data, other = make_pdf([page_of(LINES)]), make_pdf([page_of(LINES[:1])])
    document = read(data)
    with pytest.raises(WellreadError, match="no longer the file that was read"):
        rects(other, document, 0, 5)
    for start, end in ((-1, 4), (4, 3), (0, len(document.text) + 1)):
        with pytest.raises(UsageError, match="is not in"):
            rects(data, document, start, end)


def test_a_text_that_is_not_that_of_the_page_is_an_error(make_pdf: MakePdf) -> None:
    data = make_pdf([page_of(LINES)])
    document = read(data)
    for text in (document.text.replace("fox", "cat", 1), document.text + " more", document.text[:-3] + "   "):
        page = replace(document.pages[0], end=len(text))
        with pytest.raises(WellreadError, match="no longer the file that was read"):
            rects(data, replace(document, text=text, pages=(page,)), 0, 5)


def test_documents_without_places_have_no_rectangles() -> None:
    data = b"Just a few words."
    assert rects(data, parse(data, "x.txt", "x.txt", Limits()), 0, 4) == ()


def test_recognised_lines_are_their_boxes() -> None:
    data = b"a picture"
    regions = (Region(0, 5, "ocr", (1, 2, 3, 4)), Region(6, 11, "ocr", (5, 6, 7, 8)), Region(12, 17, "ocr", (1, 2, 3, 4)))
    pages = (Page(0, "1", 0, 11, (10, 10)), Page(1, "2", 12, 17, (10, 10)))
    document = Document(hashlib.sha256(data).hexdigest(), "x", "x", "image/png", "first\nother\fthird", pages, regions=regions)
    assert rects(data, document, 7, 9) == (Rect(0, 5, 6, 7, 8),)
    assert rects(data, document, 7, 14) == (Rect(0, 5, 6, 7, 8), Rect(1, 1, 2, 3, 4))


def test_vertical_columns_are_tall(docs_set: Path) -> None:
    data = (docs_set / "pdf" / "jo.pdf").read_bytes()
    document = read(data)
    start = document.text.index("わたくしといふ現象は")
    end = document.text.index("ひとつの青い照明です")
    first, second = rects(data, document, start, end)
    assert first.right - first.left == pytest.approx(9.6, abs=0.2)
    assert first.top - first.bottom == pytest.approx(10 * 9.6, abs=1)
    assert first.left > second.right


def quotes(folder: Path) -> Iterator[tuple[str, bytes, Document, int, int, dict[str, Any]]]:
    """Every quote of the set whose place is known, and where it is in the document: on its page, or on the first that shows it."""
    for entry in json.loads((folder / "manifest.json").read_text())["files"]:
        if entry["kind"] != "pdf" or not entry.get("rects_pdf_points") or not (folder / entry["file"]).exists():
            continue
        data = (folder / entry["file"]).read_bytes()
        try:
            document = read(data, Path(entry["file"]).name)
        except ReadError as error:
            assert (error.reason, entry["expect"]) == ("encrypted", "encrypted"), entry["file"]
            continue
        wanted = letters(entry["snippet"])
        for page in (document.pages[entry["page"] - 1], *document.pages):
            there, places = spelt(document.text[page.start : page.end])
            if wanted in there:
                at = there.index(wanted)
                yield entry["file"], data, document, page.start + places[at], page.start + places[at + len(wanted) - 1] + 1, entry
                break
        else:
            assert entry["file"] in OUTSIDE, entry["file"]


def share_covered(rect: Sequence[float], boxes: Sequence[Sequence[float]]) -> float:
    """How much of a rectangle (of which some are flat) lies in boxes that do not overlap."""
    left, bottom, right, top = rect
    if top - bottom < 0.5:
        bottom, top = bottom - 0.1, top + 0.1
    shared = 0.0
    for box in boxes:
        across, up = min(right, box[2]) - max(left, box[0]), min(top, box[3]) - max(bottom, box[1])
        shared += max(0.0, across) * max(0.0, up)
    return shared / ((right - left) * (top - bottom))


@pytest.mark.slow
def test_the_text_under_the_rectangles_of_real_quotes_is_the_quote(docs_set: Path) -> None:
    wrong, uncovered, count = [], [], 0
    for name, data, document, start, end, entry in quotes(docs_set):
        count += 1
        found = rects(data, document, start, end)
        if letters(under(data, found)) != letters(document.text[start:end]):
            wrong.append(name)
        page = pypdfium2.PdfDocument(data)[found[0].page]
        boxes = [in_file(page, rect) for rect in found]
        if found[0].page == entry["page"] - 1 and min(share_covered(known, boxes) for known in entry["rects_pdf_points"]) < 0.9:
            uncovered.append(name)
    assert count >= 60
    assert wrong == []
    assert uncovered == []
