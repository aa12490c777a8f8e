"""HEAD and POST /api/blobs/DIGEST: files that are sent, to make models from. https://docs.ollama.com/api/create

The digest is the only name that such a file has, and is nothing but 64 hexadecimal digits: a name with a path in it was
CVE-2024-37032. What does not have the digest it is sent under, or is a GGUF file that lies about itself, is not kept.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from starlette.responses import Response

from wellread.errors import ModelError
from wellread.models.download import require_space, writing
from wellread.server.errors import Refused, wrong
from wellread.server.exchange import Exchange

_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")


def digest_in(text: str) -> str:
    """The 64 hexadecimal digits of "sha256:...". Raises `Refused` for anything else."""
    found = _DIGEST.fullmatch(text)
    if found is None:
        raise wrong("digest", "that is no digest", hint='"sha256:" and 64 hexadecimal digits')
    return found[1]


async def blob_here(exchange: Exchange) -> Response:
    """200 where the file is here, 404 where it is not."""
    path = exchange.runtime.models.store.blobs.path(digest_in(exchange.request.path_params["digest"]))
    return Response(status_code=200 if path.is_file() else 404)


async def put_blob(exchange: Exchange) -> Response:
    """Take a file in; 201 where it is new."""
    if exchange.caller.libraries is not None:
        raise Refused(403, "not_allowed", "this token is for libraries, and not for the models of this machine")
    blobs = exchange.runtime.models.store.blobs
    sha256 = digest_in(exchange.request.path_params["digest"])
    if blobs.path(sha256).is_file():
        return Response(status_code=200)
    told = exchange.request.headers.get("content-length", "")
    coming = int(told) if told.isascii() and told.isdigit() and len(told) < 16 else 0
    most = exchange.runtime.bounds.blob_bytes
    if coming > most:
        raise _too_large(most)
    with blobs.receiving(sha256) as path:
        require_space(path.parent, coming)
        await _receive(exchange, path, most)
        try:
            right = await asyncio.to_thread(blobs.let_in, path, sha256)
        except ModelError as error:
            raise wrong("digest", error.message.rstrip("."), hint=error.hint) from error
        if not right:
            raise wrong("digest", "what was sent does not have this digest")
    return Response(status_code=201)


async def _receive(exchange: Exchange, path: Path, most: int) -> None:
    """Write the body to a file. Raises `Refused` where it is too large, or stands still."""
    silence_s, size = exchange.runtime.bounds.body_s, 0
    pieces = exchange.request.stream()
    with writing(path), path.open("wb") as file:
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise Refused(408, "timeout", f"nothing arrived for {silence_s:.0f} seconds") from None
            if piece is None:
                return
            size += len(piece)
            if size > most:
                raise _too_large(most)
            await asyncio.to_thread(file.write, piece)


def _too_large(most: int) -> Refused:
    return Refused(413, "request_too_large", f"the file is larger than {most >> 20} MiB")
