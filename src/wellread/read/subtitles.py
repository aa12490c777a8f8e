"""Subtitles (SRT and WebVTT): the text is what is said, so that a quote reads as speech; the times are the labels of its pages.

A page is a stretch of a few hundred characters, which is about half a minute, and is called by the time at which it begins.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from wellread.read.content import Content
from wellread.read.decode import clean, decode
from wellread.read.limits import Limits
from wellread.types import Page

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMES = re.compile(rf"^[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}(?:[ \t][^\n]*)?$", re.MULTILINE)
_IN_CUE = re.compile(rf"<{_TIME}>")
_VOICE = re.compile(r"<v(?:\.[\w.-]+)?[ \t]+([^<>\n]{1,200})>", re.IGNORECASE)
_TAG = re.compile(r"</?(?:[ibucv]|font|ruby|rt|lang|span)(?:[ .][^<>\n]{0,200})?>|\{\\[^{}\n]{0,200}\}", re.IGNORECASE)
_NOT_SPEECH = re.compile(r"(?:NOTE|STYLE|REGION|X-TIMESTAMP-MAP)\b")
_BLANK = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE_END = re.compile(r"[.!?。！？…][\"'”’)\]」』]*$")
_PAGE_CHARS = 480
_ENOUGH_CHARS, _SOME_CHARS = 350, 200  # a page may end at the end of a sentence, or at a pause
_PAUSE, _BREAK = 4.0, 30.0  # seconds


@dataclass(frozen=True, slots=True)
class _Cue:
    """What is said between two times, in seconds."""

    start: float
    end: float
    text: str


def read_subtitles(data: bytes, name: str, limits: Limits) -> Content:
    """What is said, cues apart by a newline and pages by a form feed; tags are left out, and speakers stand before what they say."""
    source, warning = decode(data)
    source = source.replace("\f", "\n")
    warnings = [warning] if warning else []
    cues, notes, odd = _cues(source)
    if _IN_CUE.search(source):
        cues = _unrolled(cues)
    if notes:
        warnings.append(f"notes and styles left out: {notes}")
    if odd:
        warnings.append(f"cues that are not well-formed, read as far as they are understood: {odd}")
    parts: list[str] = []
    pages: list[Page] = []
    at = 0
    for start, body in _grouped(cues):
        parts.append(body)
        pages.append(Page(index=len(pages), label=_clock(start), start=at, end=at + len(body)))
        at += len(body) + 1
    first = source.partition("\n")[0]
    title = first[6:].strip(" \t-–:") if first.startswith("WEBVTT") else ""
    return Content(text="\f".join(parts), title=title, pages=tuple(pages), warnings=tuple(warnings))


def _cues(source: str) -> tuple[list[_Cue], int, int]:
    """The cues that say something, how many notes there were, and how many cues were not as they should be."""
    times = list(_TIMES.finditer(source))
    bounds = [match.start() for match in times[1:]] + [len(source)] * bool(times)
    cues, odd = [], 0
    lead, notes, _ = _speech(_unnamed(source[: times[0].start()], head=True) if times else source, head=True)
    if lead:
        cues.append(_Cue(0.0, 0.0, lead))
        odd += 1
    for match, bound in zip(times, bounds, strict=True):
        segment = source[match.end() : bound]
        text, found, strange = _speech(_unnamed(segment) if bound < len(source) else segment)
        start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        notes += found
        odd += strange or end < start
        if text:
            cues.append(_Cue(start, end, text))
    return cues, notes, odd


def _speech(segment: str, *, head: bool = False) -> tuple[str, int, bool]:
    """What is said in a segment, how many notes stand in it, and whether blank lines part what is said.

    `head`: this is what stands before the first cue.
    """
    blocks = _BLANK.split(segment.strip("\n"))
    if head and blocks[0].startswith("WEBVTT"):
        blocks = blocks[1:]
    kept = [block for block in blocks if block.strip() and not _NOT_SPEECH.match(block)]
    said = "\n".join(filter(None, map(_spoken, kept)))
    return said, sum(_NOT_SPEECH.match(block) is not None for block in blocks), len(kept) > 1


def _unnamed(segment: str, *, head: bool = False) -> str:
    """What stands before a line of times, without the number or name of the cue that begins there."""
    lines = segment.split("\n")
    named = len(lines) > (1 if head else 3) and (lines[-2].strip().isdigit() or len(lines) < 3 or not lines[-3].strip())
    return "\n".join(lines[:-2]) if named else segment


def _spoken(block: str) -> str:
    """The words of a cue, without its tags."""
    text = _VOICE.sub(lambda voice: f"{voice[1].strip()}: ", _IN_CUE.sub("", block))
    text = clean(html.unescape(_TAG.sub("", text))).replace("\\N", "\n").replace("\\h", " ").replace("\f", " ")
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))


def _unrolled(cues: list[_Cue]) -> list[_Cue]:
    """Captions that roll repeat the lines that stay on the screen: each is kept once."""
    kept: list[_Cue] = []
    shown: list[str] = []
    for cue in cues:
        lines = cue.text.split("\n")
        fresh = lines
        while fresh and fresh[0] in shown:
            fresh = fresh[1:]
        shown = lines
        if fresh:
            kept.append(_Cue(cue.start, cue.end, "\n".join(fresh)))
    return kept


def _grouped(cues: list[_Cue]) -> Iterator[tuple[float, str]]:
    """Cues as pages: (start, text)."""
    held: list[str] = []
    length, start, until = 0, 0.0, 0.0
    for cue in cues:
        pause = cue.start - until
        full = length + len(cue.text) > _PAGE_CHARS or (length >= _SOME_CHARS and pause > _PAUSE) or pause > _BREAK
        if held and (full or (length >= _ENOUGH_CHARS and _SENTENCE_END.search(held[-1]))):
            yield start, "\n".join(held)
            held, length = [], 0
        if not held:
            start = cue.start
        held.append(cue.text)
        length += len(cue.text) + 1
        until = cue.end
    if held:
        yield start, "\n".join(held)


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction}")


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
