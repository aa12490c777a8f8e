"""Questions that a chat model writes about a passage. What it gives as the answer must stand in the passage, word for word."""

from __future__ import annotations

import json
import re

from wellread.errors import ContextOverflow
from wellread.models.base import ChatModel
from wellread.scoreboard.draft import Draft
from wellread.sentences import sentence_spans
from wellread.types import Document, Message, Sampling
from wellread.words import cjk_share

_SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
    "additionalProperties": False,
}
_ASKED = (
    "Read this passage from “{title}”:\n\n{text}\n\nWrite one question that the passage answers, in the language of the passage, and the"
    " answer, copied word for word from the passage, as short as possible. Somebody who does not see the passage must understand the"
    ' question: name what it is about, and do not mention the passage. Reply with JSON only: {{"question": "...", "answer": "..."}}'
)
_POINTS_BACK = re.compile(r"\b(?:passage|this text|the text|the author|above|according to this)\b|上文|本文|这段|文中", re.IGNORECASE)


def written(model: ChatModel, document: Document, start: int, end: int) -> Draft | None:
    """A question about a stretch of a document, or None where the model writes none that can be used. It writes the same one again."""
    text = document.text[start:end]
    prompt = [Message("user", _ASKED.format(title=document.title, text=text))]
    try:
        said = "".join(delta.text for delta in model.stream(prompt, schema=_SCHEMA, sampling=Sampling(max_tokens=160)))
    except ContextOverflow:  # a passage too long for this model
        return None
    try:
        found = json.loads(said[said.index("{") : said.rindex("}") + 1])
        question, answer = found["question"].strip(), found["answer"].strip().rstrip(".。")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    place = re.search(r"\s+".join(map(re.escape, answer.split())), text) if answer else None
    if place is None or not question.endswith(("?", "？")) or _POINTS_BACK.search(question) or answer.casefold() in question.casefold():
        return None
    spans = sentence_spans(text)
    low = max((first for first, _ in spans if first <= place.start()), default=place.start())
    high = min((last for _, last in spans if last >= place.end()), default=place.end())
    language = "zh" if cjk_share(question) > 0.3 else "en"
    return Draft(question, answer, "written", "", start + low, start + high, language)
