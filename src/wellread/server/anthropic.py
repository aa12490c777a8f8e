"""Anthropic's protocol, at /v1/messages. A token may come as `x-api-key`; the header `anthropic-version` is not looked at."""

from __future__ import annotations

from wellread.server import bodies
from wellread.server.anthropic_errors import anthropic_error
from wellread.server.anthropic_messages import count_tokens, messages
from wellread.server.exchange import Protocol, Route

ANTHROPIC = Protocol(
    "/v1/messages",
    (
        Route("POST", "/v1/messages", messages, "Answer a conversation, in the words of Anthropic's API.", body=bodies.MESSAGES),
        Route("POST", "/v1/messages/count_tokens", count_tokens, "How many tokens a conversation takes.", body=bodies.COUNTED),
    ),
    anthropic_error,
)
