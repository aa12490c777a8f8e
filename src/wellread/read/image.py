"""Pictures of text, read by OCR: PNG, JPEG, TIFF, BMP, WEBP and GIF."""

from __future__ import annotations

import io
import math
import struct
import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.read.allowance import extra_seconds
from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.ocr import OcrLine, recognise
from wellread.read.ocr_installed import available
from wellread.read.ocr_text import ocr_text
from wellread.read.refuse import refusal
from wellread.types import Page, Region

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")
_MOST_PIXELS = 100_000_000  # decoded they are 300 MB, in formats that cannot be decoded in part
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error)  # what Pillow raises over broken files
_SHARE_OF_TIME = 0.6  # of the wall clock: what was read by then is kept


def read_image(data: bytes, name: str, limits: Limits) -> Content:
    """The text in a picture; every frame of a TIFF is a page, its size in pixels, and every line a region with its box.

    Raises `ReadError` "needs_ocr" (where the extra is not installed), "damaged", "too_large", "too_many_pages" or "no_text".
    """
    if not available():
        raise refusal("needs_ocr", name)
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd tags, and about sizes, which are checked here
        try:
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise refusal("too_large", name, f"it has more than {_MOST_PIXELS:,} pixels") from error
        except _BROKEN as error:
            raise refusal("damaged", name, "it is not a whole picture") from error
        with image:
            return _content(image, name, limits)


def _content(image: Any, name: str, limits: Limits) -> Content:
    count = _frames(image, name, limits)
    end = time.monotonic() + _SHARE_OF_TIME * limits.wall_seconds
    pages: list[Page] = []
    regions: list[Region] = []
    texts: list[str] = []
    at = 0
    while len(pages) < min(count, limits.ocr_pages) and (not pages or time.monotonic() < end):
        with extra_seconds(limits.ocr_seconds):
            pixels, size = _pixels(image, len(pages), name, limits)
            lines = recognise(pixels)
        text, spans = ocr_text([line.text for line in lines], [line.opens for line in lines], at)
        regions += [Region(*span, "ocr", _box(line, size, pixels)) for span, line in zip(spans, lines, strict=True)]
        pages.append(Page(len(pages), str(len(pages) + 1), at, at + len(text), size))
        texts.append(text)
        at += len(text) + 1
    if not any(texts):
        raise refusal("no_text", name)
    left_out = [f"pages {len(pages) + 1} to {count} were not read: OCR would take too long"] if len(pages) < count else []
    return Content(text="\f".join(texts), pages=tuple(pages), warnings=tuple(left_out), regions=tuple(regions))


def _frames(image: Any, name: str, limits: Limits) -> int:
    if image.format != "TIFF":
        return 1
    try:
        count = int(image.n_frames)
    except _BROKEN as error:
        raise refusal("damaged", name, "it is not a whole picture") from error
    if count > limits.pages:
        raise refusal("too_many_pages", name, f"{count:,}, and the limit is {limits.pages:,}")
    return count


def _pixels(image: Any, index: int, name: str, limits: Limits) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The pixels of a frame, at most `limits.ocr_pixels`, and its full width and height, both the way up that it is shown."""
    from PIL import ImageOps

    try:
        image.seek(index)
        width, height = image.size
        if width * height > _MOST_PIXELS:
            raise refusal("too_large", name, f"it has {width:,} by {height:,} pixels, and the limit is {_MOST_PIXELS:,} in all")
        scale = min(1.0, math.sqrt(limits.ocr_pixels / (width * height)))
        wanted = max(1, int(width * scale)), max(1, int(height * scale))
        if scale < 1:
            image.draft("RGB", wanted)  # a JPEG is then decoded at a half or less
        turned = image.getexif().get(0x0112, 1)  # the EXIF tag for how the camera was held
        shown = _shown(image)
        if shown.size != wanted:
            shown = shown.resize(wanted, reducing_gap=2.0)
        shown.getexif()[0x0112] = turned
        return np.array(ImageOps.exif_transpose(shown)), (float(height), float(width)) if turned in (5, 6, 7, 8) else (width, height)
    except _BROKEN as error:
        raise refusal("damaged", name, "it cannot be decoded to its end") from error


def _shown(image: Any) -> Any:
    """The picture in RGB, 8 bits each, on a background from which its text stands out."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # wider than 8 bits
        values = np.nan_to_num(np.asarray(image, dtype=np.float32))
        low, high = float(values.min()), float(values.max())
        return Image.fromarray(((values - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    picture = image.convert("RGBA")
    grey, opaque = np.asarray(picture.convert("L")), np.asarray(picture.getchannel("A"))
    dark = not opaque.any() or float(grey[opaque > 0].mean()) < 128
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white" if dark else "black"), picture).convert("RGB")


def _box(line: OcrLine, size: tuple[float, float], pixels: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Where a line stands: left, bottom, right, top from the lower left corner of a picture of this size."""
    left, top, right, bottom = line.box
    across, down = size[0] / pixels.shape[1], size[1] / pixels.shape[0]
    return left * across, size[1] - bottom * down, right * across, size[1] - top * down
