"""Which characters have no spaces between their words, so that a measure must count them one by one."""

from __future__ import annotations

import re

# Kana, Han with its extensions and compatibility forms, Hangul: the class that wellread.words cuts into pairs.
CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f]")


def spaced(text: str) -> str:
    """The text with a space on each side of every CJK character, so that splitting it at white space gives characters and words."""
    return CJK.sub(r" \g<0> ", text)
