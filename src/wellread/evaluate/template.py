"""Fields and Jinja templates that turn a row of data into prompt, choices and answer, as lm-evaluation-harness renders them.

Templates come with files that people pass around, so they run in Jinja's sandbox: they see the row and nothing else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from wellread.errors import UsageError

Row = Mapping[str, Any]


class Renderer:
    """Renders the templates of one task; `where` names it in errors, `fields` are the columns its data has."""

    def __init__(self, where: str, fields: frozenset[str]) -> None:
        self._where = where
        self._fields = fields
        self._environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
        self._environment.filters["regex_replace"] = _regex_replace
        self._compiled: dict[str, Template] = {}

    def text(self, template: str, row: Row) -> str:
        """A template filled in. Raises `UsageError` for one that is none, or that asks for what the row does not have."""
        try:
            if template not in self._compiled:
                self._compiled[template] = self._environment.from_string(template)
            return self._compiled[template].render(**row)
        except (TemplateError, TypeError, ValueError, AttributeError, KeyError, IndexError, ArithmeticError) as error:
            known = ", ".join(sorted(self._fields))
            raise UsageError(f"{self._where}: the template {_short(template)} fails: {error}.", hint=f"the data has {known}") from error

    def value(self, template: str, row: Row) -> Any:
        """What a field holds, or else what the template gives."""
        return row[template] if template in self._fields else self.text(template, row)

    def choices(self, template: str | list[Any] | dict[str, Any], row: Row) -> tuple[str, ...]:
        """The texts to choose from: a fixed list, a field that holds one, or a template that gives one."""
        found: Any = template
        if isinstance(template, dict):
            found = list(template.values())
        elif isinstance(template, str):
            found = row[template] if template in self._fields else literal(self.text(template, row))
        if not isinstance(found, list) or not found:
            raise UsageError(f"{self._where}: doc_to_choice gives no list of choices but {_short(str(found))}.")
        return tuple(str(choice) for choice in found)


def literal(text: str) -> Any:
    """What a text says as a Python literal, or the text itself where it says none."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return text


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)


def _short(text: str) -> str:
    return repr(text if len(text) < 80 else text[:77] + "...")
