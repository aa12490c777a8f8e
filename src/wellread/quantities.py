"""Numbers as texts state them: with what they count, on one scale, whether in digits or as words, in English or Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

MONTH = "month of the year"
"""The unit of a month that is a number or a name. That of a day of a month is this and the month: "month of the year 3"."""

_ONES = {word: at for at, word in enumerate("one two three four five six seven eight nine".split(), start=1)}
_TEENS = {
    word: at for at, word in enumerate("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(), start=10)
}
_TENS = {word: 10 * at for at, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)}
_WORD_VALUES = {word: value for word, value in {**_ONES, **_TEENS, **_TENS}.items() if word != "one"}
_CHINESE_DIGITS = {char: value for value, chars in enumerate("零〇 一 二两兩 三 四 五 六 七 八 九".split()) for char in chars}
_CHINESE_TENS = {"十": 10, "百": 100, "千": 1000}
_CHINESE = (
    "[一二两兩三四五六七八九][十百千][零〇一二两兩三四五六七八九十百千]*|十[一二三四五六七八九]|[零〇一二三四五六七八九]{3,}"
    "|[二三四五六七八九十](?=[个個种種条條块塊台年月点點次步类類])|一(?=[月点點])"
)
"""Numbers in Chinese signs that are no word for something else: not 一个, "a", nor 七八, "seven or eight"."""

_NUMBER = re.compile(
    r"(?P<digits>\d+(?:[.,]\d+)*)"
    rf"|(?<![a-z])(?P<tens>{'|'.join(_TENS)})(?:[ -](?P<ones>{'|'.join(_ONES)}))?(?![a-z])"
    rf"|(?<![a-z])(?P<word>{'|'.join([word for word in _WORD_VALUES if word not in _TENS])})(?![a-z])"
    rf"|第?(?P<chinese>{_CHINESE})",
    re.IGNORECASE,
)

_SCALES = {
    "hundred": 2, "thousand": 3, "million": 6, "mn": 6, "billion": 9, "bn": 9, "trillion": 12, "tn": 12,
    "百": 2, "千": 3, "万": 4, "萬": 4, "十万": 5, "十萬": 5, "百万": 6, "百萬": 6, "千万": 7, "千萬": 7, "亿": 8, "億": 8,
    "十亿": 9, "十億": 9, "百亿": 10, "百億": 10, "千亿": 11, "千億": 11, "万亿": 12, "萬億": 12, "兆": 12,
}  # fmt: skip
"""Words that multiply the number before them, as powers of ten."""

_SHORT_SCALES = {"k": 3, "m": 6, "b": 9}  # after a currency only: "$5m", but "5 m"
_SCALE = re.compile(
    rf"[\s-]?({'|'.join(name for name in _SCALES if name.isascii())})(?![a-z])"
    rf"|\s?({'|'.join(sorted((name for name in _SCALES if not name.isascii()), key=len, reverse=True))})(?![米克瓦])",
    re.IGNORECASE,
)
_SHORT_SCALE = re.compile(rf"([{''.join(_SHORT_SCALES)}])(?![a-z])", re.IGNORECASE)
_CURRENCY = {"$": "dollar", "€": "euro", "£": "pound"}
_CURRENCY_BEFORE = re.compile(r"([$€£])\s?$")
_UNITS = {
    name: unit
    for unit, names in {
        "%": "% percent pct percentage 个百分点 個百分點",
        "km": "km kms kph kilometre kilometres kilometer kilometers 公里 千米",
        "metre": "metre metres meter meters 米",
        "cm": "cm centimetre centimetres centimeter centimeters 厘米 公分",
        "mm": "mm millimetre millimetres millimeter millimeters 毫米",
        "mile": "mile miles mi mph 英里",
        "foot": "foot feet ft 英尺",
        "inch": "inch inches 英寸",
        "yard": "yard yards yd yds 码",
        "hectare": "hectare hectares 公顷",
        "acre": "acre acres 英亩",
        "kg": "kg kilogram kilograms kilo kilos 公斤 千克",
        "gram": "gram grams 克",
        "ton": "ton tons tonne tonnes 吨 噸",
        "pound": "pound pounds lb lbs 磅 英镑",
        "ounce": "ounce ounces oz 盎司",
        "litre": "litre litres liter liters 升",
        "gallon": "gallon gallons 加仑",
        "second": "second seconds sec secs 秒",
        "minute": "minute minutes min mins 分钟 分鐘",
        "hour": "hour hours hr hrs 小时 小時",
        "day": "day days 天 日 号",
        "week": "week weeks 周 週 星期",
        "month": "month months 个月 個月",
        "year": "year years 周年 週年 年",
        "decade": "decade decades",
        "century": "century centuries 世纪 世紀",
        "dollar": "dollar dollars usd 美元",
        "euro": "euro euros eur 欧元 歐元",
        "yuan": "yuan rmb renminbi 人民币",
        "yen": "yen 日元 日圆",
        "degree": "degree degrees °",
        "kw": "kw kilowatt kilowatts 千瓦",
        "mw": "mw megawatt megawatts 兆瓦",
        "gw": "gw gigawatt gigawatts",
        "kb": "kb kilobyte kilobytes",
        "mb": "mb megabyte megabytes",
        "gb": "gb gigabyte gigabytes",
        "tb": "tb terabyte terabytes",
    }.items()
    for name in names.split()
}
_LATIN_UNITS = sorted((name for name in _UNITS if name.isascii() and name.isalpha()), key=len, reverse=True)
_OTHER_UNITS = sorted(_UNITS.keys() - set(_LATIN_UNITS), key=len, reverse=True)
_UNIT = re.compile(
    r"(?:st|nd|rd|th)?[\s-]?(?:(?:square|cubic|sq\.?)\s|平方|立方)?"
    rf"(?:({'|'.join(_OTHER_UNITS)})|(per\s?cent|{'|'.join(_LATIN_UNITS)})(?![a-z]))",
    re.IGNORECASE,
)
_PERCENT_BEFORE = re.compile(r"百分之\s?$")

MONTHS = {
    name: at
    for at, names in enumerate(
        (
            "January Jan", "February Feb", "March Mar", "April Apr", "May", "June Jun", "July Jul", "August Aug",
            "September Sep Sept", "October Oct", "November Nov", "December Dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = rf"(?:{'|'.join(sorted(MONTHS, key=len, reverse=True))})"
_MONTH_NAME = re.compile(rf"\b({_MONTH})\b")
_DAYS = (
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<name>{_MONTH})\b"),
    re.compile(rf"\b(?P<name>{_MONTH})\.?\s+(?P<day>\d{{1,2}})(?!\d|[.,]\d)"),
    re.compile(r"\b\d{4}-(?P<month>\d{2})-(?P<day>\d{2})\b"),
    re.compile(r"(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?[日号號]"),
)
_MONTH_NUMBER = re.compile(r"\s?月")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it is `written`; `number` is its plain digits, `value` the same times its scale ("3 million": 3000000), `unit` what it
    counts, where that is a unit that is known here."""

    written: str
    number: str
    value: str
    unit: str | None


def quantities(text: str) -> Iterator[Quantity]:
    """The numbers of a text, small ones also where they are written as words; `text` is NFKC-normalised.

    The names of months are not among them: see `months_named`."""
    days = {match.start("day"): f"{MONTH} {_month(match)}" for pattern in _DAYS for match in pattern.finditer(text)}
    for match in _NUMBER.finditer(text):
        number = _plain(match)
        currency = _CURRENCY_BEFORE.search(text, max(0, match.start() - 2), match.start())
        power, end = _power(text, match.end(), short=currency is not None)
        unit = days.get(match.start()) or (_CURRENCY[currency[1]] if currency else _unit(text, match.start(), end))
        yield Quantity(match.group(), number, _scaled(number, power), unit)


def _power(text: str, end: int, *, short: bool) -> tuple[int, int]:
    """The power of ten that the words after a number multiply it with, and where they end; `short` ones only after a currency."""
    if scale := _SCALE.match(text, end):
        return _SCALES[(scale[1] or scale[2]).lower()], scale.end()
    if short and (scale := _SHORT_SCALE.match(text, end)):
        return _SHORT_SCALES[scale[1].lower()], scale.end()
    return 0, end


def _unit(text: str, start: int, end: int) -> str | None:
    """The unit of a number that begins at `start`, and ends, with its scale, at `end`."""
    if _MONTH_NUMBER.match(text, end):
        return MONTH
    if _PERCENT_BEFORE.search(text, max(0, start - 4), start):
        return "%"
    after = _UNIT.match(text, end)
    name = (after[1] or after[2]).lower() if after else ""
    return _UNITS["%" if name.startswith("per") else name] if name else None


def months_named(text: str) -> list[Quantity]:
    """The months that a text names, as what they would be as numbers."""
    return [Quantity(name, str(MONTHS[name]), str(MONTHS[name]), MONTH) for name in _MONTH_NAME.findall(text)]


def _plain(match: re.Match[str]) -> str:
    """A number as digits, so that 1,234 equals 1234 and 2.50 equals 2.5."""
    if match["digits"]:
        digits = re.sub(r",(?=\d{3}(?:\D|$))", "", match["digits"]).replace(",", ".")
        return (digits.rstrip("0").rstrip(".") if "." in digits else digits).lstrip("0") or "0"
    if match["tens"]:
        return str(_TENS[match["tens"].lower()] + _ONES.get((match["ones"] or "").lower(), 0))
    return _chinese(match["chinese"]) if match["chinese"] else str(_WORD_VALUES[match["word"].lower()])


def _chinese(number: str) -> str:
    """A number in Chinese signs as digits: 四十八 is 48, and 二〇二一, as years are written, 2021."""
    if not _CHINESE_TENS.keys() & set(number):
        return "".join(str(_CHINESE_DIGITS[char]) for char in number)
    total, digit = 0, 0
    for char in number:
        if char in _CHINESE_TENS:
            total, digit = total + (digit or 1) * _CHINESE_TENS[char], 0
        else:
            digit = _CHINESE_DIGITS[char]
    return str(total + digit)


def _scaled(number: str, power: int) -> str:
    """A plain number times a power of ten, plain again; a version such as 3.1.2 stays as it is."""
    if not power or number.count(".") > 1:
        return number
    value = format(Decimal(f"0{number}").scaleb(power), "f")
    return (value.rstrip("0").rstrip(".") if "." in value else value).lstrip("0") or "0"


def _month(match: re.Match[str]) -> int:
    found = match.groupdict()
    return MONTHS[found["name"]] if "name" in found else int(found["month"])
