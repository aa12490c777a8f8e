"""What a filter says of days and of page numbers: an operator and a text as the first and the last that are meant."""

from __future__ import annotations

import re
from datetime import date, timedelta

from wellread.errors import UsageError

FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(2999, 12, 31)
"""A day outside of these is nobody's."""

MOST_PAGES = 10**9
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?")
_NUMBER = re.compile(r"[0-9]{1,9}")
_RANGE = re.compile(r"(.*?) ?\.\. ?(.*)", re.DOTALL)


def period(operator: str, text: str) -> tuple[date, date]:
    """The first and the last day that `date`, an operator and a text mean: a day, a month, a year, or two of them with ".." between.

    Where nothing can be meant (before the first day there is), the first comes after the last. Raises `UsageError` for other texts.
    """
    low, high = _ends(text, "date", operator, "date:2023..2024")
    first = _days(low)[0] if low else FIRST_DAY
    last = _days(high)[1] if high else LAST_DAY
    if first > last:
        raise UsageError(f"{text} in the filter begins after its end.", hint=f"write date:{high}..{low}")
    numbered = _bounded(operator, first.toordinal(), last.toordinal(), FIRST_DAY.toordinal(), LAST_DAY.toordinal())
    return date.fromordinal(numbered[0]), date.fromordinal(numbered[1])


def numbers(operator: str, text: str) -> tuple[int, int] | None:
    """The first and the last page that `page`, an operator and a text mean, or None for a text that is a label, such as "iv".

    Raises `UsageError` where only a number makes sense.
    """
    low, high = _ends(text, "page", operator, "page:3..10")
    if operator == ":" and ".." not in text and not _NUMBER.fullmatch(text):
        return None
    for end in (low, high):
        if end and not _NUMBER.fullmatch(end):
            raise UsageError(f'"{end}" in the filter is no page number.', hint="write page:3..10, page>=3, or one label, as in: page:iv")
    first, last = int(low or 0), int(high or MOST_PAGES)
    if first > last:
        raise UsageError(f"{text} in the filter begins after its end.", hint=f"write page:{high}..{low}")
    return _bounded(operator, first, last, 0, MOST_PAGES)


def _ends(text: str, field: str, operator: str, example: str) -> tuple[str, str]:
    """Both ends of a range, "" for one that is open. What is no range begins and ends with itself."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return text, text
    if operator != ":" or not (found[1] or found[2]):
        raise UsageError(f'"{field}{operator}{text}" in the filter is no range.', hint=f"write {example}")
    return found[1], found[2]


def _days(text: str) -> tuple[date, date]:
    """The first and the last day of a day, a month or a year."""
    found = _DATE.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
        first = date(year, month, day)
        if not FIRST_DAY <= first <= LAST_DAY:
            raise ValueError(text)
    except ValueError:
        raise UsageError(
            f'"{text}" in the filter is no day, month or year.', hint="write date:2024, date:2024-03, date>=2024-03-05 or date:2023..2024"
        ) from None
    if found[3]:
        return first, first
    following = date(year + 1, 1, 1) if month == 12 or not found[2] else date(year, month + 1, 1)
    return first, following - timedelta(days=1)


def _bounded(operator: str, first: int, last: int, lowest: int, highest: int) -> tuple[int, int]:
    """What stands in the relation `operator` to all that lies from `first` to `last`."""
    return {
        ":": (first, last),
        ">=": (first, highest),
        ">": (min(last + 1, highest + 1), highest),
        "<=": (lowest, last),
        "<": (lowest, first - 1),
    }[operator]
