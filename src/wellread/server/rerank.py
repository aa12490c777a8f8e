"""POST /v1/rerank, as Cohere (https://docs.cohere.com/reference/rerank) and Jina have it, and vLLM after them."""

from __future__ import annotations

import threading
from typing import Any

from starlette.responses import Response

from wellread.models.watched import Stopped
from wellread.server.body import Fields
from wellread.server.errors import Refused, wrong
from wellread.server.exchange import Exchange

_MOST_DOCUMENTS = 1_000
_BATCH = 16


async def rerank(exchange: Exchange) -> Response:
    """Texts in the order in which they answer a question."""
    fields = await exchange.fields()
    query, documents = fields.text("query"), _documents(fields)
    if not query.strip():
        raise wrong("query", '"query" is empty')
    most = fields.whole("top_n", len(documents), least=1)
    told, model = fields.flag("return_documents"), fields.text("model", "")

    def make(stop: threading.Event) -> dict[str, Any]:
        reranker = exchange.runtime.models.reranker()
        if model not in ("", reranker.name):
            raise Refused(404, "model_not_found", "there is no such reranker", "model", f'it is called "{reranker.name}"')
        scores: list[float] = []
        with exchange.tracing.work("rerank", reranker.name, texts=len(documents)):
            for at in range(0, len(documents), _BATCH):
                if stop.is_set():
                    raise Stopped("the request was stopped.")
                scores += [float(score) for score in reranker.score(query, documents[at : at + _BATCH])]
        order = sorted(range(len(documents)), key=lambda index: (-scores[index], index))[:most]
        return {"model": reranker.name, "results": [_row(index, scores[index], documents[index] if told else None) for index in order]}

    return await exchange.whole(make)


def _row(index: int, score: float, text: str | None) -> dict[str, Any]:
    return {"index": index, "relevance_score": score} | ({} if text is None else {"document": {"text": text}})


def _documents(fields: Fields) -> list[str]:
    """The texts; each is a string, or an object with its "text"."""
    found = []
    for position, item in enumerate(fields.items("documents", most=_MOST_DOCUMENTS)):
        path = f"documents[{position}]"
        found.append(Fields(item, path).text("text") if isinstance(item, dict) else Fields({path: item}).text(path))
    if not found:
        raise wrong("documents", '"documents" holds no text')
    return found
