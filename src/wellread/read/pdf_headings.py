"""The headings of a PDF: from its outline where it has one, else from numbering and type. A false heading is worse than none."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wellread.read.pdf_lines import Line
from wellread.read.sections import Heading

_LONGEST = 120
_NO_LETTER = re.compile(r"[\W_]+")
_ROMAN = re.compile(r"([IVX]{1,5})\.\s+(?=[^\W\d_])")
_LETTER = re.compile(r"([A-Z])\.\s+(?=[^\W\d_])")
_NUMBER = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,3})\.?\s+(?=[^\W\d_])")
_NAMED = re.compile(
    r"(?:abstract|summary|introduction|conclusions?|discussion|references|bibliography|acknowled?ge?ments?|appendix)$", re.I
)
_NO_TITLE = re.compile(r"(?:table of )?contents$|index$", re.I)
_NUMBERING = re.compile(r"^(?:\d+|[A-Z])(?:\.\d+)*\.?\s+")
_LEADER = re.compile(r"(?:\.\s?){4}|(?:…\s?){2}")
_ROMANS = {"I": 1, "V": 5, "X": 10}


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines that stand together on a page: `start` and `end` are offsets in the document's text."""

    page: int
    start: int
    end: int
    lines: tuple[Line, ...]
    text: str

    @property
    def size(self) -> float:
        """The size of its longest line: a drop cap or a raised mark does not count."""
        return max(self.lines, key=lambda line: len(line.text)).size


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of a PDF's outline: `page` counts from 0, `top` is how high on the page it points, in points, if it says."""

    level: int
    title: str
    page: int
    top: float | None


def _letters(text: str) -> str:
    return _NO_LETTER.sub("", unicodedata.normalize("NFKC", text).lower())


def anchored(bookmarks: Iterable[Bookmark], paragraphs: Sequence[Paragraph], page_starts: Sequence[int]) -> list[Heading]:
    """Each bookmark at the heading it names on its page; where that is not found, at the height it points to, or the page's start.

    An outline of which hardly anything is found belongs to another document (an excerpt keeps that of its book): it gives nothing.
    """
    by_page: dict[int, list[Paragraph]] = {}
    for paragraph in paragraphs:
        by_page.setdefault(paragraph.page, []).append(paragraph)
    keys: dict[int, list[tuple[str, Line, int]]] = {}
    headings = []
    found = 0
    for mark in bookmarks:
        if not 0 <= mark.page < len(page_starts) or not mark.title.strip():
            continue
        if mark.page not in keys:
            keys[mark.page] = _line_keys(by_page.get(mark.page, []))
        start, exact = _anchor(mark, keys[mark.page])
        found += exact
        headings.append(Heading(mark.level, mark.title.strip(), page_starts[mark.page] if start is None else start))
    return headings if found >= 0.2 * len(headings) else []


def _line_keys(paragraphs: Sequence[Paragraph]) -> list[tuple[str, Line, int]]:
    """For each line: its letters together with the lines that follow in its paragraph, up to two."""
    keys = []
    for paragraph in paragraphs:
        letters = [_letters(line.text) for line in paragraph.lines]
        for at, line in enumerate(paragraph.lines):
            keys.append(("".join(letters[at : at + 3]), line, len(letters[at])))
    return keys


def _anchor(mark: Bookmark, keys: Sequence[tuple[str, Line, int]]) -> tuple[int | None, bool]:
    """Where a bookmark's heading begins, and whether its words were found there."""
    wanted = _letters(mark.title)
    if not wanted:
        return None, False
    bare = _letters(_NUMBERING.sub("", mark.title.strip(), count=1))
    found: list[tuple[float, Line]] = []
    for key, line, own in keys:
        at = key.find(wanted)
        cost = 0.0
        if at < 0 and len(bare) > 3:
            at, cost = key.find(bare), 40.0
        if 0 <= at <= min(6, own):  # a heading begins its line, but for a number
            extra = max(0, own - at - len(wanted))
            distance = abs(line.base + line.size - mark.top) if mark.top is not None else 0.0
            found.append((cost + min(extra, 200) + distance + (500 if line.running else 0), line))
    if found:
        return min(found, key=lambda pair: pair[0])[1].start, True
    below = [line for _, line, _ in keys if mark.top is not None and line.upright and line.base <= mark.top + 2]
    return (max(below, key=lambda line: line.base).start if below else None), False


def detected(paragraphs: Sequence[Paragraph]) -> list[Heading]:
    """Headings of a document without an outline: numbered lines in a type of their own, else lines in clearly larger type."""
    body = _body_style(paragraphs)
    if body is None:
        return []
    candidates = [paragraph for paragraph in paragraphs if _could_be(paragraph)]
    numbered = _numbered(candidates, body)
    if len(numbered) >= 3:
        named = [Heading(1, one.text, one.start) for one in candidates if _NAMED.match(one.text) and _distinct(one, body)]
        taken = {heading.start for heading in numbered}
        return numbered + [heading for heading in named if heading.start not in taken]
    return _large(candidates, body)


def _body_style(paragraphs: Sequence[Paragraph]) -> tuple[str, float] | None:
    styles: Counter[tuple[str, float]] = Counter()
    for paragraph in paragraphs:
        for line in paragraph.lines:
            styles[line.style] += len(line.text)
    return styles.most_common(1)[0][0] if styles else None


def _could_be(paragraph: Paragraph) -> bool:
    text = paragraph.text
    if len(paragraph.lines) > 3 or not 3 <= len(text) <= _LONGEST or any(line.running or not line.upright for line in paragraph.lines):
        return False
    letters = sum(char.isalpha() for char in text)
    return letters >= 0.6 * sum(not char.isspace() for char in text) and text[-1] not in ".,;:" and not _LEADER.search(text)


def _distinct(paragraph: Paragraph, body: tuple[str, float]) -> bool:
    """Set apart from the body: larger, bold, in another font throughout, or all capitals."""
    font, size = body
    lines = paragraph.lines
    larger = paragraph.size > 1.08 * size
    other = all(line.plain and line.font != font for line in lines) and paragraph.size > 0.95 * size
    capitals = paragraph.text.upper() == paragraph.text and paragraph.size > 0.95 * size
    return larger or other or capitals


def _numbered(candidates: Sequence[Paragraph], body: tuple[str, float]) -> list[Heading]:
    """Headings whose numbers run on: 1, 1.1, 1.2, 2; or I, A, B, II."""
    headings: list[Heading] = []
    seen: tuple[int, ...] = ()
    roman = letter = 0
    for paragraph in candidates:
        if not _distinct(paragraph, body):
            continue
        text = paragraph.text
        if (found := _ROMAN.match(text)) and roman < _roman(found.group(1)) <= roman + 2 and text.upper() == text:
            roman, letter = _roman(found.group(1)), 0
            headings.append(Heading(1, text, paragraph.start))
        elif roman and (found := _LETTER.match(text)) and letter < ord(found.group(1)) - 64 <= letter + 2:
            letter = ord(found.group(1)) - 64
            headings.append(Heading(2, text, paragraph.start))
        elif found := _NUMBER.match(text):
            number = tuple(int(part) for part in found.group(1).split("."))
            if _follows(number, seen):
                seen = number
                headings.append(Heading(len(number), text, paragraph.start))
    return headings


def _roman(text: str) -> int:
    values = [_ROMANS[char] for char in text]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))


def _follows(number: tuple[int, ...], seen: tuple[int, ...]) -> bool:
    """Whether a number may come next: a first child, or the next (or next but one) brother of the last number or one above it."""
    if not seen:
        return number in ((0,), (1,), (2,))
    if number[:-1] == seen and number[-1] <= 2:
        return True
    depth = len(number)
    if depth > len(seen) or number[:-1] != seen[: depth - 1]:
        return False
    return 0 < number[-1] - seen[depth - 1] <= 2


def shown_title(paragraphs: Sequence[Paragraph]) -> str:
    """What stands in the largest type on the first page, if that is clearly larger than the body's and reads like a title."""
    body = _body_style(paragraphs)
    shown = [one for one in paragraphs if one.page == 0 and _may_title(one)]
    if body is None or not shown:
        return ""
    largest = max(one.size for one in shown)
    if largest < 1.12 * body[1]:
        return ""
    at = next(position for position, one in enumerate(shown) if one.size >= 0.97 * largest)
    title = shown[at].text
    if at + 1 < len(shown) and shown[at + 1].size >= 0.97 * largest and len(shown[at + 1].lines) <= 2:
        title += " " + shown[at + 1].text
    return title if len(title) <= 250 else ""


def _may_title(paragraph: Paragraph) -> bool:
    text = paragraph.text
    return (
        paragraph.lines[0].upright and sum(char.isalpha() for char in text) > 4 and not _LEADER.search(text) and not _NO_TITLE.match(text)
    )


def _large(candidates: Sequence[Paragraph], body: tuple[str, float]) -> list[Heading]:
    """Lines in type at least a sixth larger than the body's, their sizes ranked into at most three levels."""
    large = [paragraph for paragraph in candidates if paragraph.size >= 1.16 * body[1]]
    sizes = sorted({round(paragraph.size) for paragraph in large}, reverse=True)[:3]
    return [Heading(sizes.index(round(one.size)) + 1, one.text, one.start) for one in large if round(one.size) in sizes]
