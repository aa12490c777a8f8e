"""`wellread models run`: a prompt and its answer, or a conversation, with a model as it is, without documents."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wellread.errors import ContextOverflow, ModelError, UsageError
from wellread.models.engines import LocalChat
from wellread.models.manner import Manner
from wellread.models.parameters import checked
from wellread.terminal import Screen
from wellread.types import Message, Sampling, Usage

_HELP = """/set parameter NAME VALUE   temperature, top_p, top_k, seed, repeat_penalty, num_predict, stop
/set system TEXT            instructions from here on
/show                       what is set
/clear                      forget what was said
/bye                        end
\"\"\"                         begins and ends a message of several lines"""
_PARTIAL = 3  # the exit code of a conversation in which something failed
_LEAST_ROOM = 16  # tokens of an answer: with less left, the conversation is full


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said, why it ended ("stop" or "length"), and what it cost."""

    text: str
    finish: str
    usage: Usage

    def json(self, model: str) -> dict[str, Any]:
        usage = {"prompt_tokens": self.usage.prompt_tokens, "completion_tokens": self.usage.completion_tokens}
        return {"model": model, "response": self.text, "done_reason": self.finish, "usage": usage}


@dataclass(slots=True)
class Talk:
    """A conversation with a model, whose manner it may change."""

    model: LocalChat
    turns: list[Message] = field(default_factory=list)

    def say(self, text: str, show: Callable[[str], None]) -> Reply:
        """Put one message and show the answer as it comes. What fails is not remembered. Raises `ContextOverflow` when there is no room."""
        messages = [*self.turns, Message("user", text)]
        room = self.model.context_window - self.model.count_tokens(messages)
        if room < _LEAST_ROOM:
            raise ContextOverflow(
                f"the conversation fills the {self.model.context_window} tokens of the model's window.",
                hint="say less, begin anew with /clear, or take a larger --context-window",
            )
        limit = self.model.manner.parameter("num_predict")
        longest = min(limit, room) if isinstance(limit, int) and limit > 0 else room
        pieces, finish, usage = [], "stop", Usage()
        for delta in self.model.stream(messages, sampling=Sampling(max_tokens=longest)):
            pieces.append(delta.text)
            show(delta.text)
            finish, usage = delta.finish or finish, delta.usage or usage
        self.turns += [Message("user", text), Message("assistant", "".join(pieces))]
        return Reply("".join(pieces), finish, usage)

    def order(self, line: str) -> str | None:
        """Do what a line that begins with "/" says; what to tell the person, or None at the end. Raises `UsageError`."""
        words = line.split(None, 3)
        match words:
            case ["/bye" | "/exit"]:
                return None
            case ["/?" | "/help"]:
                return _HELP
            case ["/clear"]:
                self.turns.clear()
                return "What was said is forgotten."
            case ["/show"]:
                manner = self.model.manner
                given = "\n".join(f"{name} {value}" for name, value in manner.parameters)
                return "\n".join(part for part in (given, manner.system) if part) or "Nothing is set."
            case ["/set", "system", *_]:
                self.model.manner = replace(self.model.manner, system=line.split(None, 2)[2] if len(words) > 2 else "")
                return "Set."
            case ["/set", "parameter", name, value]:
                self.model.manner = given_parameters([f"{name}={value}"]).over(self.model.manner)
                return "Set."
            case _:
                raise UsageError(f"{words[0]} is not understood here.", hint="/? lists what is")


def given_parameters(given: Sequence[str], system: str = "") -> Manner:
    """A manner of parameters, each written NAME=VALUE. Raises `UsageError`."""
    pairs = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} sets nothing.", hint="write NAME=VALUE, as in temperature=0.7")
        pairs.append(checked(name, value))
    if loads := [name for name, _ in pairs if name in ("num_ctx", "num_thread")]:
        raise UsageError(f"{loads[0]} cannot change while a model runs.", hint="use --context-window or --threads")
    return Manner(system=system, parameters=tuple(pairs))


def converse(talk: Talk, screen: Screen, *, name: str, emit: Callable[[Any], None] | None) -> int:
    """Messages from the terminal until its end; returns the exit code. With `emit`, each answer is given to it instead of shown."""
    screen.say(f"Talking with {name}; /? for help, /bye or Ctrl-D ends.")
    code = 0
    while (text := _message()) is not None:
        if not text.strip():
            continue
        try:
            if text.startswith("/"):
                told = talk.order(text)
                if told is None:
                    return code
                screen.say(told)
            else:
                reply = talk.say(text, (lambda piece: None) if emit is not None else _print)
                if emit is not None:
                    emit(reply.json(name))
                else:
                    print()
        except (UsageError, ModelError) as error:
            screen.say(str(error))
            code = _PARTIAL
    return code


def _print(piece: str) -> None:
    print(piece, end="", flush=True)


def _message() -> str | None:
    """The next message: a line, or all between two marks of three quotation marks; None at the end."""
    print(">>> ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        return None
    text = line.rstrip("\n")
    if not text.startswith('"""'):
        return text
    text = text[3:]
    while not text.rstrip().endswith('"""'):
        more = sys.stdin.readline()
        if not more:
            return text
        text += "\n" + more.rstrip("\n")
    return text.rstrip()[:-3]
