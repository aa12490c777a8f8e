"""A follow-up question made to stand alone, so that it can be searched for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wellread.errors import ModelError
from wellread.models.base import ChatModel
from wellread.prompts import standalone_prompt
from wellread.types import Sampling
from wellread.words import content_words

_REFERS = re.compile(
    r"\b(?:it|its|they|them|their|theirs|this|that|these|those|he|she|him|her|his|hers|one|ones|there|former|latter|same)\b"
    r"|^\s*(?:and|but|or|so|also|why|how so|what about|how about)\b|[它他她其这那]|上面|前者|后者|呢[？?]?\s*$",
    re.IGNORECASE,
)
_TURNS = 3


def stands_alone(question: str) -> bool:
    """Whether a question names what it is about, as far as its words tell."""
    return len(content_words(question)) >= 2 and not _REFERS.search(question)


def standalone(question: str, history: Sequence[tuple[str, str]], model: ChatModel | None) -> str:
    """The question as it would be asked without the conversation, given (question, answer) turns.

    A model's rewriting is taken only when it keeps every word of the question and adds only words of the conversation; otherwise the
    question before is put in front, which searches nearly as well and cannot invent anything.
    """
    if not history or stands_alone(question):
        return question
    turns = history[-_TURNS:]
    if model is not None:
        rewritten = _rewritten(question, turns, model)
        if rewritten is not None:
            return rewritten
    return f"{turns[-1][0].rstrip('?？ ')} – {question}"


def _rewritten(question: str, turns: Sequence[tuple[str, str]], model: ChatModel) -> str | None:
    try:
        text = "".join(delta.text for delta in model.stream(standalone_prompt(question, turns), sampling=Sampling(max_tokens=48)))
    except ModelError:
        return None
    text = text.strip().split("\n")[0].strip("\"' ")
    said, asked = set(content_words(text)), set(content_words(question))
    told = {word for turn in turns for part in turn for word in content_words(part)}
    fits = text.endswith(("?", "？")) and asked <= said and said <= asked | told and said != asked
    return text if fits else None
