"""The names of OpenTelemetry's conventions for generative AI: https://github.com/open-telemetry/semantic-conventions-genai

They are still "in development" there, so they stand in this one place, as of the middle of 2026.
"""

from __future__ import annotations

from typing import Final

OPERATIONS: Final = {
    "chat": "chat",
    "completion": "text_completion",
    "embeddings": "embeddings",
    "rerank": "rerank",  # not among the well-known values, which may be added to
    "search": "retrieval",
    "ask": "invoke_agent",
}
"""Our kinds of requests, in the words of `gen_ai.operation.name`."""

STEPS: Final = {"retrieve": "retrieval", "generate": "chat"}
"""The steps of an answer that are operations of their own."""

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
DATA_SOURCE: Final = "gen_ai.data_source.id"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
ERROR_TYPE: Final = "error.type"

ASKED: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
}
"""Parameters of a request."""

OURS: Final = "wellread."
"""What the names of our own attributes begin with."""

WITH_WORDS: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The environment variable by which somebody asks for what was said to be exported, too."""
