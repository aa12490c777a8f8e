"""A report is one file that loads nothing, shows what was measured, and lets nothing that a model wrote act."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from wellread.errors import WellreadError
from wellread.evaluate.cases import read_cases
from wellread.evaluate.examinee import Ask, Examinee, Outcome
from wellread.evaluate.report import write_report
from wellread.evaluate.run import examine

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


class _Page(HTMLParser):
    """Notes every element with its attributes, and the text of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.raw.append((self._inside, data))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    rows = [{"question": f"{n}? {EVIL}", "answers": [EVIL], "category": f"<b>{n % 3}</b>"} for n in range(30)]
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def answer(ask: Ask) -> Outcome:
        number = int(ask.prompt.split("?")[0])
        if number == 7:
            raise RuntimeError(EVIL)
        return Outcome(EVIL if number % 2 else "no", confidence=number / 30)

    examine([read_cases(folder / "cases.jsonl")], Examinee("<i>me</i>", answer), folder / "out")
    return write_report(folder / "out").read_text(encoding="utf-8")


def test_nothing_is_loaded_and_nothing_acts(page: str) -> None:
    parsed = _Page()
    parsed.feed(page)
    assert not [attrs for _, attrs in parsed.elements if {"src", "href", "srcset", "onerror", "onclick", "style"} & set(attrs)]
    assert [tag for tag, _ in parsed.elements].count("script") == 2
    assert not {"img", "iframe", "link", "b", "i", "object"} & {tag for tag, _ in parsed.elements}
    policy = next(attrs["content"] for tag, attrs in parsed.elements if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert len(parsed.raw) == 3
    for tag, text in parsed.raw:
        if not text.startswith("["):
            assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy


def test_all_that_was_measured_is_there(page: str) -> None:
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert held is not None
    samples = json.loads(held[1])
    assert len(samples) == 30
    assert samples[1]["answer"] == EVIL
    assert samples[7]["error"] == f"RuntimeError: {EVIL}"
    drawn = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    labels = [one.get("aria-label") for one in drawn if one.get("aria-label")]
    assert labels == [
        "share that is right against how sure it was",
        "share that is wrong against share of the answers, surest first",
    ]
    scores, categories = (re.findall(r"<tr><td>(.*?)</td>.*?</tr>", table) for table in re.findall(r"<table.*?</table>", page, re.DOTALL))
    assert (scores, categories) == (["answer_<wbr>match", "token_<wbr>f1"], [f"&lt;b&gt;{n}&lt;/b&gt;" for n in range(3)])
    assert len(drawn) == len(scores) + len(categories) + len(labels)
    for said in ("1 failed", "not judged 1", "answer_match", "Expected calibration error", "AUROC"):
        assert said in page


def test_there_is_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(WellreadError, match="no results"):
        write_report(tmp_path)
