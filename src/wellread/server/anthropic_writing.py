"""A message of Anthropic's API as its pieces come in: https://platform.claude.com/docs/en/build-with-claude/streaming"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from wellread.server.given import Given, pages
from wellread.server.halting import Halted
from wellread.server.openai_chat import own_json
from wellread.server.turn import Called, Ended, Found, Piece, Said
from wellread.types import Answer, Citation, Usage

_STOPPED = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}

Event = dict[str, Any]


class Writing:
    """A message and the events that tell it. `message` is the whole of it in the end.

    given: the documents of the request by their ids, where they are to be cited. What is answered from documents, those or a library's,
    has a block for each sentence that cites.
    """

    def __init__(self, model: str, prompt_tokens: int, given: Mapping[str, Given]) -> None:
        self.message: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(Usage(prompt_tokens)),
        }
        self._given = given
        self._seen: dict[str, int] = {}
        self._open = False
        self._arguments = ""

    def head(self, first: Piece | Halted) -> dict[str, Any]:
        """The message as it begins; with the whole answer, where that is what comes first."""
        own = {"wellread": own_json(first)} if isinstance(first, Found) else {}
        return self.message | {"content": [], **own}

    def add(self, piece: Piece | Halted) -> Iterator[Event]:
        """The events of a piece of the answer; the last one closes the message."""
        if isinstance(piece, Said):
            yield from self._text(piece.text)
        elif isinstance(piece, Called):
            yield from self._called(piece)
        elif isinstance(piece, Found):
            self.message["wellread"] = own_json(piece)
            yield from self._answer(piece.answer)
        else:
            yield from self._end(piece)

    def _text(self, text: str) -> Iterator[Event]:
        if not self._open or self.message["content"][-1]["type"] != "text":
            yield from self._begin({"type": "text", "text": "", "citations": None})
        self.message["content"][-1]["text"] += text
        yield self._delta({"type": "text_delta", "text": text})

    def _called(self, piece: Called) -> Iterator[Event]:
        if piece.name:
            yield from self._begin({"type": "tool_use", "id": piece.id.replace("call_", "toolu_", 1), "name": piece.name, "input": {}})
        if piece.arguments:
            self._arguments += piece.arguments
            yield self._delta({"type": "input_json_delta", "partial_json": piece.arguments})

    def _answer(self, answer: Answer) -> Iterator[Event]:
        """The text, sentence by sentence; those that nothing supports say so, as everywhere."""
        known = {citation.marker: citation for citation in answer.citations}
        at = 0
        for sentence in answer.sentences:
            text, at = answer.text[at : sentence.end], sentence.end
            if not sentence.citations:
                yield from self._text(text + (" [no support found]" if sentence.status == "unsupported" else ""))
                continue
            yield from self._begin({"type": "text", "text": "", "citations": []})
            yield from self._text(text)
            for marker in sentence.citations:
                location = self._location(known[marker])
                self.message["content"][-1]["citations"].append(location)
                yield self._delta({"type": "citations_delta", "citation": location})
            yield from self._close()
        if answer.text[at:]:
            yield from self._text(answer.text[at:])

    def _location(self, citation: Citation) -> dict[str, Any]:
        """Where a citation leads: into a document of the request, or one of the library, counted in the order in which they are cited."""
        if self._given:
            return self._given[citation.document].location(citation)
        index = self._seen.setdefault(citation.document, len(self._seen))
        named = {"cited_text": citation.quote, "document_index": index, "document_title": citation.title, "file_id": citation.document}
        if citation.page is not None:
            return {"type": "page_location", **named, **pages(citation)}
        return {"type": "char_location", **named, "start_char_index": citation.start, "end_char_index": citation.end}

    def _begin(self, block: dict[str, Any]) -> Iterator[Event]:
        yield from self._close()
        self._open = True
        self.message["content"].append(block)
        at_first = {**block, **({"citations": []} if block.get("citations") is not None else {})}
        yield {"type": "content_block_start", "index": len(self.message["content"]) - 1, "content_block": at_first}

    def _delta(self, delta: dict[str, Any]) -> Event:
        return {"type": "content_block_delta", "index": len(self.message["content"]) - 1, "delta": delta}

    def _close(self) -> Iterator[Event]:
        if not self._open:
            return
        block = self.message["content"][-1]
        if block["type"] == "tool_use":
            block["input"], self._arguments = _object(self._arguments), ""
        self._open = False
        yield {"type": "content_block_stop", "index": len(self.message["content"]) - 1}

    def _end(self, piece: Ended | Halted) -> Iterator[Event]:
        yield from self._close()
        halted = piece.sequence if isinstance(piece, Halted) else None
        reason = "stop_sequence" if isinstance(piece, Halted) else _STOPPED[piece.finish]
        stopped = {"stop_reason": reason, "stop_sequence": halted}
        self.message |= {**stopped, "usage": _usage(piece.usage)}
        yield {"type": "message_delta", "delta": stopped, "usage": self.message["usage"]}
        yield {"type": "message_stop"}


def _object(text: str) -> Any:
    """The arguments of a call; none where the length limit cut them off, which the reason for the end tells."""
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {}


def _usage(usage: Usage) -> dict[str, int]:
    """Tokens. Those that a prefix cache made free are counted by themselves."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }
