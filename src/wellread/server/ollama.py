"""Ollama's API, under /api: https://docs.ollama.com/api"""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from wellread import __version__
from wellread.server import bodies
from wellread.server.errors import Refused
from wellread.server.exchange import Exchange, Json, Protocol, Route
from wellread.server.ollama_blobs import blob_here, put_blob
from wellread.server.ollama_chat import chat
from wellread.server.ollama_embed import embed, embeddings
from wellread.server.ollama_generate import generate
from wellread.server.ollama_lines import ollama_error
from wellread.server.ollama_models import ps, show, tags
from wellread.server.ollama_store import copy, create, delete, pull, push

_SPOKEN = "0.13.0"
"""The version of Ollama whose API is spoken: clients look whether it is new enough for them."""


async def version(exchange: Exchange) -> Response:
    """Which API is spoken, and by whom."""
    return Json({"version": _SPOKEN, "wellread": __version__})


async def root(exchange: Exchange) -> Response:
    """That a server is here, in the words that clients look for. Raises `Refused` (404) to those who want a page."""
    if "text/html" in exchange.request.headers.get("accept", ""):
        raise Refused(404, "not_found", "there is nothing at this path")
    return PlainTextResponse("Ollama is running (its API is spoken here by Wellread)")


OLLAMA = Protocol(
    "/api",
    (
        Route("GET", "/", root, "Whether the server is there."),
        Route("GET", "/api/version", version, "Which API is spoken."),
        Route("POST", "/api/generate", generate, "Answer a prompt; load or unload a model.", body=bodies.GENERATE),
        Route("POST", "/api/chat", chat, "Answer a conversation; load or unload a model.", body=bodies.OLLAMA_CHAT),
        Route("POST", "/api/embed", embed, "Vectors of texts.", body=bodies.EMBED),
        Route("POST", "/api/embeddings", embeddings, "The vector of a text, the old way.", body=bodies.OLD_EMBEDDINGS),
        Route("GET", "/api/tags", tags, "The models and libraries that are here."),
        Route("POST", "/api/show", show, "What a model is.", body=bodies.MODEL),
        Route("GET", "/api/ps", ps, "The models that are loaded."),
        Route("POST", "/api/pull", pull, "Fetch a model.", writes=True, body=bodies.PULL),
        Route("POST", "/api/push", push, "Not done here.", writes=True, body=bodies.MODEL),
        Route("POST", "/api/create", create, "Make a model from another one.", writes=True, body=bodies.CREATE),
        Route("POST", "/api/copy", copy, "Give a model one more name.", writes=True, body=bodies.COPY),
        Route("DELETE", "/api/delete", delete, "Remove a model.", writes=True, body=bodies.MODEL),
        Route("HEAD", "/api/blobs/{digest}", blob_here, "Whether a file is here."),
        Route(
            "POST",
            "/api/blobs/{digest}",
            put_blob,
            "Send a file for a model.",
            writes=True,
            media=bodies.BLOB,
            status=201,
            others={200: "it is here already"},
        ),
    ),
    ollama_error,
)
