"""Pictures as documents: every format, its pages, its boxes, and what is refused."""

from __future__ import annotations

import io
import json
import re
import struct
import unicodedata
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wellread.errors import ReadError
from wellread.read.content import Content
from wellread.read.image import read_image
from wellread.read.limits import Limits
from wellread.types import Document

pytest.importorskip("rapidocr")
from PIL import Image, ImageDraw, ImageFont

TEXT = "Invoice 4711 paid"


def picture(text: str = TEXT, ink: str = "black", paper: str | tuple[int, ...] = "white", mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (420, 120), paper)
    ImageDraw.Draw(image).text((30, 40), text, fill=ink, font=ImageFont.load_default(36))
    return image


def ink() -> tuple[float, float, float, float]:
    """Where the words of `picture` stand: left, bottom, right, top."""
    down, across = np.nonzero(np.asarray(picture().convert("L")) < 128)
    return float(across.min()), float(120 - down.max()), float(across.max()), float(120 - down.min())


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def check(content: Content | Document) -> None:
    at = 0
    for page in content.pages:
        assert page.start == at
        assert "\f" not in content.text[page.start : page.end]
        at = page.end + 1
    assert content.pages[-1].end == len(content.text)
    for region in content.regions:
        assert region.kind == "ocr"
        assert region.box is not None
        page = next(page for page in content.pages if page.start <= region.start < region.end <= page.end)
        assert page.size is not None
        left, bottom, right, top = region.box
        assert -1 <= left < right <= page.size[0] + 1
        assert -1 <= bottom < top <= page.size[1] + 1


def reason(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(ReadError) as caught:
        read_image(data, "picture", limits or Limits())
    return caught.value.reason


@pytest.mark.slow
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"])
def test_every_format_gives_the_text_and_where_it_stands(format: str) -> None:
    content = read_image(saved(picture(), format), "picture", Limits())
    assert content.text == TEXT
    check(content)
    assert content.pages[0].size == (420, 120)
    (region,) = content.regions
    assert content.text[region.start : region.end] == TEXT
    assert region.box == pytest.approx(ink(), abs=14)


@pytest.mark.slow
def test_every_frame_of_a_tiff_is_a_page_and_what_is_left_out_is_told() -> None:
    frames = [picture(f"Page number {number}") for number in ("one", "two", "three")]
    data = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    content = read_image(data, "fax.tiff", Limits())
    assert content.text == "Page number one\fPage number two\fPage number three"
    assert [page.label for page in content.pages] == ["1", "2", "3"]
    check(content)
    short = read_image(data, "fax.tiff", Limits(ocr_pages=2))
    assert short.text == "Page number one\fPage number two"
    assert short.warnings == ("pages 3 to 3 were not read: OCR would take too long",)
    assert reason(data, Limits(pages=2)) == "too_many_pages"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["black on nothing", "white on nothing", "16 bits", "1 bit", "palette", "cmyk"])
def test_unusual_pixels(case: str) -> None:
    images = {
        "black on nothing": lambda: picture(ink="black", paper=(0, 0, 0, 0), mode="RGBA"),
        "white on nothing": lambda: picture(ink="white", paper=(255, 255, 255, 0), mode="RGBA"),
        "16 bits": lambda: Image.fromarray(np.asarray(picture().convert("L")).astype(np.uint16) * 40),
        "1 bit": lambda: picture().convert("1"),
        "palette": lambda: picture(ink="navy", paper="beige").convert("P"),
        "cmyk": lambda: picture().convert("CMYK"),
    }
    format = "JPEG" if case == "cmyk" else "PNG"
    assert read_image(saved(images[case](), format), "picture", Limits()).text == TEXT


@pytest.mark.slow
def test_a_photo_is_read_as_its_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn to the right
    content = read_image(saved(picture().rotate(90, expand=True), "JPEG", exif=exif), "photo.jpg", Limits())
    assert content.text == TEXT
    assert content.pages[0].size == (420, 120)
    assert content.regions[0].box == pytest.approx(ink(), abs=14)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_large_picture_is_made_smaller_and_keeps_its_measures(format: str) -> None:
    large = picture().resize((4200, 1200))
    content = read_image(saved(large, format), "large", Limits(ocr_pixels=300_000))
    assert content.text == TEXT
    assert content.pages[0].size == (4200, 1200)
    assert content.regions[0].box == pytest.approx(tuple(10 * edge for edge in ink()), abs=150)


@pytest.mark.slow
def test_a_picture_without_text_says_so() -> None:
    assert reason(saved(Image.new("RGB", (200, 200), "white"), "PNG")) == "no_text"


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(11_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_an_absurd_size_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    assert reason(png_header(*size)) == "too_large"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"])
def test_what_is_cut_short_is_damaged(format: str) -> None:
    data = saved(picture(), format)
    assert reason(data[: len(data) // 2]) == "damaged"
    assert reason(data[:10]) == "damaged"
    assert reason(b"not a picture at all") == "damaged"


@pytest.mark.slow
@pytest.mark.xdist_group("real documents")
def test_the_pictures_of_the_set(docs_set: Path, real_documents: Mapping[str, Document | str]) -> None:
    def letters(text: str) -> str:
        return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).lower())

    entries = [entry for entry in json.loads((docs_set / "manifest.json").read_text())["files"] if entry["kind"] == "image"]
    assert len(entries) >= 7
    for entry in entries:
        document = real_documents[entry["file"]]
        assert isinstance(document, Document), document
        check(document)
        assert letters(entry.get("snippet", "")) in letters(document.text), entry["file"]
