"""Questions in Chinese that one sentence answers. The word that asks stands where the answer stood, so nothing need be moved."""

from __future__ import annotations

import re

from wellread.words import cjk_share

Asked = tuple[str, str, str, str]
"""(question, answer, kind, subject)"""

_DIGITS = "零一二三四五六七八九十百千万两"
_YEAR = re.compile(rf"(?<![前\d])(?:公元)?(?:\d{{3,4}}|[{_DIGITS[:10]}]{{4}})年(?:\d{{1,2}}月(?:\d{{1,2}}日)?)?(?![代底初间間\d])")
_CLOCK = re.compile(
    rf"(?<![百分之\d{_DIGITS}])(?:早上|上午|中午|下午|晚上)?(?:\d{{1,2}}|[{_DIGITS}]{{1,3}})[点时](?:半|(?:\d{{1,2}}|[{_DIGITS}]{{1,3}})分)?(?!间|期|代)"
)
_WEEKDAYS = re.compile(r"(?:星期|周)[一二三四五六日](?:[和、到至](?:星期|周)[一二三四五六日])*")
_SHARE = re.compile(rf"百分之[{_DIGITS}点]+|\d+(?:\.\d+)?[%％]")
_MEASURES = (
    "平方公里|平方米|立方米|公里|千米|毫米|厘米|公斤|千克|公顷|万人|亿元|万元|美元|小时|分钟|个星期|星期|个月|摄氏度|伏|瓦|千瓦|升|米|克|吨|元|块|台|名|人|座|家|次|层|页|篇"
    "|种|项|岁|倍|条|位|个|天|秒|度|所|本|部|辆|艘"
)
_AMOUNT = re.compile(rf"(?<![第\d{_DIGITS}点之每前后])(?!一[^千百十])(?:\d[\d,.]*(?:万|亿|多)?|[{_DIGITS}]{{1,6}}多?)({_MEASURES})")
_DEFINITION = re.compile(r"^([^，。；：的是在有被也]{2,14})(是指|指的是|是(?=一[种種个個项項座位家部款本类類]))([^，。；：]{4,60})")
_UNFINISHED = re.compile(r"[时時后後中前里裡]$|以[来來后後]$")
_TRADITIONAL = re.compile("[這個們來時會國說為對學發經過後裡與]")
_NO_START = re.compile(
    r"^(?:它|他|她|这|那|其|该|此|本|我|你|但|而|因此|所以|然而|如果|例如|由于|为了|同时|目前|冬季|夏季|此外|另外|并|也|还|即|如|若|当|在此|以上|以下|上述|只有|一旦|有|不|于是|后来|之后)"
)
_SUBJECT = re.compile(r"^([^，。；：]{2,10}?)(?:每|是|有|在|于|共|为|将|从|可|能|使|用|由|来自|约|已|曾|被|位于|成立|建|需|拥|没|低|高|不)")
_END = "。！？；.!?;"


def chinese_questions(sentence: str) -> list[Asked]:
    """What can be asked of a sentence (on one line), each question with its answer in the sentence's own words."""
    text = re.sub(r"^(?:\d{1,2}[.、)）]|[-*•①-⑳（(]?[一二三四五六七八九十]?[）)、])\s*", "", sentence).rstrip(_END)
    if _NO_START.match(text) or cjk_share(text) < 0.6:
        return []
    subject = _SUBJECT.match(text)
    about = subject[1] if subject else ""
    found: list[Asked] = []
    if (told := _DEFINITION.match(text)) and not re.search(r"[0-9一二三四五六七八九十]", told[1]):
        found.append((_script(f"什么是{told[1]}？", text), told[3], "definition", told[1]))
    for pattern, word, kind in (
        (_YEAR, "什么时候", "date"),
        (_CLOCK, "几点", "date"),
        (_WEEKDAYS, "星期几", "date"),
        (_SHARE, "百分之多少", "number"),
    ):
        places = list(pattern.finditer(text))
        if len(places) == 1:
            found.append((_asked(text, places[0].start(), places[0].end(), word), places[0].group(), kind, about))
    amounts = [place for place in _AMOUNT.finditer(text) if not _CLOCK.match(text, place.start())]
    if len(amounts) == 1:
        place = amounts[0]
        found.append((_asked(text, place.start(), place.end(), "多少" + place[1]), place.group(), "number", about))
    return [one for one in found if _is_good(one)]


def _asked(text: str, start: int, end: int, word: str) -> str:
    """The sentence up to the end of the clause in which the answer stands, with a word that asks in its place."""
    stop = re.compile("[，；]").search(text, end)
    clause = text[end : stop.start() if stop else len(text)]
    if _UNFINISHED.search(clause):  # it only says when: what happens then comes after it
        clause = text[end:]
    return _script(f"{text[:start]}{word}{clause}？", text)


def _script(question: str, text: str) -> str:
    """The words that ask in traditional characters, where the text is."""
    if not _TRADITIONAL.search(text):
        return question
    return question.replace("什么时候", "什麼時候").replace("什么", "什麼").replace("几点", "幾點").replace("星期几", "星期幾")


def _is_good(asked: Asked) -> bool:
    question, answer, _, subject = asked
    return 6 <= len(question) <= 60 and bool(subject) and answer not in question and not re.search(r"[（(\[【]|图\d|表\d", question)
