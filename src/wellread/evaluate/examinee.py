"""Whoever is examined: a function that answers a prompt, and, where it can, one that says how likely a text is.

Any Python function, any chat model and any OpenAI-compatible server becomes one. What it returns may be a plain text, or an `Outcome`
that also says how sure it is, whether it refused, and what else there is to score.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wellread.errors import UsageError
from wellread.models.base import ChatModel
from wellread.types import Message, Sampling


@dataclass(frozen=True, slots=True)
class Ask:
    """What is put to the examinee: a finished prompt and how to write. `question` is the bare question, without examples."""

    prompt: str
    question: str
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one question. `confidence` is in 0..1; `refused` is None where the examinee does not say.

    `scores` are figures that it gives itself (higher is better), `more` is anything else worth keeping that JSON can hold (citations,
    passages). Tokens are 0 where they are not counted.
    """

    text: str
    confidence: float | None = None
    refused: bool | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class LogLikelihood:
    """How likely a text is after a prompt: the natural logarithm of its probability, and whether the model itself would write it."""

    total: float
    greedy: bool = False


@dataclass(frozen=True, slots=True)
class Examinee:
    """`digest` tells apart what answers differently under the same name: other weights, other code. `settings` are kept with results.

    `likelihood(prompt, text)` is None for those who can only write: they choose by writing a letter.
    """

    name: str
    generate: Callable[[Ask], Outcome | str]
    likelihood: Callable[[str, str], LogLikelihood] | None = None
    digest: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def from_function(name: str, function: Callable[[str], Outcome | str], *, digest: str | None = None) -> Examinee:
    """A function that is given the whole prompt as one text."""
    return Examinee(name, lambda ask: function(ask.prompt), digest=digest)


def from_path(path: str) -> Examinee:
    """The function at "module:name", also of a module in the current folder. Its digest is that of the file it stands in.

    Raises `UsageError` when there is none.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise UsageError(f'"{path}" names no function.', hint="write MODULE:NAME, as in mymodule:answer")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{path} cannot be imported: {error}.", hint="is the module in this folder, and the name right?") from error
    if not callable(function):
        raise UsageError(f"{path} is no function.", hint="it should take a prompt and return a text")
    return from_function(path, function, digest=_code_digest(function))


def from_chat(model: ChatModel, *, where: str | None = None) -> Examinee:
    """A chat model, which gets the prompt as one message of the user. `where` is the address of a server, for the record."""
    ref = model.ref()
    return Examinee(ref.name, lambda ask: _said(model, ask), digest=ref.digest, settings={"server": where} if where else {})


def _said(model: ChatModel, ask: Ask) -> Outcome:
    pieces, prompt_tokens, completion_tokens = [], 0, 0
    for delta in model.stream([Message("user", ask.prompt)], sampling=ask.sampling):
        pieces.append(delta.text)
        if delta.usage is not None:
            prompt_tokens, completion_tokens = delta.usage.prompt_tokens, delta.usage.completion_tokens
    return Outcome("".join(pieces), prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)


def _code_digest(function: Callable[..., object]) -> str | None:
    try:
        source = Path(inspect.getfile(function)).read_bytes()
    except (TypeError, OSError):  # written in C, or made up on the fly
        return None
    return f"sha256:{hashlib.sha256(source).hexdigest()}"
