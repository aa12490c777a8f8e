"""An examinee that answers by rule, the same in Wellread and in lm-evaluation-harness."""

import hashlib

_ANSWERS = (" 4", " Green", "it is 12,500.", "りんご", " something", "4")


def number(*texts: str) -> float:
    """A number in 0..1 that only the texts decide."""
    return int.from_bytes(hashlib.sha256("\x00".join(texts).encode()).digest()[:4], "big") / 2**32


def written(prompt: str) -> str:
    """What it writes."""
    return _ANSWERS[int(number("3", prompt) * len(_ANSWERS))]


def likely(prompt: str, text: str) -> tuple[float, bool]:
    """How likely it finds a text, and whether it would write it."""
    return -len(text) * (0.3 + number(prompt, text)), number(text, prompt) < 0.4
