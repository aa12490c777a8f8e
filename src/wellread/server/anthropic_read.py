"""What a request in the words of Anthropic's API asks for: messages of blocks, documents, tools.

https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wellread.server.body import Fields
from wellread.server.errors import unsupported, wrong
from wellread.server.given import Given
from wellread.server.openai_read import MOST_FUNCTIONS, MOST_MESSAGES, keepable, schema
from wellread.server.sampling import temperature, top_p
from wellread.server.turn import Choice, Function
from wellread.types import Document, Message, Role, Sampling, ToolCall

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_MOST_STOPS, _LONGEST_STOP = 16, 200
_MOST_DOCUMENTS = 600


@dataclass(frozen=True, slots=True)
class Block:
    """A message, or a part of one, before its documents are read: texts and documents in the order in which they came."""

    role: Role
    parts: tuple[str | Given, ...]
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None

    def message(self, documents: Mapping[Given, Document]) -> Message:
        """The message; those of its documents that are among `documents` are put into it as text, the others left out."""
        texts = [part if isinstance(part, str) else _told(part, documents[part]) for part in self.parts if _is_told(part, documents)]
        return Message(self.role, "\n".join(texts), self.calls, self.call_id)


def _is_told(part: str | Given, documents: Mapping[Given, Document]) -> bool:
    return isinstance(part, str) or part in documents


def _told(given: Given, document: Document) -> str:
    title = f' title="{given.title}"' if given.title else ""
    context = f"{given.context}\n\n" if given.context else ""
    return f"<document{title}>\n{context}{document.text}\n</document>"


@dataclass
class _Counts:
    """Documents as they are met: their number, and whether they are to be cited."""

    documents: int = 0
    results: int = 0
    cited: list[bool] = field(default_factory=list)


def blocks(fields: Fields) -> tuple[Block, ...]:
    """The system prompt and the messages. Raises `Refused` for what no model here reads, and for half of the documents to be cited."""
    rows = fields.objects("messages", most=MOST_MESSAGES)
    if not rows:
        raise wrong("messages", '"messages" holds no message', code="missing_required_parameter")
    counts = _Counts()
    found: list[Block] = []
    if "system" in fields:
        found.append(Block("system", tuple(_texts(fields, "system"))))
    for row in rows:
        said = row.text("role")
        if said not in _ROLES:
            raise wrong(row.at("role"), f'"{row.at("role")}" must be one of {", ".join(_ROLES)}')
        for block in _message(row, _ROLES[said], counts):
            last = found[-1] if found else None
            if last is not None and last.role == block.role != "tool" and not (last.calls or block.calls):
                found[-1] = replace(last, parts=(*last.parts, *block.parts))
            else:
                found.append(block)
    if found[-1].role == "assistant":
        raise unsupported("messages", "the last message is the assistant's, and no model here goes on from one", hint="end with the user's")
    if len(set(counts.cited)) > 1:
        raise wrong("messages", "citations are enabled for some documents only", hint="enable them for all, or for none")
    if len(counts.cited) > _MOST_DOCUMENTS:
        raise wrong("messages", f"there are {len(counts.cited)} documents, at most {_MOST_DOCUMENTS} are taken")
    return tuple(found)


def _message(row: Fields, role: Role, counts: _Counts) -> list[Block]:
    """A message as blocks: what tools gave back stands by itself, before what else the user says."""
    if isinstance(row.values.get("content"), str):
        return [Block(role, (row.text("content"),))]
    if "content" not in row:
        raise wrong(row.at("content"), f'"{row.at("content")}" is missing', code="missing_required_parameter")
    results: list[Block] = []
    parts: list[str | Given] = []
    calls: list[ToolCall] = []
    for part in row.objects("content", most=MOST_MESSAGES):
        kind = part.text("type")
        if kind == "tool_use" and role == "assistant":
            calls.append(ToolCall(part.text("id"), part.text("name"), part.inner("input").values))
        elif kind == "tool_result" and role == "user":
            results.append(_result(part, counts))
        else:
            parts.append(_part(part, kind, counts))
    own = [Block(role, tuple(parts), tuple(calls))] if parts or calls else []
    if not results and not own:
        raise wrong(row.at("content"), f'"{row.at("content")}" is empty')
    return [*results, *own]


def _result(row: Fields, counts: _Counts) -> Block:
    value = row.values.get("content")
    if isinstance(value, list):
        parts = [_part(part, part.text("type"), counts) for part in row.objects("content", most=MOST_MESSAGES)]
    else:
        parts = [row.text("content", "")]
    if row.flag("is_error"):
        parts.insert(0, "error:")
    return Block("tool", tuple(parts), call_id=row.text("tool_use_id"))


def _part(row: Fields, kind: str, counts: _Counts) -> str | Given:
    if kind == "text":
        return row.text("text")
    if kind == "document":
        given = _document(row, counts.documents)
        counts.documents += 1
    elif kind == "search_result":
        texts = tuple(_texts(row, "content"))
        cited = row.inner("citations").flag("enabled")
        given = Given("search", counts.results, row.at("content"), row.text("title"), row.text("source"), cited=cited, blocks=texts)
        counts.results += 1
    elif kind == "image":
        raise unsupported(row.at("type"), "the models here read text only, no pictures", hint="send the text of it")
    else:
        raise unsupported(row.at("type"), f"a block of type {kind} is not read here")
    counts.cited.append(given.cited)
    return given


def _document(row: Fields, index: int) -> Given:
    source = row.inner("source")
    kind = source.text("type")
    given = Given(
        "text",
        index,
        row.at("source"),
        row.maybe_text("title"),
        context=row.text("context", ""),
        cited=row.inner("citations").flag("enabled"),
    )
    if kind == "text":
        return replace(given, blocks=(source.text("data"),))
    if kind == "content":
        return replace(given, kind="content", blocks=tuple(_texts(source, "content")))
    if kind == "base64":
        if source.text("media_type", "application/pdf") != "application/pdf":
            raise unsupported(source.at("media_type"), "of documents in base64 only PDF is read", hint="send others as text")
        try:
            data = base64.b64decode(source.text("data"), validate=True)
        except (binascii.Error, ValueError):
            raise wrong(source.at("data"), f'"{source.at("data")}" is not base64') from None
        return replace(given, kind="pdf", data=data)
    told = {"url": "nothing is fetched for a request", "file": "there are no files that were sent before"}
    raise unsupported(source.at("type"), told.get(kind, f"a source of type {kind} is not read here"), hint="send the document itself")


def _texts(row: Fields, name: str) -> list[str]:
    """A string, or blocks of text."""
    if isinstance(row.values.get(name), str):
        return [row.text(name)]
    found = []
    for part in row.objects(name, most=MOST_MESSAGES):
        if part.text("type", "text") != "text":
            raise unsupported(part.at("type"), "the models here read text only", hint="send the text of it")
        found.append(part.text("text"))
    return found


def functions(fields: Fields) -> tuple[Function, ...]:
    """The tools that a request offers. Raises `Refused` for those that Anthropic's servers would carry out themselves."""
    found: list[Function] = []
    for row in fields.objects("tools", most=MOST_FUNCTIONS):
        if row.text("type", "custom") != "custom":
            raise unsupported(row.at("type"), "only tools of your own can be called, which have an input_schema")
        name = row.text("name", most=128)
        if any(each.name == name for each in found):
            raise wrong(row.at("name"), f'"{name}" is there twice')
        if "input_schema" not in row:
            raise wrong(row.at("input_schema"), f'"{row.at("input_schema")}" is missing', code="missing_required_parameter")
        found.append(Function(name, row.text("description", ""), row.inner("input_schema").values))
    return tuple(found)


def chosen(fields: Fields, offered: tuple[Function, ...]) -> tuple[Choice, tuple[Function, ...]]:
    """Whether a tool is to be called, and which may be. Raises `Refused` for a schema that no engine keeps."""
    row = fields.inner("tool_choice")
    kind = row.text("type", "auto")
    if kind == "auto":
        return ("auto" if offered else "none"), offered
    if kind == "none":
        return "none", offered
    if kind == "any":
        return "required", keepable(offered, "tools")
    if kind == "tool":
        name = row.text("name")
        named = tuple(each for each in offered if each.name == name)
        if not named:
            raise wrong(row.at("name"), "the tool that must be called is not among the tools")
        return "named", keepable(named, "tools")
    raise wrong(row.at("type"), f'"{row.at("type")}" must be "auto", "any", "tool" or "none"')


def output_schema(fields: Fields) -> Mapping[str, Any] | None:
    """The schema that the answer must fit."""
    row = fields.inner("output_config").inner("format")
    kind: Literal["json_schema"] | str = row.text("type", "text")
    if kind == "text":
        return None
    if kind != "json_schema":
        raise wrong(row.at("type"), f'"{row.at("type")}" must be "json_schema"')
    if "schema" not in row:
        raise wrong(row.at("schema"), f'"{row.at("schema")}" is missing', code="missing_required_parameter")
    return schema(row.inner("schema").values, row.at("schema"))


def sampling(fields: Fields) -> Sampling:
    """The sampling that a request asks for; without a temperature the likeliest tokens are taken."""
    stops = fields.texts("stop_sequences", most=_MOST_STOPS)
    for stop in stops:
        if not stop.strip() or len(stop) > _LONGEST_STOP:
            raise wrong("stop_sequences", f"a stop sequence has from 1 to {_LONGEST_STOP} characters, not all of them white space")
    return Sampling(
        temperature=temperature(fields),
        top_p=top_p(fields),
        top_k=max(0, fields.whole("top_k", 0, least=-1, most=1 << 20)),
        max_tokens=fields.whole("max_tokens", least=1),
        stop=tuple(stops),
    )
