"""OpenAI's protocol, and what others put beside it under /v1."""

from __future__ import annotations

from wellread.server import bodies
from wellread.server.errors import openai_error
from wellread.server.exchange import Protocol, Route
from wellread.server.models import model, models
from wellread.server.openai_chat import chat_completions
from wellread.server.openai_completions import completions
from wellread.server.openai_embeddings import embeddings
from wellread.server.openai_responses import delete, items, responses, retrieve
from wellread.server.rerank import rerank
from wellread.server.tokens import tokenize, tokenizer_info

OPENAI = Protocol(
    "/v1",
    (
        Route("GET", "/v1/models", models, "What can be asked."),
        Route("GET", "/v1/models/{id:path}", model, "One model."),
        Route("POST", "/v1/chat/completions", chat_completions, "Answer a conversation.", body=bodies.CHAT),
        Route("POST", "/v1/completions", completions, "Go on from a text.", body=bodies.COMPLETION),
        Route("POST", "/v1/embeddings", embeddings, "Vectors of texts.", body=bodies.EMBEDDINGS),
        Route("POST", "/v1/rerank", rerank, "Texts in the order in which they answer a question.", body=bodies.RERANK),
        Route("POST", "/v1/responses", responses, "Answer a conversation, which is kept.", body=bodies.RESPONSE),
        Route("GET", "/v1/responses/{id}", retrieve, "An answer that was kept."),
        Route("DELETE", "/v1/responses/{id}", delete, "Forget an answer.", writes=True),
        Route("GET", "/v1/responses/{id}/input_items", items, "What an answer was given to."),
        Route("POST", "/tokenize", tokenize, "The token numbers of a text."),
        Route("GET", "/tokenizer_info", tokenizer_info, "The markers and the chat template of a model."),
    ),
    openai_error,
)
