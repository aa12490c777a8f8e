"""How a made model speaks: what goes with its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wellread.models.parameters import Value
from wellread.types import Message, Sampling

_PLAIN_SAMPLING = Sampling()
_SHARED = ("temperature", "top_p", "top_k", "min_p", "seed", "repeat_penalty", "presence_penalty", "frequency_penalty")


@dataclass(frozen=True, slots=True)
class Manner:
    """What a Modelfile adds to weights; all of it may be empty.

    base: the model it was made from.
    system: instructions that go before every conversation.
    template: the chat template, as it was written (Jinja, or a Go template that is known); empty for the weights' own.
    parameters: names and values (see `parameters`); "stop" may be there several times.
    messages: turns that every conversation begins with.
    licences: their texts.
    """

    base: str = ""
    system: str = ""
    template: str = ""
    parameters: tuple[tuple[str, Value], ...] = ()
    messages: tuple[Message, ...] = ()
    licences: tuple[str, ...] = ()

    def parameter(self, name: str) -> Value | None:
        """The value of a parameter that is there once at most."""
        return dict(self.parameters).get(name)

    def over(self, under: Manner) -> Manner:
        """This manner on top of another: where it says nothing, the other's holds, parameter by parameter; licences add up."""
        names = {name for name, _ in self.parameters}
        return Manner(
            base=self.base or under.base,
            system=self.system or under.system,
            template=self.template or under.template,
            parameters=(*(each for each in under.parameters if each[0] not in names), *self.parameters),
            messages=self.messages or under.messages,
            licences=tuple(dict.fromkeys([*under.licences, *self.licences])),
        )

    def shaped(self, messages: Sequence[Message]) -> list[Message]:
        """A conversation as the model gets it: its own instructions stand before those of the conversation, then its own turns."""
        rest = list(messages)
        systems = [self.system] if self.system else []
        if rest and rest[0].role == "system":
            systems.append(rest.pop(0).content)
        head = [Message("system", "\n\n".join(systems))] if systems else []
        return [*head, *self.messages, *rest]

    def sampled(self, sampling: Sampling) -> Sampling:
        """How tokens are chosen: what a request leaves as it is by default comes from the parameters; stop texts are joined."""
        given = dict(self.parameters)
        wanted: dict[str, Value] = {name: given[name] for name in _SHARED if name in given}
        longest = given.get("num_predict")
        if isinstance(longest, int) and longest > 0:
            wanted["max_tokens"] = longest
        fresh = {name: value for name, value in wanted.items() if getattr(sampling, name) == getattr(_PLAIN_SAMPLING, name)}
        stops = [str(value) for name, value in self.parameters if name == "stop"]
        return replace(sampling, stop=tuple(dict.fromkeys([*sampling.stop, *stops])), **fresh)  # type: ignore[arg-type]


PLAIN = Manner()
