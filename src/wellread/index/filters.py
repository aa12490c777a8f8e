"""The language of filters: which documents, and which pages of them, a search or a listing may show.

    type:pdf date>=2024-03 -tag:draft
    (source:papers/2024 or title:"annual report") page:3..10

    filter    = all { "or" all }
    all       = one { [ "and" ] one }
    one       = ( "-" | "not" ) one | "(" filter ")" | condition
    condition = field operator value
    field     = "source" | "type" | "title" | "date" | "page" | "tag"
    operator  = ":" | "<" | "<=" | ">" | ">="            (the last four for date and page only)
    value     = a word without blanks, quotes and parentheses | '"' text '"', where \\" is a quote and \\\\ a backslash

`str` of a filter is its text again, and parses to an equal one. What a filter lets through is in `wellread.index.matching`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from wellread.errors import UsageError, suggest
from wellread.index.kinds import media_types
from wellread.index.periods import numbers, period

FIELDS = ("source", "type", "title", "date", "page", "tag")
OPERATORS = (":", "<", "<=", ">", ">=")
_EXAMPLES = {
    "source": "source:papers/2024",
    "type": "type:pdf",
    "title": 'title:"annual report"',
    "date": "date>=2024-03",
    "page": "page:3..10",
    "tag": "tag:finance",
}
_LONGEST, _DEEPEST, _MOST = 4000, 32, 64
"""Characters, levels of parentheses and negations, and conditions that a filter may have."""

_WORD = re.compile(r"[^\s()\"“:：<>=!]+")
_KEYWORD = re.compile(r"(and|or|not)(?=[\s()]|$)", re.IGNORECASE)
_OPERATOR = re.compile(r"\s*([:：<>=!]+)\s*")
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|“([^”]*)”", re.DOTALL)
_BARE = re.compile(r"[^\s()\"]+")
_NEEDS_NO_QUOTES = re.compile(r"[^\s()\"“:：<>=!][^\s()\"]*")
_BLANK = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must hold, as `date>=2024`. Raises `UsageError` for what can never be meant."""

    field: str
    operator: str
    value: str

    def __post_init__(self) -> None:
        _check(self)

    def __str__(self) -> str:
        plain = _NEEDS_NO_QUOTES.fullmatch(self.value)
        return f"{self.field}{self.operator}{self.value if plain else _quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class Not:
    """What does not meet `part`."""

    part: Filter

    def __str__(self) -> str:
        return f"-{self.part}" if isinstance(self.part, Condition) else f"not {_inside(self.part, And, Or)}"


@dataclass(frozen=True, slots=True)
class And:
    """What meets all of `parts`, which are two at least."""

    parts: tuple[Filter, ...]

    def __str__(self) -> str:
        return " ".join(_inside(part, And, Or) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """What meets any of `parts`, which are two at least."""

    parts: tuple[Filter, ...]

    def __str__(self) -> str:
        return " or ".join(_inside(part, Or) for part in self.parts)


Filter: TypeAlias = Condition | Not | And | Or


def parse_filter(text: str) -> Filter:
    """The filter that a text means. Raises `UsageError`, with a hint that shows a right one."""
    if len(text) > _LONGEST:
        raise UsageError(
            f"the filter has {len(text):,} characters, and {_LONGEST:,} are allowed.", hint="tag what is meant, and ask for the tag"
        )
    if not text.strip():
        raise UsageError("the filter is empty.", hint=f"write one, as in: {_EXAMPLES['type']} {_EXAMPLES['date']}")
    return _Parser(text).whole()


def conditions(filter: Filter) -> list[Condition]:
    """Every condition in a filter, in its order."""
    if isinstance(filter, Condition):
        return [filter]
    parts = (filter.part,) if isinstance(filter, Not) else filter.parts
    return [condition for part in parts for condition in conditions(part)]


def folded(text: str) -> str:
    """A text as filters compare it: case and compatibility forms (NFKC) make no difference."""
    small = _normal(text).casefold()
    return _normal(small)


def _normal(text: str) -> str:
    return text if unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)


def _inside(part: Filter, *groups: type[And] | type[Or]) -> str:
    return f"({part})" if isinstance(part, groups) else str(part)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _check(condition: Condition) -> None:
    field, operator, value = condition.field, condition.operator, condition.value
    if field not in FIELDS:
        near = suggest(folded(field), FIELDS)
        raise UsageError(
            f'a filter has no field "{field}".', hint=f"{near or 'the fields are ' + ', '.join(FIELDS)} (as in: {_like(near)})"
        )
    if operator not in OPERATORS:
        raise UsageError(f'a filter has no operator "{operator}".', hint=f"write {_EXAMPLES[field]}")
    if operator != ":" and field not in ("date", "page"):
        raise UsageError(f"{field} cannot be compared by {operator}, only date and page can.", hint=f"write {_EXAMPLES[field]}")
    if not value.strip():
        raise UsageError(f'"{field}{operator}" in the filter lacks its value.', hint=f"write {_EXAMPLES[field]}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the value of {field} in the filter is not valid text.", hint="write it in UTF-8") from None
    if field == "type":
        media_types(folded(value).strip())
    elif field == "date":
        period(operator, folded(value).strip())
    elif field == "page":
        numbers(operator, folded(value).strip())


def _like(near: str | None) -> str:
    return next((example for field, example in _EXAMPLES.items() if near and f'"{field}"' in near), _EXAMPLES["type"])


class _Parser:
    """Reads one text from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._count = 0

    def whole(self) -> Filter:
        found = self._any()
        if self._rest():
            raise UsageError('the filter has a ")" too many.', hint='each "(" needs one ")"')
        return found

    def _any(self) -> Filter:
        parts = [self._all()]
        while self._keyword("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Filter:
        parts = [self._one()]
        while self._rest() and not self._next(")") and not self._keyword("or", take=False):
            self._keyword("and")
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Filter:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UsageError(f"the filter is nested more than {_DEEPEST} deep.", hint="write it without so many parentheses")
        try:
            if not self._rest():
                raise UsageError("the filter ends where a condition should follow.", hint=f"write one, as in: {_EXAMPLES['type']}")
            if self._next("("):
                self._at += 1
                found = self._any()
                if not self._next(")"):
                    raise UsageError('a "(" in the filter is not closed.', hint=f"write ({found})")
                self._at += 1
                return found
            if self._next("-"):
                self._at += 1
                return Not(self._one())
            if self._keyword("not"):
                return Not(self._one())
            return self._condition()
        finally:
            self._depth -= 1

    def _condition(self) -> Condition:
        self._count += 1
        if self._count > _MOST:
            raise UsageError(f"the filter has more than {_MOST} conditions.", hint="tag what is meant, and ask for the tag")
        word = _WORD.match(self._text, self._at)
        operator = _OPERATOR.match(self._text, word.end()) if word else None
        if word is None or operator is None:
            self._refuse_word(word.group() if word else "")
        self._at = operator.end()
        field = unicodedata.normalize("NFKC", word.group()).casefold()
        sign = operator[1].replace("：", ":")
        return Condition(field, sign, self._value(field, sign))

    def _refuse_word(self, word: str) -> NoReturn:
        shown = word or self._text[self._at : self._at + 20].strip()
        if folded(word) in FIELDS:
            raise UsageError(f'"{shown}" in the filter lacks its value.', hint=f"write {_EXAMPLES[folded(word)]}")
        hint = f"name a field, as in: title:{word}" if word and not _KEYWORD.fullmatch(word) else f"write one, as in: {_EXAMPLES['title']}"
        raise UsageError(f'"{shown}" in the filter is no condition.', hint=f"{hint} (the fields are {', '.join(FIELDS)})")

    def _value(self, field: str, sign: str) -> str:
        text, begin = self._text, self._at
        quoted = _QUOTED.match(text, begin)
        found = quoted or _BARE.match(text, begin)
        if quoted is None and (text[begin : begin + 1] in ('"', "“") and begin < len(text)):
            raise UsageError(f"the quote after {field}{sign} in the filter is not closed.", hint=f"write {_EXAMPLES['title']}")
        if found is None:
            raise UsageError(f'"{field}{sign}" in the filter lacks its value.', hint=f"write {_EXAMPLES.get(field, _EXAMPLES['type'])}")
        self._at = found.end()
        after = text[self._at : self._at + 1]
        if after and not after.isspace() and after != ")":
            word = re.match(r"\S+", text[begin:])
            raise UsageError(
                f"the value of {field} in the filter holds quotes or parentheses.",
                hint=f"put it in quotes: {field}{sign}{_quoted(word.group().replace(chr(34), '') if word else 'such as this')}",
            )
        if quoted is None:
            return found.group()
        return re.sub(r'\\(["\\])', r"\1", quoted[1]) if quoted[1] is not None else quoted[2]

    def _rest(self) -> bool:
        """Whether anything is left but blanks, which are passed over."""
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._at < len(self._text)

    def _next(self, sign: str) -> bool:
        return self._rest() and self._text[self._at] == sign

    def _keyword(self, word: str, *, take: bool = True) -> bool:
        """Whether a keyword comes next, which is then passed over."""
        found = _KEYWORD.match(self._text, self._at) if self._rest() else None
        if found is None or found[1].lower() != word:
            return False
        self._at = found.end() if take else self._at
        return True
