"""Whether pictures can be read here."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

_NEEDED = ("rapidocr", "onnxruntime", "cv2", "PIL")


def available(needed: Sequence[str] = _NEEDED) -> bool:
    """Whether the modules of the extra "ocr" are installed; none is imported."""
    return all(find_spec(module) is not None for module in needed)
