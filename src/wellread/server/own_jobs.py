"""Jobs of /api/v1: syncs and evaluations are begun here; how far they are, what came of them, and their end before time."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from starlette.responses import Response

from wellread.index.tags import tag_names
from wellread.server.asked import asked
from wellread.server.errors import Refused, openai_error, wrong
from wellread.server.exchange import Exchange, Json
from wellread.server.jobs import OVER, Job
from wellread.server.own_libraries import MOST, named, number
from wellread.server.sse import Form, event

_LOOK_EVERY_S = 0.2
_HEARTBEAT_S = 10.0
_MOST_QUESTIONS = 2_000
_MOST_WAITING = 100


async def sync(exchange: Exchange) -> Response:
    """Bring a library into step with the files that it follows, or have it follow a folder of the server's machine."""
    name, fields = named(exchange), await exchange.fields()
    fields.only({"path", "tags"})
    path = fields.maybe_text("path")
    tags = list(tag_names(fields.texts("tags", most=100)))
    if path is None and tags:
        raise wrong("tags", "tags go with a path")
    request = {"path": None if path is None else str(await asyncio.to_thread(_allowed, exchange, path)), "tags": tags}
    return await _begin(exchange, "sync", name, request)


async def evaluate(exchange: Exchange) -> Response:
    """Put questions to a library and score what it answers."""
    name, fields = named(exchange), await exchange.fields()
    fields.only({"questions", "options"})
    questions = [row.values for row in fields.objects("questions", most=_MOST_QUESTIONS)]
    if not questions:
        raise wrong("questions", '"questions" is empty', hint='a question is {"question": "...", "answers": ["..."]}')
    options = asked(fields.inner("options"), exchange.runtime.parts.settings)
    return await _begin(exchange, "evaluate", name, {"questions": questions, "options": dataclasses.asdict(options)})


async def jobs(exchange: Exchange) -> Response:
    """The caller's jobs, the newest first."""
    limit = number(exchange.query({"limit": ""}), "limit", 20, most=MOST)

    def make() -> dict[str, Any]:
        found = exchange.runtime.jobs.of(exchange.caller.name, limit)
        return {"jobs": [job.json(whole=False) for job in found if exchange.caller.may_see(job.library)]}

    return await exchange.quickly(make)


async def job(exchange: Exchange) -> Response:
    """A job: how far it is, and what came of it."""
    return await exchange.quickly(lambda: _seen(exchange).json())


async def watch(exchange: Exchange) -> Response:
    """A job's progress as events "progress", and at its end "end" with all of it."""
    await asyncio.to_thread(_seen, exchange)

    def events(stop: threading.Event) -> Generator[str, None, None]:
        last, told = None, time.monotonic()
        while not stop.is_set():
            now = _seen(exchange)
            if now.state in OVER:
                yield event(now.json(), "end")
                return
            if now != last:
                last, told = now, time.monotonic()
                yield event(now.json(whole=False), "progress")
            elif time.monotonic() - told > _HEARTBEAT_S:
                told = time.monotonic()
                yield ": waiting\n\n"
            stop.wait(_LOOK_EVERY_S)

    return await exchange.watch(events, Form(lambda refused: event(openai_error(refused), "error")))


async def cancel(exchange: Exchange) -> Response:
    """Cancel a job, or forget one that is over. What it has done already stays."""
    runtime = exchange.runtime

    def make() -> dict[str, Any]:
        found = _seen(exchange)
        if found.state in OVER:
            runtime.jobs.forget(found.id)
            return {"id": found.id, "deleted": True}
        check_runs(exchange)
        runtime.runner.cancel(found.id)
        return _seen(exchange).json()

    return await exchange.quickly(make)


def check_runs(exchange: Exchange) -> None:
    """Raise `Refused` where another server works on the jobs (503)."""
    if not exchange.runtime.runner.here:
        raise Refused(503, "jobs_elsewhere", "another server on this machine works on the jobs", hint="ask that one, or set WELLREAD_HOME")


def check_may_begin(exchange: Exchange) -> None:
    """Raise `Refused` where another server works on the jobs (503), or the caller has begun too many (429)."""
    check_runs(exchange)
    if exchange.runtime.jobs.waiting(exchange.caller.name) >= _MOST_WAITING:
        raise Refused(429, "too_many_jobs", f"{_MOST_WAITING} of your jobs are not done yet", hint="wait for them", retry_after=30)


async def _begin(exchange: Exchange, kind: str, name: str, request: dict[str, Any]) -> Response:
    def make() -> dict[str, Any]:
        check_may_begin(exchange)
        begun = exchange.runtime.jobs.add(kind, name, exchange.caller.name, request)
        exchange.runtime.runner.wake()
        return begun.json()

    return Json(await asyncio.to_thread(make), 202)


def _seen(exchange: Exchange) -> Job:
    """The job that the address names. Raises `Refused` (404) also for another caller's."""
    found = exchange.runtime.jobs.get(exchange.request.path_params["id"])
    if found is None or found.owner != exchange.caller.name or not exchange.caller.may_see(found.library):
        raise Refused(404, "job_not_found", "there is no such job", "id")
    return found


def _allowed(exchange: Exchange, path: str) -> Path:
    """A path of the server's machine, without links, where the server was started with leave to read it. Raises `Refused`; what is
    outside gets the same answer whether it is there or not."""
    if "\0" in path or not Path(path).is_absolute():
        raise wrong("path", '"path" must be an absolute path', code="invalid_name")
    try:
        real = Path(path).resolve()
    except (OSError, RuntimeError):  # a link that leads to itself, a name that is too long
        raise _not_allowed() from None
    if not any(real.is_relative_to(folder) for folder in exchange.runtime.allowed):
        raise _not_allowed()
    try:
        there = real.exists()
    except OSError:
        there = False
    if not there:
        raise wrong("path", "there is no such file or folder")
    return real


def _not_allowed() -> Refused:
    return Refused(
        403, "path_not_allowed", "this server may not read that path", "path", "start it with --allow-path FOLDER, or send the files"
    )
