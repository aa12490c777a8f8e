"""Pages of a PDF that are pictures of text: which they are, and what stands on them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from wellread.read.allowance import extra_seconds
from wellread.read.limits import Limits

Box = tuple[float, float, float, float]

_FEW = 25  # letters; a page with fewer has no text worth keeping
_MANY = 250  # letters; a page with as many is text, whatever else is on it
_LOOKED_AT = 800  # characters
_LOGO = 0.02  # of the page: a picture this small holds no text worth reading
_WHOLE = 0.6  # of the page: such a picture may be a scan under a line that was stamped on it
_MARGIN = 0.12  # of the page, at each of its edges, where such lines stand
_DRAWN = 200  # so many paths may be letters that were turned into shapes
_MOST_OBJECTS = 5_000
_UNMAPPED = re.compile("[\ufffd\ue000-\uf8ff\x01-\x08\x0e-\x1f]")
_DOTS_PER_POINT = 200 / 72


@dataclass(frozen=True, slots=True)
class ScanLine:
    """A recognised line: `box` is left, bottom, right, top in points from the lower left corner of the page as it is shown.

    `opens` says that a paragraph begins with it.
    """

    text: str
    box: Box
    opens: bool = False


def needs_ocr(page: Any, text: str) -> bool:
    """Whether what a pypdfium2 page shows is not in its extracted `text`, but in pictures, in shapes, or in letters without names."""
    if len(text) >= _FEW and len(_UNMAPPED.findall(text, 0, _LOOKED_AT)) > 0.2 * min(len(text), _LOOKED_AT):
        return True
    letters = sum(map(str.isalnum, text[:_LOOKED_AT]))
    if letters < _MANY and len(text) > _LOOKED_AT:
        letters = sum(map(str.isalnum, text[: 20 * _LOOKED_AT]))
    if letters >= _MANY:
        return False
    seen = _survey(page)
    if letters < _FEW:
        return seen.covered > _LOGO or seen.paths > _DRAWN
    return seen.largest > _WHOLE and seen.margins_only


@dataclass(slots=True)
class _Survey:
    """What is on a page: the share of it that pictures cover, and the largest alone; how many paths; where its text is."""

    covered: float = 0.0
    largest: float = 0.0
    paths: int = 0
    margins_only: bool = True


def _survey(page: Any) -> _Survey:
    from pypdfium2 import raw

    left, bottom, right, top = page.get_bbox()
    area = max(1.0, (right - left) * (top - bottom))
    across, down = _MARGIN * (right - left), _MARGIN * (top - bottom)
    seen = _Survey()
    for item in islice(page.get_objects(max_depth=3), _MOST_OBJECTS):
        if item.type == raw.FPDF_PAGEOBJ_PATH:
            seen.paths += 1
        elif item.type in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_TEXT):
            box = _on_page(item)
            if item.type == raw.FPDF_PAGEOBJ_TEXT:
                edge = box[2] <= left + across or box[0] >= right - across or box[3] <= bottom + down or box[1] >= top - down
                seen.margins_only &= edge
                continue
            share = max(0.0, min(box[2], right) - max(box[0], left)) * max(0.0, min(box[3], top) - max(box[1], bottom)) / area
            seen.covered += share
            seen.largest = max(seen.largest, share)
    return seen


def _on_page(item: Any) -> Box:
    """The bounds of an object, which PDFium gives in the coordinates of the form it stands in."""
    left, bottom, right, top = item.get_bounds()
    form = item.container
    while form is not None:
        left, bottom, right, top = form.get_matrix().on_rect(left, bottom, right, top)
        form = form.container
    return left, bottom, right, top


def ocr_page(page: Any, limits: Limits) -> list[ScanLine]:
    """The lines that a pypdfium2 page shows, in reading order, read from a picture of at most `limits.ocr_pixels`.

    This may use `limits.ocr_seconds` of processor time, which do not count for the file.
    """
    from wellread.read.ocr import recognise

    width, height = page.get_size()
    scale = min(_DOTS_PER_POINT, math.sqrt(limits.ocr_pixels / (width * height)))
    with extra_seconds(limits.ocr_seconds):
        bitmap = page.render(scale=scale, rev_byteorder=True)
        try:
            pixels = bitmap.to_numpy()[:, :, :3].copy()
        finally:
            bitmap.close()
        lines = recognise(pixels)
    across, down = width / pixels.shape[1], height / pixels.shape[0]
    return list(_lines(lines, across, down, height))


def _lines(lines: Any, across: float, down: float, height: float) -> Iterator[ScanLine]:
    for line in lines:
        left, top, right, bottom = line.box
        yield ScanLine(line.text, (left * across, height - bottom * down, right * across, height - top * down), line.opens)
