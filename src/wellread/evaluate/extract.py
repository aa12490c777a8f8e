"""Taking the answer out of what was written: the filters of lm-evaluation-harness that need nothing but the text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wellread.errors import UsageError
from wellread.evaluate.task import Extraction

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "regex": ("regex_pattern", "group_select", "fallback"),
    "take_first": (),
    "remove_whitespace": (),
    "lowercase": (),
    "uppercase": (),
}
"""Every function, and the options it takes."""


def extracted(extraction: Extraction, text: str) -> str:
    """The answer that one extraction finds in a text. Raises `UsageError` for a pattern that is none."""
    for step in extraction.steps:
        if step.function == "regex":
            text = _found(text, step.options)
        elif step.function == "remove_whitespace":
            text = text.strip()
        elif step.function == "lowercase":
            text = text.lower()
        elif step.function == "uppercase":
            text = text.upper()
    return text  # there is only one answer to take first


def cut(text: str, until: tuple[str, ...]) -> str:
    """A text up to the first of the words at which writing should have ended."""
    ends = [at for stop in until if stop and (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def _found(text: str, options: Mapping[str, Any]) -> str:
    """What a pattern finds: of all matches the chosen one, of its groups the first that is not empty."""
    fallback = str(options.get("fallback", "[invalid]"))
    try:
        matches = re.findall(options.get("regex_pattern", r"#### (\-?[0-9\.\,]+)"), text)
    except re.error as error:
        raise UsageError(f"the pattern {options.get('regex_pattern')!r} cannot be understood: {error}.") from error
    if not matches:
        return fallback
    try:
        match = matches[int(options.get("group_select", 0))]
    except IndexError:
        return fallback
    if isinstance(match, tuple):
        match = next((group for group in match if group), fallback)
    return str(match).strip()
