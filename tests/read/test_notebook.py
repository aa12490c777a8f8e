"""Notebooks of both formats: cells are pages, what they printed is kept, pictures are counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wellread.errors import ReadError
from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.notebook import read_notebook


def read(book: Any, limits: Limits | None = None) -> Content:
    return read_notebook(json.dumps(book).encode(), "x.ipynb", limits or Limits())


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": list(outputs)}


BOOK = {
    "nbformat": 4,
    "metadata": {},
    "cells": [
        {"cell_type": "markdown", "source": ["# Trial\n", "\n", "Text.\n", "\n", "## Part *one*"]},
        {"cell_type": "markdown", "source": ""},
        code(
            "print(1)\nplot()",
            {"output_type": "stream", "name": "stdout", "text": ["1\n", "\u001b[31mred\u001b[0m\n"]},
            {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo=", "text/plain": ["<Figure size 640x480 with 1 Axes>"]}},
            {"output_type": "execute_result", "data": {"text/html": "<b>x</b>", "text/plain": "   a  b\n0  1  2"}},
        ),
        code("1/0", {"output_type": "error", "traceback": ["\u001b[0;31mZeroDivisionError\u001b[0m: division"]}),
        {"cell_type": "raw", "source": "a\fb"},
    ],
}


def test_cells_are_pages_and_results_stand_below_their_source() -> None:
    content = read(BOOK)
    assert [(page.index, page.label, content.text[page.start : page.end]) for page in content.pages] == [
        (0, "cell 1", "# Trial\n\nText.\n\n## Part *one*"),
        (1, "cell 3", "print(1)\nplot()\n\n1\nred\n   a  b\n0  1  2"),
        (2, "cell 4", "1/0\n\nZeroDivisionError: division"),
        (3, "cell 5", "a\nb"),
    ]
    assert content.text == "\f".join(content.text[page.start : page.end] for page in content.pages)
    assert content.title == "Trial"
    assert [(one.level, one.title, content.text[one.start :][:4]) for one in content.headings] == [
        (1, "Trial", "# Tr"),
        (2, "Part one", "## P"),
    ]
    assert [(one.start, one.end, one.kind) for one in content.regions] == [(page.start, page.end, "code") for page in content.pages[1:3]]
    assert content.warnings == ("pictures left out of the results: 1",)


def test_notebooks_of_the_third_format() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Old"},
        {
            "cell_type": "code",
            "input": "x",
            "outputs": [{"output_type": "pyout", "text": ["42"]}, {"output_type": "display_data", "png": "iVBOR"}],
        },
    ]
    content = read({"nbformat": 3, "worksheets": [{"cells": cells}]})
    assert content.text == "Old\fx\n\n42"
    assert [(one.level, one.title) for one in content.headings] == [(2, "Old")]
    assert len(content.warnings) == 1


def test_long_results_are_cut_and_that_is_said() -> None:
    content = read({"cells": [code("loop()", {"output_type": "stream", "text": "line of output\n" * 10_000})]})
    assert 5000 < len(content.text) < 5100
    assert "cut after 5,000 characters: 1" in content.warnings[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "damaged"),
        (b"[1]", "damaged"),
        (b'{"cells": 3}', "damaged"),
        (b'{"cells": ' + b"[" * 200_000, "damaged"),
        (json.dumps({"cells": [{}] * 30}).encode(), "too_many_pages"),
    ],
)
def test_what_is_no_notebook_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_notebook(data, "x.ipynb", Limits(pages=2))
    assert caught.value.reason == reason


def test_odd_cells_do_no_harm() -> None:
    cells = [3, {"cell_type": "code", "source": 5, "outputs": [7, {"output_type": "stream", "text": 8}, {"data": {}}]}, code("fine")]
    assert read({"cells": cells, "metadata": 4}).text == "fine"
