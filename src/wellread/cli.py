"""The command line. stdout is data; progress and messages go to stderr; exit codes are 0 ok, 1 failed, 2 usage, 3 partial, 130 stopped.

A command is a function of its parsed arguments. What it needs is imported inside, so that `wellread --help` costs nothing.
"""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from wellread.errors import DiskFull, ModelError, UsageError, WellreadError, suggest

if TYPE_CHECKING:
    from wellread.config import Loaded
    from wellread.index.rows import Failure
    from wellread.library import Library
    from wellread.options import Options
    from wellread.parts import Parts
    from wellread.sync import SyncReport
    from wellread.terminal import Screen

OK, FAILED, USAGE, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 130

_SETTINGS = (
    "library", "model", "base_url", "engine", "threads", "context_window", "embedder", "offline", "jobs", "private_addresses",
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """argparse, with our way of saying what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}.", hint=self._hint(message))

    def _hint(self, message: str) -> str:
        options = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        if unknown := re.search(r"unrecognized arguments: (--[\w-]+)", message):
            found = suggest(unknown[1], options)
        elif choice := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            found = suggest(choice[1], re.findall(r"[\w-]+", choice[2]))
        else:
            found = None
        return found or f"see `{self.prog} --help`"


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
    parsed, unknown = _parser().parse_known_args(arguments)
    if unknown:
        parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return int(parsed.run(parsed))


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


# --- arguments


def _parser() -> _Parser:
    from wellread import __version__

    parser = _Parser(
        prog="wellread",
        description="Ask questions of your own documents, on your own computer, and see where each answer comes from.",
    )
    parser.add_argument("--version", action="version", version=f"wellread {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _ask_arguments(_command(commands, "ask", "answer a question from documents", _ask))
    add = _command(commands, "add", "add files, folders, web pages and site maps to a library", _add)
    add.add_argument("paths", nargs="+", metavar="PATH_OR_URL")
    sync = _command(commands, "sync", "bring a library into step with its files", _sync)
    sync.add_argument("--watch", action="store_true", help="go on, and sync again whenever a file changes")
    _command(commands, "reindex", "split and embed all documents anew, also with another --embedder", _reindex)
    listing = _command(commands, "list", "list the documents of a library", _list)
    listing.add_argument("--failed", action="store_true", help="list the files that could not be read instead")
    remove = _command(commands, "remove", "remove documents by path, folder, address or id", _remove)
    remove.add_argument("what", nargs="+", metavar="PATH_OR_ID")
    works = {
        name: _command(commands, name, text, _upkeep)
        for name, text in (
            ("doctor", "check that a library is whole"),
            ("backup", "save a library in one file, also while it is in use"),
            ("restore", "make a library of a backup"),
            ("vacuum", "free the room of what was removed, so that no byte of it is left"),
        )
    }
    for name, command in works.items():
        command.set_defaults(work=name)
    works["doctor"].add_argument("--repair", action="store_true", help="put right what can be")
    for name in ("backup", "restore"):
        works[name].add_argument("file", metavar="FILE")
        works[name].add_argument("--overwrite", action="store_true", help="replace what is there")
    search = _command(commands, "search", "show the passages that match a query, and why", _search)
    search.add_argument("query", metavar="QUERY")
    search.add_argument(
        "--in", dest="sources", action="append", nargs="+", metavar="PATH_OR_URL", help="search these files instead of a library"
    )
    search.add_argument("--limit", type=int, default=8, help="how many passages (default 8)")
    _chat_arguments(_command(commands, "chat", "ask one question after another", _chat))
    trace = _command(commands, "trace", "show how an answer came about", _trace)
    trace.add_argument("id", nargs="?", metavar="ID")
    trace.add_argument(
        "--in", dest="sources", action="append", nargs="+", metavar="PATH", help="traces of questions asked with the same --in"
    )
    config = _command(commands, "config", "show the settings in force", _config)
    config.add_argument("--origin", action="store_true", help="also where each value came from")
    return parser


def _command(commands: argparse._SubParsersAction[_Parser], name: str, text: str, run: Callable[[argparse.Namespace], int]) -> _Parser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    settings = parser.add_argument_group("settings", "also WELLREAD_... in the environment and keys of wellread.toml")
    settings.add_argument("--library", metavar="DIR", help="the library (default library.wellread)")
    settings.add_argument("--model", metavar="MODEL", help='a name, a .gguf file, "openai:NAME", or "none" (default smollm2:135m)')
    settings.add_argument("--base-url", metavar="URL", help='server of an "openai:NAME" model')
    settings.add_argument("--engine", metavar="ENGINE", help='"auto", "openvino" or "llamacpp"')
    settings.add_argument("--threads", type=int, metavar="N", help="threads for local models")
    settings.add_argument("--context-window", type=int, metavar="TOKENS", help="how much a local chat model may read and write")
    settings.add_argument("--embedder", metavar="NAME", help='"auto", "all-minilm" or "multilingual-e5-small"')
    settings.add_argument("--jobs", type=int, metavar="N", help="files read at the same time")
    settings.add_argument("--private-addresses", action="store_true", default=None, help="fetch pages from this machine and network too")
    settings.add_argument("--offline", action="store_true", default=None, help="never touch the network")
    return parser


def _ask_arguments(parser: _Parser) -> None:
    parser.add_argument("question", metavar="QUESTION", nargs="?")
    _chat_arguments(parser)


def _chat_arguments(parser: _Parser) -> None:
    parser.add_argument(
        "--in", dest="sources", action="append", nargs="+", metavar="PATH_OR_URL", help="answer from these files, folders and web pages"
    )
    parser.add_argument("--mode", default="auto", metavar="MODE", help='"auto", "compact" (the model writes) or "extract" (quotes only)')
    parser.add_argument("--strict", action="store_true", help="drop sentences that nothing supports")
    parser.add_argument("--show-prompt", action="store_true", help="print what the model was sent, to stderr")


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
                if not answer.refused:
                    history.append((question, answer.text))
    return code


def _add(arguments: argparse.Namespace) -> int:
    from wellread.library import check_root
    from wellread.terminal import Screen

    for path in arguments.paths:
        check_root(path)
    screen = Screen()
    with _parts(arguments, screen) as parts, _named(arguments, parts) as library:
        report = library.add(*arguments.paths, progress=screen.progress)
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

    screen = Screen()
    with _parts(arguments, screen) as parts, _existing(arguments, parts) as library:
        if arguments.failed:
            failures = list(library.store.failures().values())
            if arguments.json:
                _print_json([dataclasses.asdict(failure) for failure in failures])
            for failure in [] if arguments.json else failures:
                print(f"{failure.path}: {failure.message}")
            return OK
        documents = library.documents()
        if arguments.json:
            _print_json([dataclasses.asdict(document) for document in documents])
        else:
            for document in documents:
                pages = f"{document.pages} pages, " if document.pages else ""
                print(f"{document.id[:8]}  {document.title}  ({pages}{document.chunks} chunks)  {', '.join(document.sources)}")
            if not documents:
                screen.say("The library is empty. Add something with: wellread add PATH")
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
        if arguments.work == "restore":
            return upkeep.bring_back(expanded(arguments.file), folder, screen, overwrite=arguments.overwrite, as_json=as_json)
        _check_place(arguments, parts)
        if arguments.work == "backup":
            return upkeep.save(folder, expanded(arguments.file), screen, overwrite=arguments.overwrite, as_json=as_json)
        if arguments.work == "vacuum":
            return upkeep.shrink(folder, screen, as_json=as_json)
        return upkeep.doctor(folder, parts, screen, mend=arguments.repair, as_json=as_json)


def _search(arguments: argparse.Namespace) -> int:
    from wellread.record import hit_json
    from wellread.terminal import Screen

    if arguments.limit < 1:
        raise UsageError(f"--limit must be at least 1, not {arguments.limit}.", hint="leave it out to see 8")
    screen = Screen()
    with _parts(arguments, screen) as parts:
        library, report = _opened(arguments, parts, screen)
        with library:
            hits = library.search(arguments.query, limit=arguments.limit)
    if arguments.json:
        _print_json([hit_json(hit) for hit in hits])
    else:
        screen.hits(hits)
    return PARTIAL if report is not None and report.failed else OK


def _trace(arguments: argparse.Namespace) -> int:
    from wellread.terminal import Screen

    screen = Screen()
    with _parts(arguments, screen) as parts, _existing(arguments, parts) as library:
        if arguments.id is None:
            traces = library.store.traces()
            if arguments.json:
                _print_json(traces)
            else:
                screen.traces(traces)
        elif arguments.json:
            _print_json(library.trace(arguments.id))
        else:
            screen.trace(library.trace(arguments.id))
    return OK


def _config(arguments: argparse.Namespace) -> int:
    import dataclasses

    loaded = _loaded(arguments)
    values = {name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(loaded.settings).items()}
    if arguments.json:
        _print_json(
            {name: {"value": value, "origin": loaded.origin[name]} for name, value in values.items()} if arguments.origin else values
        )
    else:
        for name, value in values.items():
            print(f"{name} = {value!r}" + (f"  # {loaded.origin[name]}" if arguments.origin else ""))
    return OK


# --- shared


def _options(arguments: argparse.Namespace) -> Options:
    from wellread.options import Options

    return Options(mode=arguments.mode, strict=arguments.strict)


def _loaded(arguments: argparse.Namespace) -> Loaded:
    from wellread.config import load, override

    return override(load(), {name: getattr(arguments, name) for name in _SETTINGS})


def _parts(arguments: argparse.Namespace, screen: Screen) -> Parts:
    from wellread.parts import Parts

    return Parts(_loaded(arguments).settings, progress=screen.progress)


def _question(arguments: argparse.Namespace) -> str:
    """The question, also where it was written after `--in PATH` and so was taken for one more path."""
    question: str | None = arguments.question
    if question is None and arguments.sources and len(arguments.sources[-1]) > 1 and not Path(arguments.sources[-1][-1]).exists():
        question = arguments.sources[-1].pop()
    if question is None or not question.strip():
        raise UsageError(
            "there is no question." if question is None else "the question is empty.",
            hint='ask something, as in: wellread ask "What is this about?"',
        )
    return question


def _sources(arguments: argparse.Namespace) -> list[str]:
    return [source for group in getattr(arguments, "sources", None) or [] for source in group]


def _named(arguments: argparse.Namespace, parts: Parts) -> Library:
    """The library that the settings name, or that of the given files."""
    from wellread.library import cached, open

    sources = _sources(arguments)
    return cached(sources, parts=parts) if sources else open(parts.settings.library, parts=parts)


def _existing(arguments: argparse.Namespace, parts: Parts) -> Library:
    """The library, if there is one: looking into a library that does not exist makes none."""
    if not _sources(arguments):
        _check_place(arguments, parts)
    return _named(arguments, parts)


def _check_place(arguments: argparse.Namespace, parts: Parts) -> None:
    """Raise `UsageError` unless the files to ask, or the library, are there."""
    from wellread.library import check_root
    from wellread.places import folder_of

    sources = _sources(arguments)
    for source in sources:
        check_root(source)
    folder = folder_of(parts.settings.library)
    if not sources and not (folder / "library.db").exists():
        near = suggest(folder.stem, [path.stem for path in folder.parent.glob("*.wellread")])
        raise UsageError(f"there is no library {folder}.", hint=near or "make one with: wellread add PATH, or ask files directly with --in")


def _opened(arguments: argparse.Namespace, parts: Parts, screen: Screen) -> tuple[Library, SyncReport | None]:
    """The library to ask, brought into step first when it is that of `--in`."""
    _check_place(arguments, parts)
    sources = _sources(arguments)
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
