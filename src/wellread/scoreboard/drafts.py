"""All the questions that rules can write about a document: from its sentences, its headings, and its lines of "name: value"."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from wellread.scoreboard.chinese import chinese_questions
from wellread.scoreboard.draft import Draft
from wellread.scoreboard.english import english_questions
from wellread.sentences import sentence_spans
from wellread.types import Document, Section, one_line
from wellread.words import cjk_share, content_words, is_english

_LONGEST = 350
_SHORTEST = 20
_LANGUAGE_SAMPLE = 20_000
_CHINESE = 0.5
_LOWER = re.compile(r"\b[a-z][a-z-]+\b")
_VALUE = re.compile(
    r"^[ \t]*(?:[-*•][ \t]+)?([A-Z][A-Za-z ]{2,40}|[\u4e00-\u9fff]{2,12})[:：][ \t|]*([A-Z\d$€£\u4e00-\u9fff][^\n|]{0,80}?)[ \t|]*$",
    re.MULTILINE,
)
_PLAIN_HEADINGS = frozenset(
    "abstract introduction conclusion conclusions contents references acknowledgements acknowledgments appendix background overview summary"
    " discussion results methods notes index table 摘要 引言 前言 结论 目录 参考文献 附录 概述 总结 致谢".split()
)
_NO_KEYS = frozenset(
    "See The For Note Example Examples This These Where And Or But If Warning Tip Table Figure In On Return Returns".split()
)
_HEADING = re.compile(r"[\w\u4e00-\u9fff][\w\s,'’/&?？、-]{2,70}")
_OPENING = re.compile(r"[A-Z\u4e00-\u9fff][^\[\](){}|<>]+?[.。]")
_SOLID = re.compile(r"\S")
_PARAGRAPH_END = re.compile(r"\s*\n\s*\n|\s*\f")
_LONGEST_PARAGRAPH = 800
_LONGEST_TITLE = 80
_SHOUTING = 0.3
"""The share of capitals among letters from which a line is no running text."""


def language_of(document: Document) -> str | None:
    """The language that questions about a document are written in: "en", "zh", or None where it is neither."""
    sample = document.text[:_LANGUAGE_SAMPLE]
    if cjk_share(sample) > _CHINESE:
        return "zh"
    return "en" if is_english(sample) else None


def drafts_of(document: Document) -> list[Draft]:
    """Questions about a document, in the order of its text; empty for one in a language that no rules are here for."""
    language = language_of(document)
    if language is None:
        return []
    found = [*_of_sentences(document, language), *_of_headings(document, language), *_of_values(document, language)]
    return sorted(found, key=lambda draft: (draft.start, draft.question))


def _of_sentences(document: Document, language: str) -> Iterator[Draft]:
    common = frozenset(_LOWER.findall(document.text))
    for start, end in _prose(document):
        sentence = one_line(document.text[start:end])
        asked = english_questions(sentence, common.__contains__) if language == "en" else chinese_questions(sentence)
        for question, answer, kind, subject in asked:
            yield Draft(question, answer, kind, subject, start, end, language)


def _of_headings(document: Document, language: str) -> Iterator[Draft]:
    """A heading asks what stands under it; one that is a question is asked as it is. The answer is the first sentence, the place its
    paragraph."""
    name_of_all = one_line(document.title)
    prose = dict(_prose(document))
    for section in document.sections:
        title = one_line(section.title).strip()
        name = re.sub(r"^[\d.]+\s+", "", title)
        start = _after_heading(document, section)
        if (
            start not in prose
            or not _OPENING.match(document.text, start)
            or name.lower() in _PLAIN_HEADINGS
            or not _HEADING.fullmatch(name)
            or name in name_of_all
        ):
            continue
        paragraph = _PARAGRAPH_END.search(document.text, start)
        end = max(prose[start], min(paragraph.start() if paragraph else len(document.text), section.end, start + _LONGEST_PARAGRAPH))
        if title.endswith(("?", "？")):
            question = title
        elif len(name_of_all) > _LONGEST_TITLE or (language == "en" and len(content_words(name)) < 2):
            continue
        elif language == "zh":
            question = f"关于“{name}”，《{name_of_all}》是怎么说的？"
        else:
            question = f'What does "{name_of_all}" say about "{name}"?'
        yield Draft(question, one_line(document.text[start : prose[start]]), "heading", name, start, end, language)


def _after_heading(document: Document, section: Section) -> int:
    """Where the text under a heading begins."""
    heading = document.text.find("\n", section.start, section.end)
    found = _SOLID.search(document.text, heading if heading >= 0 else section.end)
    return found.start() if found else section.end


def _of_values(document: Document, language: str) -> Iterator[Draft]:
    for match in _VALUE.finditer(document.text):
        key, value = match[1].strip(), match[2]
        if len(key.split()) > 3 or key.split()[0] in _NO_KEYS or value[-1] in ",:，：.。;；" or value == key:
            continue
        at = bisect_right([section.start for section in document.sections], match.start()) - 1
        place = one_line(document.sections[at].title if at >= 0 else document.title)
        question = f"“{place}”中的“{key}”是什么？" if language == "zh" else f'What is the "{key}" in "{place}"?'
        if key not in place and len(place) <= _LONGEST_TITLE:
            yield Draft(question, one_line(value), "value", key, match.start(1), match.end(2), language)


def _prose(document: Document) -> list[tuple[int, int]]:
    """The sentences that can be asked about: no headings, rows of tables, code, or pieces of a broken line."""
    apart = [(region.start, region.end) for region in document.regions]
    headings = {section.start for section in document.sections}
    found = []
    for start, end in sentence_spans(document.text):
        text = document.text[start:end]
        length = len(text) * (3 if cjk_share(text) > _CHINESE else 1)
        if length < _SHORTEST or len(text) > _LONGEST or start in headings:
            continue
        if text[-1] not in ".!。！" or any(low < end and start < high for low, high in apart) or "|" in text or "\t" in text:
            continue
        letters = [char for char in text if char.isalpha()]
        starts = text[0].isupper() or text[0] in "0123456789-*•" or not text[0].isascii()
        if starts and letters and sum(char.isupper() for char in letters) / len(letters) <= _SHOUTING:
            found.append((start, end))
    return found
