"""A cell's value as people read it, by what its number format says it is.

Source: ECMA-376 part 1, 18.8.30 (number formats) and 18.17.4 (dates).
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

_DATES = {*range(14, 18), 22, *range(27, 32), 36, *range(50, 59)}  # the formats that need no code in the file
_TIMES = {*range(18, 22), *range(32, 36), 45, 47}
_CODES = {9: "0%", 10: "0.00%", 46: "[h]:mm:ss", **dict.fromkeys(_DATES, "yyyy-mm-dd"), **dict.fromkeys(_TIMES, "hh:mm")}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|general|am/pm|a/p', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\]]*\]")


def kind_of_format(number: int, code: str | None) -> str:
    """What a number format makes of a number: "date", "time", "elapsed", "percent2" (with 2 digits after the point) or ""."""
    code = _LITERAL.sub("", (_CODES.get(number, "") if code is None else code)[:1000].partition(";")[0]).lower()
    if _ELAPSED.search(code):
        return "elapsed"
    code = _BRACKETS.sub("", code)
    if "%" in code:
        return f"percent{len(code.partition('.')[2].rstrip('%').strip())}"
    if re.search("[hs]", code) and not re.search("[yd]", code):
        return "time"
    return "date" if re.search("[ymd]", code) else ""


def number_shown(value: float, kind: str = "", since_1904: bool = False) -> str:
    """A number as its format's kind wants it: 3 and not 3.0, 12.5%, dates and times in ISO 8601, elapsed time as hours:minutes:seconds."""
    if kind.startswith("percent"):
        return f"{value * 100:.{kind.removeprefix('percent')}f}%" if abs(value) < 1e15 else plain(value)
    if kind == "elapsed" and 0 <= value < 1e6:
        return shown(timedelta(days=value))
    if kind == "time" and 0 <= value < 1:
        seconds = min(round(value * 86_400), 86_399)
        return time(seconds // 3600, seconds // 60 % 60, seconds % 60).isoformat()
    if kind in ("date", "time") and 0 <= value < 2_958_466:  # until the year 9999
        days = value + 1462 if since_1904 else value + 1 if value < 60 else value  # Excel believes in 29 February 1900, day 60
        return shown(datetime(1899, 12, 30) + timedelta(seconds=round(days * 86_400)))
    return plain(value)


def plain(value: float) -> str:
    """A number without needless digits; it has 15 true ones."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else format(value, ".15g")


def shown(value: object) -> str:
    """A value that was decoded already: numbers plain, TRUE and FALSE, dates and times in ISO 8601."""
    match value:
        case bool():
            return str(value).upper()
        case float():
            return plain(value)
        case datetime():
            return value.isoformat(" ", "seconds") if value.time() != time() else value.date().isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)
