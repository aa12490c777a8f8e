"""Turning messages into the one prompt text a model was trained on, and keeping its control tokens out of what people wrote.

The template is the Jinja program that comes with the model (`tokenizer.chat_template`); the conventions around it (trimmed blocks,
`raise_exception`, `add_generation_prompt`) are those of Hugging Face transformers, for which such templates are written:
https://huggingface.co/docs/transformers/chat_templating
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from wellread.errors import ModelError, RequestRefused
from wellread.models.gguf import Gguf
from wellread.models.gotemplate import jinja_of
from wellread.types import Message

ZERO_WIDTH_SPACE = "\u200b"


class ChatTemplate:
    """The chat template of one model. A template is a program from the model's author: it runs in Jinja's sandbox."""

    def __init__(self, source: str, *, bos: str = "", eos: str = "", control_tokens: Iterable[str] = ()) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], autoescape=False
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self._control = tuple(control_tokens)
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise ModelError(f"the model's chat template cannot be read: {error}.") from error

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt, up to where the assistant begins to speak. Raises `RequestRefused` when the template refuses the messages, and
        `ModelError` when it cannot be carried out.

        Some families (Gemma, the first Mistral) have no place for instructions, and say so: they are then put before what the user says
        first, as those who trained them recommend.
        """
        try:
            return self._rendered(messages)
        except RequestRefused:
            if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
                raise
            instructions, first, *rest = messages
            return self._rendered([replace(first, content=f"{instructions.content}\n\n{first.content}"), *rest])

    def _rendered(self, messages: Sequence[Message]) -> str:
        rows = [{"role": message.role, "content": neutralise(message.content, self._control)} for message in messages]
        try:
            return self._template.render(messages=rows, add_generation_prompt=True, **self._tokens)
        except _Refusal as refusal:
            raise RequestRefused(
                f"the model's chat template does not accept this conversation: {refusal.message}.",
                hint="let user and assistant take turns, with instructions only at the beginning",
            ) from refusal
        except (TemplateError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"the model's chat template fails on this conversation: {error}.") from error


def chat_template(gguf: Gguf, written: str = "") -> ChatTemplate:
    """The template a model file carries, or the one that was `written` for it (Jinja, or a Go template that is known).

    Raises `ModelError` when there is none, since guessing one gives bad answers quietly, and `UsageError` for an unknown Go template.
    """
    control = gguf.control_tokens()
    if written:
        begins = gguf.metadata.get("tokenizer.ggml.add_bos_token", gguf.metadata.get("tokenizer.ggml.model") == "llama")
        bos = _token(gguf, "bos") if begins else ""
        return ChatTemplate(jinja_of(written), bos=bos, eos=_token(gguf, "eos"), control_tokens=control)
    source = gguf.metadata.get("tokenizer.chat_template")
    if not isinstance(source, str):
        raise ModelError(f"{gguf.path.name} has no chat template, so it cannot hold a conversation.", hint="use an instruct model")
    return ChatTemplate(source, bos=_token(gguf, "bos"), eos=_token(gguf, "eos"), control_tokens=control)


def neutralise(text: str, control_tokens: Iterable[str]) -> str:
    """Text in which no control token can be recognised: a zero-width space follows the first character of each one that occurs.

    A document that contains `<|im_end|>` would otherwise end the turn and speak in the system's name. Tokens of one character and
    tokens of white space steer nothing and are left alone.
    """
    steering = sorted({token for token in control_tokens if len(token) > 1 and not token.isspace()}, key=len, reverse=True)
    if not steering:
        return text
    pattern = re.compile("|".join(map(re.escape, steering)))
    # A token may hide inside a longer one, so breaking the outer one is not enough.
    while pattern.search(text):
        text = pattern.sub(lambda found: found[0][0] + ZERO_WIDTH_SPACE + found[0][1:], text)
    return text


def _token(gguf: Gguf, which: str) -> str:
    tokens, number = gguf.metadata.get("tokenizer.ggml.tokens", []), gguf.metadata.get(f"tokenizer.ggml.{which}_token_id")
    return str(tokens[number]) if isinstance(number, int) and 0 <= number < len(tokens) else ""


class _Refusal(TemplateError):
    """A template says that a conversation is none that it was made for."""


def _raise(message: str) -> None:
    raise _Refusal(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    # Jinja's own filter escapes for HTML, which would change what the model reads.
    return json.dumps(value, ensure_ascii=False, indent=indent)
