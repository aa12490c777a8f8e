"""Text in pictures: what is recognised, which way up it stands, and in which order it is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wellread
from wellread.read.ocr import recognise
from wellread.read.ocr_installed import available
from wellread.read.ocr_order import paragraph_starts, reading_order
from wellread.read.ocr_text import ocr_text

SITE = Path(np.__file__).parents[1]
LINES = ["The harbour master counted", "seventeen grey ships at dawn", "and wrote 4711 in the book"]

WITHOUT_EXTRA = """
import sys
from wellread.errors import ReadError
from wellread.read.image import read_image
from wellread.read.limits import Limits
from wellread.read.ocr_installed import available
assert not available()
try:
    read_image(b"", "scan.png", Limits())
except ReadError as error:
    print(error.reason, error.hint)
"""


def drawn(lines: list[str], size: int = 30, width: int = 560) -> np.ndarray:
    """A white picture with these lines in black."""
    image_module, draw_module, font_module = (pytest.importorskip(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFont"))
    picture = image_module.new("RGB", (width, 40 + 2 * size * len(lines)), "white")
    draw = draw_module.Draw(picture)
    for index, line in enumerate(lines):
        draw.text((30, 20 + 2 * size * index), line, fill="black", font=font_module.load_default(size))
    return np.array(picture)


def test_without_the_extra_a_picture_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "wellread").symlink_to(Path(wellread.__file__).parent)
    for module in ("numpy", "numpy.libs"):  # a place where nothing else is installed
        if (SITE / module).exists():
            (tmp_path / module).symlink_to(SITE / module)
    ran = subprocess.run(
        [sys.executable, "-S", "-P", "-c", WITHOUT_EXTRA],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.stderr == ""
    assert ran.stdout.startswith("needs_ocr ")
    assert 'pip install "wellread[ocr]"' in ran.stdout


def test_to_ask_for_the_extra_does_not_import_it() -> None:
    code = "import sys; from wellread.read.ocr_installed import available; available(); print({'rapidocr', 'cv2'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True)
    assert ran.stdout.strip() == "set()"
    assert not available(("sys", "no_such_module_here"))


# --- order

PIECE = st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(1, 600), st.integers(1, 60))


@settings(max_examples=150)
@given(st.lists(PIECE, max_size=40))
def test_every_piece_is_read_once(pieces: list[tuple[int, int, int, int]]) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in pieces], dtype=np.float64).reshape(-1, 4)
    rows = reading_order(boxes)
    assert sorted(at for row in rows for at in row) == list(range(len(pieces)))
    assert len(paragraph_starts(boxes, rows)) == len(rows)
    for row in rows:
        assert [boxes[at, 0] for at in row] == sorted(boxes[at, 0] for at in row)


def column(left: float, right: float, top: float, count: int) -> list[tuple[float, float, float, float]]:
    return [(left, top + 25 * index, right, top + 25 * index + 18) for index in range(count)]


@given(st.randoms(), st.integers(-9, 9))
def test_columns_are_read_one_after_the_other_around_what_spans_them(random: object, shift: int) -> None:
    wanted = [(100.0, 10.0, 900.0, 40.0), *column(50, 480, 60, 12), *column(520, 950, 60 + shift, 9)]
    wanted += [(90.0, 400.0, 910.0, 425.0), *column(50, 330, 440, 8), *column(360, 640, 445, 8), *column(670, 950, 440, 8)]
    shuffled = list(wanted)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    rows = reading_order(np.array(shuffled))
    assert [shuffled[at] for row in rows for at in row] == wanted
    assert all(len(row) == 1 for row in rows)


def test_the_cells_of_a_table_make_a_row() -> None:
    cells = [
        box
        for y in range(6)
        for box in ((50, 30 * y, 150, 30 * y + 18), (400, 30 * y + 2, 460, 30 * y + 19), (700, 30 * y, 740, 30 * y + 18))
    ]
    assert reading_order(np.array(cells, dtype=np.float64)) == [[3 * y, 3 * y + 1, 3 * y + 2] for y in range(6)]


def test_paragraphs_begin_after_a_wider_gap_and_in_a_new_column() -> None:
    boxes = np.array([*column(50, 480, 0, 4), *column(50, 480, 115, 4), *column(520, 950, 0, 8)], dtype=np.float64)
    rows = reading_order(boxes)
    assert [row[0] for row, opens in zip(rows, paragraph_starts(boxes, rows), strict=True) if opens] == [0, 4, 8]


def test_hyphenated_words_are_whole_again_and_spans_hold() -> None:
    lines = ["A competi-", "tive status in a well-", "Known Anglo-", "Saxon", "house-"]
    text, spans = ocr_text(lines, [True, False, False, False, True], at=7)
    assert text == "A competitive status in a well-\nKnown Anglo-\nSaxon\n\nhouse-"
    assert [text[start - 7 : end - 7] for start, end in spans] == ["A competi", "tive status in a well-", "Known Anglo-", "Saxon", "house-"]


# --- recognition


@pytest.mark.slow
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_text_is_read_however_the_page_lies(turns: int) -> None:
    pytest.importorskip("rapidocr")
    upright = drawn(LINES)
    pixels = np.rot90(upright, turns)
    lines = recognise(np.ascontiguousarray(pixels))
    assert [line.text for line in lines] == LINES
    for index, line in enumerate(lines):
        left, top, right, bottom = line.box
        assert 0 <= left < right <= pixels.shape[1]
        assert 0 <= top < bottom <= pixels.shape[0]
        mask = np.zeros(pixels.shape[:2], dtype=np.bool_)
        mask[int(top) : int(bottom), int(left) : int(right)] = True
        down, _ = np.nonzero(np.rot90(mask, -turns))
        assert abs(down.mean() - (20 + 60 * index + 18)) < 12


@pytest.mark.slow
def test_it_is_silent_and_reads_the_same_again(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rapidocr")
    pixels = drawn(LINES)
    first, second = recognise(pixels), recognise(pixels)
    assert first == second
    assert all(0.9 < line.confidence <= 1 for line in first)
    assert recognise(np.full((300, 200, 3), 255, dtype=np.uint8)) == []
    assert recognise(np.zeros((1, 1, 3), dtype=np.uint8)) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_thin_picture_costs_no_more_than_others() -> None:
    pytest.importorskip("rapidocr")
    wide = np.full((12, 400_000, 3), 255, dtype=np.uint8)
    assert recognise(wide) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("en.jpg", ["3 MovieShots Dataset", "To facilitate the shot type analysis in videos, we collect MovieShots, a large-scale"]),
        ("chi_sim_image.jpeg", ["倍感嫩白柔滑，宛若新生。"]),
        ("jpn-vert.jpeg", ["から下へまた行を右から左へと進", "めて表記を行っていた漢字と仮名", "の筆順も縦書きを前提としており、"]),
        ("double-column-A.jpg", ["position in the competitive service.", "(c) Competitive status shall mean basic"]),
    ],
)
def test_real_pictures(docs_set: Path, name: str, wanted: list[str]) -> None:
    pytest.importorskip("rapidocr")
    from PIL import Image

    texts = [line.text for line in recognise(np.array(Image.open(docs_set / "image" / name).convert("RGB")))]
    assert "\n".join(wanted) in "\n".join(texts)
