"""Text in pictures, Chinese and English, by way of RapidOCR: its models come in its wheel, so nothing is fetched.

RapidOCR (Apache-2.0) runs the PP-OCR models of PaddleOCR: one finds lines, one says which way up each stands, one reads them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wellread.read.ocr_order import paragraph_starts, reading_order

_LEAST_CONFIDENCE = 0.6
_DOUBTFUL = 0.8  # such a line is read once more, upside down
_LONGEST_SIDE = 1600  # of the picture in which lines are looked for, in pixels; they are read at full size
_LONGEST_READ = 10_000  # pixels; a picture with a longer side is made smaller, so that a thin one costs no more memory than others
_VOTERS = 12  # the longest lines say which way up a page stands; one line alone is often wrong

_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A recognised line: `box` is left, top, right, bottom in pixels of the picture, `confidence` lies in 0..1.

    `opens` says that a paragraph begins with it.
    """

    text: str
    box: tuple[float, float, float, float]
    confidence: float
    opens: bool = False


def recognise(pixels: NDArray[np.uint8]) -> list[OcrLine]:
    """The lines of text in a picture, in reading order; the pieces of a row are one line.

    `pixels` is [height, width, 3], red first. The text may stand upright, on its head or on its side, and Chinese and Japanese may run
    downwards. The first call loads the models.
    """
    height, width = pixels.shape[:2]
    shrunk = max(1.0, height / _LONGEST_READ, width / _LONGEST_READ)
    with _lock:
        engine = _engine()
        picture = _smaller(np.ascontiguousarray(pixels[:, :, ::-1]), shrunk)
        found = _found(engine, picture)
        return _recognised(engine, found[0] * shrunk, found[1]) if found is not None else []


def _smaller(picture: NDArray[np.uint8], shrunk: float) -> NDArray[np.uint8]:
    if shrunk == 1.0:
        return picture
    import cv2

    height, width = picture.shape[:2]
    size = max(1, int(width / shrunk)), max(1, int(height / shrunk))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _recognised(engine: Any, corners: NDArray[np.float64], crops: Sequence[NDArray[np.uint8]]) -> list[OcrLine]:
    lengths = np.array([crop.shape[1] for crop in crops])
    # a tall crop was turned a quarter to the left, so that text which runs downwards stands upright
    sideways = np.linalg.norm(corners[:, 0] - corners[:, 3], axis=1) >= 1.5 * np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
    flipped = np.zeros(len(crops), dtype=np.bool_)
    for group in (sideways, ~sideways):
        flipped[group] = _upside_down(engine, crops, np.flatnonzero(group), lengths)
    texts, scores = _read(engine, [crop[::-1, ::-1] if flip else crop for crop, flip in zip(crops, flipped, strict=True)])
    doubtful = np.flatnonzero(scores < _DOUBTFUL)
    if doubtful.size:
        others, other_scores = _read(engine, [crops[at] if flipped[at] else crops[at][::-1, ::-1] for at in doubtful.tolist()])
        for at, text, score in zip(doubtful, others, other_scores, strict=True):
            if score > scores[at]:
                texts[at], scores[at] = text, score
    kept = np.array([at for at, text in enumerate(texts) if text and scores[at] >= _LEAST_CONFIDENCE], dtype=np.intp)
    if not kept.size:
        return []
    boxes = np.concatenate([corners[kept].min(axis=1), corners[kept].max(axis=1)], axis=1).astype(np.float64)
    across = float(lengths[kept][sideways[kept]].sum()) > lengths[kept].sum() / 2
    main = sideways[kept] == across
    turned = _turned(boxes, across, bool(flipped[kept][main].any()))
    rows = reading_order(turned)
    return [_joined(kept[row], boxes[row], texts, scores, opens) for row, opens in zip(rows, paragraph_starts(turned, rows), strict=True)]


def _found(engine: Any, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float64], list[NDArray[np.uint8]]] | None:
    """The corners of each line, [n, 4, 2] from its upper left one round, and its own small picture."""
    from rapidocr.main import RapidOCRError

    record: dict[str, Any] = {}
    try:
        crops, found = engine.detect_and_crop(picture, record)
    except RapidOCRError:  # no text
        return None
    margin = np.array([record["padding_1"]["left"], record["padding_1"]["top"]], dtype=np.float64)  # of a picture that was too flat
    return np.clip(found.boxes - margin, 0, (picture.shape[1], picture.shape[0])), crops


def _upside_down(engine: Any, crops: Sequence[NDArray[np.uint8]], group: NDArray[np.intp], lengths: NDArray[np.intp]) -> bool:
    """Whether the lines of a group stand on their heads, by a vote in which long lines count more."""
    if not group.size:
        return False
    voters = group[np.argsort(-lengths[group])][:_VOTERS]
    _, result = engine.cls_and_rotate([crops[at] for at in voters])
    votes = [lengths[at] * float(sure) * (1 if label == "180" else -1) for at, (label, sure) in zip(voters, result.cls_res, strict=True)]
    return bool(sum(votes) > 0)


def _read(engine: Any, crops: Sequence[NDArray[np.uint8]]) -> tuple[list[str], NDArray[np.float64]]:
    result = engine.recognize_txt([np.ascontiguousarray(crop) for crop in crops])
    return [text.strip() for text in result.txts], np.array(result.scores, dtype=np.float64)


def _turned(boxes: NDArray[np.float64], sideways: bool, flipped: bool) -> NDArray[np.float64]:
    """The boxes as they would lie if the text stood upright."""
    left, top, right, bottom = boxes.T
    if sideways and flipped:  # it runs upwards
        turned = (-bottom, left, -top, right)
    elif sideways:  # it runs downwards
        turned = (top, -right, bottom, -left)
    elif flipped:
        turned = (-right, -bottom, -left, -top)
    else:
        return boxes
    return np.stack(turned, axis=1)


def _joined(row: NDArray[np.intp], boxes: NDArray[np.float64], texts: Sequence[str], scores: NDArray[np.float64], opens: bool) -> OcrLine:
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    box = (float(left), float(top), float(right), float(bottom))
    return OcrLine(" ".join(texts[at] for at in row), box, float(scores[row].min()), opens)


@lru_cache(maxsize=1)
def _engine() -> Any:
    import cv2
    import rapidocr

    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    cv2.setNumThreads(1)
    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Rec.rec_batch_num": 1,  # several at once cost more memory and, on one core, more time
            "Det.limit_type": "max",
            "Det.limit_side_len": _LONGEST_SIDE,
            # a model that is named is never fetched
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Cls.model_path": str(models / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
        }
    )
