"""Every prompt text, in one place, as functions that return messages. Sources come before the question, so that their prompt prefix
is read once for many questions."""

from __future__ import annotations

from collections.abc import Sequence

from wellread.types import Message

_ANSWER = "Answer the question from the text. Be brief."
STOP = ("\nQuestion:",)
"""Where a model that goes on to ask itself the next question is stopped."""

_STANDALONE = "Rewrite the last question so that it can be understood without the conversation. Reply with the question only."


def answer_prompt(question: str, sources: Sequence[str]) -> list[Message]:
    """Ask for an answer from some passages. Short and plain: a model of 135M parameters follows this and not more."""
    return [Message("system", _ANSWER), Message("user", "\n".join(sources) + f"\n\nQuestion: {question}")]


def standalone_prompt(question: str, history: Sequence[tuple[str, str]]) -> list[Message]:
    """Ask for a follow-up question to be made complete, given (question, answer) turns."""
    turns = "\n".join(f"Q: {asked}\nA: {answered}" for asked, answered in history)
    return [Message("system", _STANDALONE), Message("user", f"{turns}\n\nLast question: {question}")]


def refusal(question_is_chinese: bool) -> str:
    """What is said instead of an answer that nothing supports."""
    return "这些文档没有回答这个问题。" if question_is_chinese else "The documents do not answer this."
