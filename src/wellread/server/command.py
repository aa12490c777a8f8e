"""`wellread serve`: from its arguments to a server that runs until it is told to end."""

from __future__ import annotations

import argparse
import ipaddress
import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wellread.errors import UsageError
from wellread.parts import Parts
from wellread.places import expanded, folder_of
from wellread.server.app import app
from wellread.server.database import Database
from wellread.server.errands import Examined
from wellread.server.exchange import Caller
from wellread.server.export import export_of
from wellread.server.guard import Key, Policy, host_name
from wellread.server.log import Log
from wellread.server.resting import forget_what_rests_on_nothing
from wellread.server.run import Server, bound, end_on_signals
from wellread.server.runtime import Bounds, Runtime
from wellread.server.shelf import Shelf
from wellread.server.stored import StoredResponses

_SHORTEST_TOKEN = 16
_TOKEN_HINT = 'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one'


def serve(arguments: argparse.Namespace, parts: Parts, examined: Examined) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises `UsageError` for what would not be safe, and for a port that cannot be had."""
    policy = policy_of(arguments, os.environ)
    shelf = shelf_of(arguments, parts)
    bounds = Bounds(slots=arguments.slots, queue=arguments.queue, request_s=arguments.timeout)
    opened = [bound(arguments.host, port) for port in (arguments.port, arguments.ollama_port) if port is not None]
    log = Log(quiet=arguments.quiet)
    runtime = _runtime(arguments, parts, (shelf, bounds, log, examined))
    try:
        forget_what_rests_on_nothing(runtime)
        runtime.models.start()  # it loads while the first request is on its way
        server = Server(app(runtime, policy, log), opened[0], bounds, also=opened[1:])
        end_on_signals(server)  # before anybody is told that it is there, who may then end it
        addresses = [f"http://{_shown(arguments.host)}:{each.getsockname()[1]}" for each in opened]
        log.event(
            "serving", address=f"{addresses[0]}/v1", **({"ollama": addresses[1]} if addresses[1:] else {}), libraries=len(shelf.names())
        )
        if not runtime.runner.here:
            log.event("warning", message="another server on this machine works on the jobs", hint="ask that one, or set WELLREAD_HOME")
        if not shelf.names():
            log.event("hint", message="no library is here yet: wellread add PATH, or --libraries DIR")
        server.run()
        log.event("ended")
    finally:
        for each in opened:
            each.close()
        runtime.close()
    return 0


def _runtime(arguments: argparse.Namespace, parts: Parts, rest: tuple[Shelf, Bounds, Log, Examined]) -> Runtime:
    """What the protocols share. An export that cannot be had is told, and nothing is exported."""
    shelf, bounds, log, examined = rest
    allowed = [expanded(each) for each in arguments.allow_path]
    for folder in allowed:
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}.", hint="--allow-path takes a folder that may be read")
    export = None
    try:
        export = export_of(os.environ, lambda: log.event("warning", message="the collector of traces does not take them"))
    except UsageError as error:
        log.event("warning", message=error.message, hint=error.hint)
    folder = parts.settings.server_folder
    return Runtime(
        parts,
        shelf,
        StoredResponses(folder / "responses.db"),
        bounds,
        database=Database(folder / "server.db"),
        allowed=allowed,
        examined=examined,
        export=export,
        failed=log.failure,
    )


def policy_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Policy:
    """What the server lets through. Raises `UsageError` for an address that others can reach and no token to keep them out."""
    keys = _keys(arguments, environment)
    local = is_loopback(arguments.host)
    if not local and not keys:
        raise UsageError(
            f"{arguments.host} can be reached from other machines, so a token is needed.",
            hint=f"set WELLREAD_TOKEN or --token-file; {_TOKEN_HINT}",
        )
    hosts = {_host(name) for name in arguments.allow_host}
    if not local:
        hosts |= {arguments.host.lower(), socket.gethostname().lower()}
    for origin in arguments.allow_origin:
        if not origin.lower().startswith(("http://", "https://")) or origin.count("/") != 2:
            raise UsageError(f'"{origin}" is not a web origin.', hint="as in: --allow-origin https://chat.example")
    return Policy(keys, frozenset(hosts), not local, frozenset(origin.lower() for origin in arguments.allow_origin))


def _host(given: str) -> str:
    name = host_name(given)
    if name is None or "/" in given:
        raise UsageError(f'"{given}" is no name of a host.', hint="as in: --allow-host chat.example")
    return name


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _keys(arguments: argparse.Namespace, environment: Mapping[str, str]) -> tuple[Key, ...]:
    """The tokens, each with whose it is."""
    keys = [Key(_checked(token, where), Caller("owner")) for token, where in _single(arguments, environment) if token]
    if arguments.tokens is not None:
        keys += _from_file(expanded(arguments.tokens))
    for at, key in enumerate(keys):
        if any(key.token == other.token and key.caller != other.caller for other in keys[:at]):
            raise UsageError(f'the token of "{key.caller.name}" is another one\'s, too.', hint=_TOKEN_HINT)
    return tuple(keys)


def _single(arguments: argparse.Namespace, environment: Mapping[str, str]) -> list[tuple[str, str]]:
    found = [(arguments.token or "", "--token"), (environment.get("WELLREAD_TOKEN", ""), "WELLREAD_TOKEN")]
    if arguments.token_file is not None:
        found.append((_read(expanded(arguments.token_file)).strip() or "-", "--token-file"))
    return found


def _from_file(path: Path) -> list[Key]:
    """Tokens by name, from TOML: token, and if wanted libraries (names) and read_only."""
    try:
        tables: dict[str, Any] = tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", hint="correct that line") from error
    keys = []
    for name, table in tables.items():
        if not isinstance(table, dict) or set(table) - {"token", "libraries", "read_only"} or not isinstance(table.get("token"), str):
            raise UsageError(f"{path}: [{name}] is not a token.", hint='it has token = "...", and may have libraries = [...] and read_only')
        libraries = table.get("libraries")
        if not isinstance(table.get("read_only", False), bool):
            raise UsageError(f"{path}: read_only of [{name}] is neither true nor false.", hint="as in: read_only = true")
        if libraries is not None and not (isinstance(libraries, list) and all(isinstance(each, str) for each in libraries)):
            raise UsageError(f"{path}: the libraries of [{name}] are no list of names.", hint='as in: libraries = ["papers"]')
        caller = Caller(name, None if libraries is None else frozenset(libraries), table.get("read_only", False))
        keys.append(Key(_checked(table["token"], f"[{name}] of {path}"), caller))
    return keys


def _checked(token: str, where: str) -> str:
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"the token of {where} is no good: {_SHORTEST_TOKEN} or more letters and digits.", hint=_TOKEN_HINT)
    return token


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read.", hint="check the path") from error


def shelf_of(arguments: argparse.Namespace, parts: Parts) -> Shelf:
    """The libraries that the arguments name. Raises `UsageError` for one that is not there."""
    folders = [expanded(each) for each in arguments.libraries]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}.", hint="--libraries takes a folder that holds NAME.wellread folders")
    single = folder_of(parts.settings.library)
    if arguments.library is not None and not (single / "library.db").is_file():
        raise UsageError(f"there is no library {single}.", hint="make one with: wellread add PATH")
    return Shelf(parts, folders=folders, single=[single])


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
