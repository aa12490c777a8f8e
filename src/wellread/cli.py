"""The command line. stdout is data; progress and messages go to stderr; exit codes are 0 ok, 1 failed, 2 usage, 3 partial, 130 stopped.

A command is a function of its parsed arguments. What it needs is imported inside, so that `wellread --help` costs nothing.
"""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wellread.arguments import SETTINGS, after_in, parse, sources_of
from wellread.errors import DiskFull, ModelError, UsageError, WellreadError, suggest

if TYPE_CHECKING:
    from wellread.config import Loaded
    from wellread.evaluate.subject import Subject
    from wellread.evaluate.task import Task
    from wellread.index.rows import Failure
    from wellread.library import Library
    from wellread.models.base import ChatModel
    from wellread.options import Options
    from wellread.parts import Parts
    from wellread.recipe import Recipe
    from wellread.sync import SyncReport
    from wellread.terminal import Screen

OK, FAILED, USAGE, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if sys.stdout is None:  # closed by whoever started us
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (it lives as long as we do)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a sign is no reason to stop
    os.umask(0o077)  # what people read is nobody else's business
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()  # while it can still be told that this fails
    except WellreadError as error:
        return _failed(error)
    except KeyboardInterrupt:
        print("\nwellread: stopped; what was done is kept.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away: that is its right
        _drop_output()
        return OK
    except OSError as error:
        _drop_output()
        where = f" ({error.filename})" if error.filename else ""
        if error.errno == errno.ENOSPC:
            return _failed(DiskFull(f"there is no room left on the disk{where}.", hint="free some space and run the same command again"))
        return _failed(WellreadError(f"{error.strerror or error}{where}.", hint="check the path and its permissions"))


def _run(arguments: Sequence[str]) -> int:
    for argument in arguments:
        if not argument.isascii() and argument != argument.encode(errors="replace").decode():
            raise UsageError(f"{argument.encode(errors='backslashreplace').decode()} is not valid text.", hint="write it in UTF-8")
    parsed = parse(arguments)
    return _COMMANDS[parsed.command](parsed)


def _drop_output() -> None:
    """See to it that the interpreter, when it ends, does not stumble over output that nobody can take."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error: WellreadError) -> int:
    print(f"wellread: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    return error.exit_code


# --- commands


def _ask(arguments: argparse.Namespace) -> int:
    from wellread.terminal import Screen

    options = _options(arguments)
    question = _question(arguments)
    screen = Screen()
    with _parts(arguments, screen) as parts:
        _check_place(arguments, parts)
        if options.mode != "extract":
            parts.writer()  # it loads while the files are looked at
        library, report = _opened(arguments, parts, screen)
        with library:
            answer = screen.answer(library.stream(question, options=options), live=not arguments.json)
            if arguments.show_prompt:
                screen.prompt(library.trace(answer.trace_id))
            if arguments.json:
                from wellread.record import answer_json

                _print_json(answer_json(answer))
    return PARTIAL if report is not None and report.failed else OK


def _chat(arguments: argparse.Namespace) -> int:
    from wellread.terminal import Screen
    from wellread.types import marked_text

    options = _options(arguments)
    screen = Screen()
    with _parts(arguments, screen) as parts:
        _check_place(arguments, parts)
        if options.mode != "extract":
            parts.writer()
        library, _ = _opened(arguments, parts, screen)
        with library:
            history: list[tuple[str, str]] = []
            code = OK
            screen.say("Ask about your documents; an empty line or Ctrl-D ends.")
            while (question := screen.question()) is not None:
                try:
                    answer = screen.answer(library.stream(question, options=options, history=history), live=not arguments.json)
                except (UsageError, ModelError) as error:  # the next question may fare better
                    screen.say(str(error))
                    code = PARTIAL
                    continue
                if arguments.json:
                    from wellread.record import answer_json

                    _print_json(answer_json(answer), compact=True)
                if arguments.show_prompt:
                    screen.prompt(library.trace(answer.trace_id))
                if not answer.refused:
                    history.append((question, marked_text(answer)))
    return code


def _add(arguments: argparse.Namespace) -> int:
    from wellread.library import check_root
    from wellread.terminal import Screen

    for path in arguments.paths:
        check_root(path)
    screen = Screen()
    with _parts(arguments, screen) as parts, _named(arguments, parts) as library:
        report = library.add(*arguments.paths, tags=arguments.tags, untag=arguments.untag, progress=screen.progress)
        return _reported(arguments, report, screen)


def _sync(arguments: argparse.Namespace) -> int:
    from wellread.terminal import Screen

    screen = Screen()
    with _parts(arguments, screen) as parts, _existing(arguments, parts) as library:
        if not arguments.watch:
            return _reported(arguments, library.sync(progress=screen.progress), screen)
        told: list[Failure] = []
        for report in library.watch(screen.progress):
            now = report.failed
            report.failed = [failure for failure in now if failure not in told]
            told = now
            if report.changed or report.failed:
                _reported(arguments, report, screen, compact=True)
            screen.say("Watching; Ctrl-C ends.")
    return OK


def _reindex(arguments: argparse.Namespace) -> int:
    from wellread.terminal import Screen

    screen = Screen()
    with _parts(arguments, screen) as parts, _existing(arguments, parts) as library:
        done = library.reindex(progress=screen.progress)
        name = library.store.meta("embedder")
        if arguments.json:
            _print_json({"reindexed": done, "embedder": name})
        else:
            screen.say(f"Reindexed {done} document{'s' * (done != 1)} with {name}.")
    return OK


def _list(arguments: argparse.Namespace) -> int:
    import dataclasses

    from wellread.terminal import Screen

    _check_filter(arguments.filter)
    if arguments.failed and arguments.filter is not None:
        raise UsageError("--filter is about documents, not about files that failed.", hint="leave out --filter or --failed")
    screen = Screen()
    with _parts(arguments, screen) as parts, _existing(arguments, parts) as library:
        if arguments.failed:
            failures = list(library.store.failures().values())
            if arguments.json:
                _print_json([dataclasses.asdict(failure) for failure in failures])
            for failure in [] if arguments.json else failures:
                print(f"{failure.path}: {failure.message}")
            return OK
        documents = library.documents(filter=arguments.filter)
        if arguments.json:
            _print_json([dataclasses.asdict(document) for document in documents])
        else:
            for document in documents:
                pages = f"{document.pages} pages, " if document.pages else ""
                tags = f"  [{', '.join(document.tags)}]" if document.tags else ""
                print(f"{document.id[:8]}  {document.title}  ({pages}{document.chunks} chunks)  {', '.join(document.sources)}{tags}")
        if not documents:
            _say_why(library, arguments.filter, screen)
    return OK


def _remove(arguments: argparse.Namespace) -> int:
    from wellread.terminal import Screen

    screen = Screen()
    with _parts(arguments, screen) as parts, _existing(arguments, parts) as library:
        gone = sum(library.remove(what) for what in arguments.what)
        if arguments.json:
            _print_json({"removed": gone})
        else:
            screen.say(f"Removed {gone} document{'s' * (gone != 1)}.")
    return OK


def _upkeep(arguments: argparse.Namespace) -> int:
    from wellread import upkeep
    from wellread.places import expanded, folder_of
    from wellread.terminal import Screen

    screen, as_json = Screen(), arguments.json
    with _parts(arguments, screen) as parts:
        folder = folder_of(parts.settings.library)
        if arguments.command == "restore":
            return upkeep.bring_back(expanded(arguments.file), folder, screen, overwrite=arguments.overwrite, as_json=as_json)
        _check_place(arguments, parts)
        if arguments.command == "backup":
            return upkeep.save(folder, expanded(arguments.file), screen, overwrite=arguments.overwrite, as_json=as_json)
        if arguments.command == "vacuum":
            return upkeep.shrink(folder, screen, as_json=as_json)
        return upkeep.doctor(folder, parts, screen, mend=arguments.repair, as_json=as_json)


def _search(arguments: argparse.Namespace) -> int:
    from wellread.record import hit_json
    from wellread.terminal import Screen

    if arguments.limit < 1:
        raise UsageError(f"--limit must be at least 1, not {arguments.limit}.", hint="leave it out to see 8")
    _check_filter(arguments.filter)
    recipe = _recipe(arguments)
    screen = Screen()
    with _parts(arguments, screen) as parts:
        library, report = _opened(arguments, parts, screen)
        with library:
            got = library.find(arguments.query, limit=arguments.limit, filter=arguments.filter, recipe=recipe)
            hits = got.hits
            if got.note:
                screen.say(f"Note: {got.note}.")
            barred = not hits and arguments.filter is not None and _say_why(library, arguments.filter, screen)
    if arguments.json:
        _print_json([hit_json(hit) for hit in hits])
    elif not barred:
        screen.hits(hits)
    return PARTIAL if report is not None and report.failed else OK


def _check(arguments: argparse.Namespace) -> int:
    from wellread.check_command import check
    from wellread.terminal import Screen

    _check_filter(arguments.filter)
    recipe, screen = _recipe(arguments), Screen()
    with _parts(arguments, screen) as parts, _opened(arguments, parts, screen)[0] as library:
        return check(library, arguments.file, arguments.filter, recipe, screen, as_json=arguments.json)


def _trace(arguments: argparse.Namespace) -> int:
    from wellread.terminal import Screen
    from wellread.trace_command import replay, trace

    screen = Screen()
    arguments.id = after_in(arguments, arguments.id)
    with _parts(arguments, screen) as parts:
        if arguments.replay:
            with _existing(arguments, parts) as library:
                return replay(arguments.id, library, screen, as_json=arguments.json)
        server = parts.settings.server_folder / "server.db"
        return trace(arguments.id, lambda: _existing(arguments, parts), server, screen, as_json=arguments.json)


def _config(arguments: argparse.Namespace) -> int:
    from wellread.upkeep import settings_in_force

    return settings_in_force(_loaded(arguments), with_origin=arguments.origin, as_json=arguments.json)


def _evaluate(arguments: argparse.Namespace) -> int:
    from contextlib import ExitStack

    from wellread import __version__
    from wellread.evaluate.command import Surroundings, evaluate
    from wellread.terminal import Screen

    screen = Screen()
    with _parts(arguments, screen) as parts, ExitStack() as opened:
        if arguments.evaluate == "make":
            from wellread.scoreboard.command import make_questions

            library, _ = _opened(arguments, parts, screen)
            return make_questions(opened.enter_context(library), arguments, screen)

        def chat() -> ChatModel | None:
            writer = parts.writer()
            return writer.model if writer is not None else None

        def examined(tasks: Sequence[Task]) -> Subject:
            from wellread.scoreboard.examinee import subject

            library, _ = _opened(arguments, parts, screen)
            return subject(opened.enter_context(library), tasks, _options(arguments))

        return evaluate(arguments, Surroundings(chat, screen.progress, screen.say, __version__, examined))


def _bench(arguments: argparse.Namespace) -> int:
    from wellread.bench.command import bench

    return bench(arguments, _loaded(arguments).settings)


def _models(arguments: argparse.Namespace) -> int:
    from wellread.models_command import models
    from wellread.terminal import Screen

    return models(arguments, _loaded(arguments).settings, Screen())


def _serve(arguments: argparse.Namespace) -> int:
    from wellread.config import override
    from wellread.parts import Parts
    from wellread.scoreboard.examinee import subject
    from wellread.server.command import serve
    from wellread.terminal import Screen

    settings = override(_loaded(arguments), {"keep_alive": arguments.keep_alive}).settings
    with Parts(settings, progress=Screen().progress, slots=arguments.slots) as parts:
        return serve(arguments, parts, subject)


def _mcp(arguments: argparse.Namespace) -> int:
    from wellread.server.mcp_command import mcp
    from wellread.terminal import Screen

    with _parts(arguments, Screen()) as parts:
        return mcp(arguments, parts)


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "ask": _ask, "add": _add, "sync": _sync, "reindex": _reindex, "list": _list, "remove": _remove, "search": _search, "chat": _chat,
    "trace": _trace, "config": _config, "doctor": _upkeep, "backup": _upkeep, "restore": _upkeep, "vacuum": _upkeep,
    "bench": _bench, "evaluate": _evaluate, "check": _check, "models": _models, "serve": _serve, "mcp": _mcp,
}  # fmt: skip


# --- shared


def _options(arguments: argparse.Namespace) -> Options:
    from wellread.options import Options

    _check_filter(arguments.filter)
    names = ("mode", "strict", "filter", "drafts", "whole", "max_calls", "max_tokens", "memory_tokens", "overflow")
    sure = _loaded(arguments).settings.min_confidence if arguments.min_confidence is None else arguments.min_confidence
    return Options(recipe=_recipe(arguments), min_confidence=sure, **{name: getattr(arguments, name) for name in names})


def _recipe(arguments: argparse.Namespace) -> Recipe:
    from wellread.recipe import Recipe

    names = ("by", "min_relevance", "mmr", "rerank", "expand")
    return Recipe(widen=getattr(arguments, "widen", "none"), **{name: getattr(arguments, name) for name in names})


def _check_filter(filter: str | None) -> None:
    """Raise `UsageError` for a filter that is none, before anything is loaded."""
    from wellread.index.filters import parse_filter

    if filter is not None:
        parse_filter(filter)


def _say_why(library: Library, filter: str | None, screen: Screen) -> bool:
    """Say that the library is empty, or that the filter lets nothing of it through. Returns whether that is so."""
    if not library.store.chunk_count():
        screen.say("The library is empty. Add something with: wellread add PATH")
        return True
    why = library.why_nothing(filter) if filter is not None else None
    if why is not None:
        screen.say(str(why))
    return why is not None


def _loaded(arguments: argparse.Namespace) -> Loaded:
    from wellread.config import load, override

    return override(load(), {name: getattr(arguments, name) for name in SETTINGS})


def _parts(arguments: argparse.Namespace, screen: Screen) -> Parts:
    from wellread.parts import Parts

    return Parts(_loaded(arguments).settings, progress=screen.progress)


def _question(arguments: argparse.Namespace) -> str:
    question = after_in(arguments, arguments.question)
    if question is None or not question.strip():
        raise UsageError(
            "there is no question." if question is None else "the question is empty.",
            hint='ask something, as in: wellread ask "What is this about?"',
        )
    return question


def _named(arguments: argparse.Namespace, parts: Parts) -> Library:
    """The library that the settings name, or that of the given files."""
    from wellread.library import cached, open

    sources = sources_of(arguments)
    return cached(sources, parts=parts) if sources else open(parts.settings.library, parts=parts)


def _existing(arguments: argparse.Namespace, parts: Parts) -> Library:
    """The library, if there is one: looking into a library that does not exist makes none."""
    if not sources_of(arguments):
        _check_place(arguments, parts)
    return _named(arguments, parts)


def _check_place(arguments: argparse.Namespace, parts: Parts) -> None:
    """Raise `UsageError` unless the files to ask, or the library, are there."""
    from wellread.library import check_root
    from wellread.places import folder_of

    sources = sources_of(arguments)
    for source in sources:
        check_root(source)
    folder = folder_of(parts.settings.library)
    if not sources and not (folder / "library.db").exists():
        near = suggest(folder.stem, [path.stem for path in folder.parent.glob("*.wellread")])
        raise UsageError(f"there is no library {folder}.", hint=near or "make one with: wellread add PATH, or ask files directly with --in")


def _opened(arguments: argparse.Namespace, parts: Parts, screen: Screen) -> tuple[Library, SyncReport | None]:
    """The library to ask, brought into step first when it is that of `--in`."""
    _check_place(arguments, parts)
    sources = sources_of(arguments)
    library = _named(arguments, parts)
    if not sources:
        return library, None
    try:
        report = library.add(*sources, progress=screen.progress)
        screen.failures(report.failed)
        if not library.documents():
            raise UsageError(f"nothing to read in {', '.join(sources)}.", hint="what was skipped, and why, is named above")
    except BaseException:
        library.close()
        raise
    return library, report


def _reported(arguments: argparse.Namespace, report: SyncReport, screen: Screen, *, compact: bool = False) -> int:
    import dataclasses

    if arguments.json:
        _print_json(dataclasses.asdict(report), compact=compact)
    else:
        screen.report(report)
    return PARTIAL if report.failed else OK


def _print_json(value: object, *, compact: bool = False) -> None:
    plain = "utf" not in (sys.stdout.encoding or "").lower()  # what cannot be shown is escaped, as JSON does it
    print(json.dumps(value, ensure_ascii=plain, indent=None if compact else 2), flush=True)
