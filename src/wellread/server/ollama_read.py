"""What Ollama's clients ask for: https://docs.ollama.com/api"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wellread.errors import UsageError, suggest
from wellread.server.body import Fields, told
from wellread.server.errors import unsupported, wrong
from wellread.server.keep_alive import seconds
from wellread.server.openai_read import MOST_FUNCTIONS, MOST_MESSAGES, schema
from wellread.server.sampling import refuse, sampling
from wellread.types import Message, Role, Sampling, ToolCall

_NO_LIMIT = 1 << 31
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_SAYING = frozenset(
    "temperature top_p top_k min_p typical_p seed stop num_predict repeat_penalty presence_penalty frequency_penalty".split()
)
_RUNNING = (
    "num_keep num_batch num_gpu main_gpu num_thread use_mmap use_mlock low_vram numa f16_kv vocab_only logits_all embedding_only "
    "penalize_newline draft_num_predict mirostat_tau mirostat_eta"
).split()
"""Options that say how a model is run, which is the server's to decide; they change nothing, and the answer says so."""

_CANNOT: dict[str, tuple[object, str]] = {
    "logprobs": (False, "they are not told here; /v1/chat/completions says whether they can be had"),
    "top_logprobs": (0, "they are not told here"),
    "think": (False, "the models here do not think first"),
    "shift": (False, "what was said is never cut away; an answer that fills the window ends with the done_reason length"),
}
_CANNOT_OPTIONS: dict[str, tuple[object, str]] = {
    "mirostat": (0, "no engine here has it; top_p and top_k are there"),
    "tfs_z": (1, "no engine here has it; top_p and top_k are there"),
}


def model_of(fields: Fields) -> str:
    """The model's name, which older clients call "name"."""
    return fields.text("model" if "model" in fields or "name" not in fields else "name", most=500)


def keep_of(fields: Fields) -> float | None:
    """How long the model is to stay after this, in seconds; None where the request does not say."""
    if "keep_alive" not in fields:
        return None
    try:
        return seconds(fields.values["keep_alive"])
    except UsageError as error:
        raise told(error, "keep_alive") from None


def check(fields: Fields) -> None:
    """Raise `Refused` for what is asked for and cannot be had."""
    refuse(fields, _CANNOT)


def window_of(options: Fields) -> int | None:
    """How many tokens of context the model must have at least."""
    return options.whole("num_ctx", least=1, most=1 << 27) if "num_ctx" in options else None


def how(options: Fields) -> tuple[Sampling, list[str]]:
    """How tokens are chosen, and the options that change nothing here. An option that there is not is refused."""
    refuse(options, _CANNOT_OPTIONS)
    known = {*_SAYING, *_RUNNING, *_CANNOT_OPTIONS, "num_ctx", "repeat_last_n"}
    for name in options.values:
        if name not in known:
            raise wrong(options.at(name), f'there is no option "{name}"', hint=suggest(name, known))
    given = {name: value for name, value in options.values.items() if value is not None and name in _SAYING}
    if "num_predict" in options and options.whole("num_predict", least=-2, most=_NO_LIMIT) < 1:
        given["num_predict"] = _NO_LIMIT  # -1: until the model ends, or the window is full
    penalty = options.number("repeat_penalty", 1.0)
    if penalty != 1 and options.whole("repeat_last_n", -1, least=-1) not in (-1, 64):
        raise unsupported("options.repeat_last_n", "how far back a penalty looks cannot be set")
    unused = [name for name in _RUNNING if name in options]
    return sampling(Fields(given, "options"), "num_predict"), unused


def format_of(fields: Fields) -> Mapping[str, Any] | None:
    """The schema that the answer must fit; None for plain text."""
    value = fields.values.get("format")
    if value in (None, ""):
        return None
    if value == "json":
        return {"type": "object"}
    if isinstance(value, dict):
        return schema(value, "format")
    raise wrong("format", '"format" must be "json" or a JSON schema')


def no_pictures(fields: Fields) -> None:
    """Raise `Refused` for a picture."""
    if fields.items("images", most=1 << 20):
        raise unsupported(fields.at("images"), "the models here read text only")


def messages(fields: Fields) -> tuple[Message, ...]:
    """A conversation. Raises `Refused` for anything in it that is not text."""
    return tuple(_message(row) for row in fields.objects("messages", most=MOST_MESSAGES))


def _message(row: Fields) -> Message:
    said = row.text("role")
    role = _ROLES.get(said)
    if role is None:
        raise wrong(row.at("role"), f'"{row.at("role")}" must be one of {", ".join(_ROLES)}')
    no_pictures(row)
    calls = []
    for call in row.objects("tool_calls", most=MOST_FUNCTIONS):
        function = call.inner("function")
        calls.append(ToolCall(call.text("id", ""), function.text("name"), function.inner("arguments").values))
    return Message(role, row.text("content", ""), tuple(calls), row.text("tool_call_id", "") or None)
