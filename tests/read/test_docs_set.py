"""Real files of every format read here: each gives the text that its reader was promised, or a fitting refusal."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wellread.types import Document

REFUSED = {
    "encrypted": {"encrypted"},
    "error": {"damaged", "empty", "unknown_type"},
    "empty": {"empty"},
    "any": {"damaged", "encrypted", "no_text", "empty", "too_many_pages", "unsupported"},
    "ocr": {"no_text"},  # three pictures without a word
}
HIDDEN = {"pdf/cropbox_versus_mediabox_02.pdf"}  # its snippet stands outside the visible page: nobody sees it, so it is left out
NOT_THERE = {"xlsx/xlsx-subtable-cases.xlsx"}  # its snippet, "NaN", stands for an empty cell in the program that noted it


def letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).replace("\ufffe", "").replace("\x02", "").lower())


def shown(snippet: str, kind: str) -> str:
    """The part of a snippet that a reader sees: some were noted as Markdown, with the targets and titles of links."""
    if kind not in ("html", "docx"):
        return snippet
    snippet = re.sub(r"\]\([^)]*\)?", "]", snippet)
    return re.sub(r'^[^\[\]]*"\)', "", snippet)


def check_spans(document: Document) -> None:
    assert not any(char in document.text for char in "\x00\r\x02\ufffe")
    at = 0
    for page in document.pages:
        assert page.start == at
        assert page.start <= page.end
        assert "\f" not in document.text[page.start : page.end]
        at = page.end + 1
    if document.pages:
        assert document.pages[-1].end == len(document.text)
        assert [page.index for page in document.pages] == list(range(len(document.pages)))
    for section in document.sections:
        assert 0 <= section.start < section.end <= len(document.text)
        assert section.level >= 1


@pytest.mark.slow
@pytest.mark.xdist_group("real documents")
def test_snippets_are_found_and_refusals_fit(docs_set: Path, real_documents: Mapping[str, Document | str]) -> None:
    entries: list[dict[str, Any]] = [
        entry
        for entry in json.loads((docs_set / "manifest.json").read_text())["files"]
        if (docs_set / entry["file"]).exists() and entry["kind"] != "zip"
    ]
    assert len(entries) > 100
    missed, misfits, found = [], [], 0
    for entry in entries:
        name, expect = entry["file"], entry["expect"]
        document = real_documents[name]
        if isinstance(document, str):
            if document not in REFUSED.get(expect, set()):
                misfits.append((name, expect, document))
            continue
        check_spans(document)
        if expect in ("encrypted", "error", "empty"):
            misfits.append((name, expect, "read"))
        wanted = letters(shown(entry.get("snippet", ""), entry["kind"]))
        if expect not in ("text", "ocr") or not wanted:
            continue
        if wanted in letters(document.text):
            found += 1
        else:
            missed.append(name)
        for pair in entry.get("flow", ()):
            assert letters(pair["first"]) + letters(pair["then"]) in letters(document.text), (name, pair)
    assert misfits == []
    assert HIDDEN <= set(missed) <= NOT_THERE | HIDDEN
    assert found >= 120
