"""What a call of a client is, what it is made to, and what may come of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

QUESTION = "Name the capital of France."
USER: Any = [{"role": "user", "content": QUESTION}]
ANSWER = "Paris"
CAPITAL: dict[str, Any] = {
    "type": "object",
    "properties": {"capital": {"enum": ["Paris", "Rome"]}, "letters": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["capital", "letters"],
    "additionalProperties": False,
}
"""What no model writes by itself, and is soon written."""
CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
PLACES = ("weather", "clock")
"""The functions that may be called."""
FUNCTIONS: Any = [
    {"type": "function", "function": {"name": name, "description": f"The {name} of a city.", "parameters": CITY}} for name in PLACES
]
"""The same, as OpenAI's protocol has it."""
WEATHER = "What is the weather in Oslo?"
LONG = "word " * 20_000
"""More than any window here holds."""
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
"""A PNG of one pixel, as base64."""
TEXTS = ["Green tea is steeped in hot water.", "Black tea is steeped in hot water.", "The parliament passed a new tax."]
"""The first two are about the same thing."""
LIBRARY_QUESTION = "How large may a request be?"
QUOTE = {"wellread": {"mode": "extract"}}
"""Has a library quote rather than ask a model, which is quicker."""
LIBRARY_ANSWER = "16 MiB"
"""What docs/serving.md says."""


@dataclass(frozen=True, slots=True)
class Place:
    """A server as clients see it: addresses without a path, and names of models. `embeds` is another address where one server does not
    do both. `library` is a model's name, "" if there are no libraries, and `text` its one document. `paris` is the token " Paris" of the
    chat model. `stdio` starts what speaks over stdin and stdout, with `environ`."""

    url: str
    chat: str
    embed: str
    embeds: str
    library: str
    paris: int
    text: str
    stdio: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)


Call = Callable[[Place], str]
"""Makes a call and looks at what comes back. Returns what was seen; raises `Wrong`, or whatever the client raises."""


_ABSENT = (404, 405, 501)
"""The statuses of what is not there."""
_ABSENT_WORDS = ("File Not Found", "404 Not Found")


class Wrong(Exception):
    """An answer came, and it is not what was asked for."""


class Absent(Exception):
    """The server has nothing of the kind."""


def libraries(at: Place) -> None:
    """Raise `Absent` where there are no libraries."""
    if not at.library:
        raise Absent("it has no libraries")


def see(true: object, otherwise: str) -> None:
    """Raise `Wrong` unless something is so."""
    if not true:
        raise Wrong(otherwise)


def paris(text: str | None) -> str:
    """A text that must name the capital of France."""
    see(ANSWER in (text or ""), f"{(text or '')[:60]!r} does not name {ANSWER}")
    return ANSWER


def fits(text: str | None) -> str:
    """A text that must be JSON that fits `CAPITAL`."""
    try:
        value = json.loads(text or "")
    except ValueError:
        raise Wrong(f"the schema is ignored: {(text or '')[:50]!r}") from None
    see(isinstance(value, dict) and set(value) == {"capital", "letters"}, f"the schema is ignored: {value}")
    see(value["capital"] in ("Paris", "Rome") and 1 <= value["letters"] <= 9, f"the schema is not kept: {value}")
    return json.dumps(value)


def called(name: str | None, arguments: Any, wanted: Sequence[str] = PLACES) -> str:
    """A call that must be of one of some functions, with arguments that fit."""
    see(name in wanted, f"{name!r} is called")
    given = json.loads(arguments) if isinstance(arguments, str) else arguments
    see(given in ({"city": "Oslo"}, {"city": "Rome"}), f"the arguments do not fit: {given}")
    return f"{name}({given['city']})"


def near(vectors: Sequence[Sequence[float]]) -> str:
    """Vectors of `TEXTS`: the first two must be nearer to one another than to the third."""
    import numpy as np

    rows = np.array(vectors)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    see(len(rows) == 3, f"{len(rows)} vectors of 3 texts")
    see(rows[0] @ rows[1] > max(rows[0] @ rows[2], rows[1] @ rows[2]), "texts that mean the same are not near one another")
    return f"{rows.shape[1]} dimensions"


def refused(error: Exception, *codes: int, saying: str = "") -> str:
    """An error that must be a refusal, with one of some statuses, 400 unless said otherwise."""
    status = status_of(error)
    if is_absent(error) and status not in codes:
        raise Absent(str(status))
    see(status in (codes or (400,)), f"{status or type(error).__name__} {brief(error)}")
    see(saying in str(error), f"refused without {saying!r}: {brief(error)}")
    return f"refused {status} {code_of(error)}".rstrip()


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of any of the clients was made of."""
    for holder, name in ((error, "status_code"), (error, "status"), (error, "code"), (getattr(error, "response", None), "status_code")):
        value = getattr(holder, name, None)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    if isinstance(error, BaseExceptionGroup):
        return status_of(error.exceptions[0])
    cause = error.__cause__ or error.__context__
    return status_of(cause) if cause else None


def is_absent(error: BaseException) -> bool:
    """Whether an error says that there is nothing of the kind; some clients have it in words only."""
    return status_of(error) in _ABSENT or brief(error).endswith("Not Found") or any(word in str(error) for word in _ABSENT_WORDS)


def code_of(error: Exception) -> str:
    """The error's short name, in the protocols that have one."""
    code: Any = getattr(error, "code", None)
    body = getattr(error, "body", None)
    if (not isinstance(code, str) or code.isdigit()) and isinstance(body, dict):
        inner = body.get("error", body)
        code = inner.get("type") if isinstance(inner, dict) else None
    return code if isinstance(code, str) else ""


def brief(error: BaseException) -> str:
    """The beginning of what an error says."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(str(error).split())[:90]


def tried(call: Call, at: Place) -> str:
    """What comes of a call: "ok: ...", "none: ..." for what the server says that it does not have, "wrong: ..." for anything else."""
    try:
        return f"ok: {call(at)}"
    except Absent as absent:
        return f"none: {absent}"
    except Wrong as wrong:
        return f"wrong: {wrong}"
    except Exception as error:
        status = status_of(error)
        return "none: 404" if is_absent(error) else f"wrong: {status or type(error).__name__} {brief(error)}"
