"""Files from the Hugging Face hub, or a mirror of it: `resolve/<revision>/<path>`, checked against a digest, always.

A file that the catalogue does not pin is only taken when the hub itself publishes a sha256 for it (`X-Linked-Etag`, the digest by
which Git LFS names the content); one without either is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urljoin, urlsplit

from wellread.models.catalog import HubFile
from wellread.models.download import DEFAULT_NETWORK, Network, SourceFailed, connect, download, read_page
from wellread.types import Bytes, Progress

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Hub:
    """Which hub, with which token (never shown), and whether it may be asked at all."""

    endpoint: str = "https://huggingface.co"
    token: str | None = None
    offline: bool = False
    network: Network = DEFAULT_NETWORK


@dataclass(frozen=True, slots=True)
class Published:
    """What the hub says about a file: its sha256 (hexadecimal) and its size in bytes (0 where it does not say)."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit: the paths of its files, and the licence its card names ("" for none)."""

    commit: str
    files: tuple[str, ...]
    licence: str


def read_settings(environ: Mapping[str, str]) -> Hub:
    """HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE, as Hugging Face's own tools read them."""
    return Hub(
        endpoint=(environ.get("HF_ENDPOINT") or Hub().endpoint).rstrip("/"),
        token=environ.get("HF_TOKEN", "").strip() or None,
        offline=environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"),
        network=Network(cert=environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None),
    )


def published(file: HubFile, hub: Hub) -> Published:
    """Ask the hub for a file's digest. Raises `SourceFailed` when it has none or cannot be reached."""
    url = address(file, hub)
    headers = {**_headers(hub), "Accept-Encoding": "identity"}
    with connect(hub.network) as client:
        for _ in range(5):
            # The digest stands on the hub's own answer, not on that of the store it redirects to.
            page = read_page(client, url, headers, method="HEAD", redirects=False)
            etag = page.headers.get("x-linked-etag", "").removeprefix("W/").strip('"')
            if _DIGEST.fullmatch(etag):
                size = page.headers.get("x-linked-size", "")
                return Published(etag, int(size) if size.isdigit() else 0)
            onward = urljoin(url, page.headers.get("location", ""))
            if onward == url or urlsplit(onward)[:2] != urlsplit(url)[:2]:
                break
            url = onward  # the repository has another name now
    raise SourceFailed(f"{file.repo} publishes no sha256 for {file.path}, so it cannot be checked")


def listing(repo: str, revision: str, hub: Hub) -> Listing:
    """What a repository has at a revision. Raises `SourceFailed` when it is not there or cannot be reached."""
    address(HubFile(repo, revision, "any"), hub)  # that these are names
    with connect(hub.network) as client:
        page = read_page(client, f"{hub.endpoint}/api/models/{repo}/revision/{revision}", _headers(hub))
    try:
        told = json.loads(page.body)
        commit, files = str(told["sha"]), tuple(str(row["rfilename"]) for row in told["siblings"])
        licence = (told.get("cardData") or {}).get("license")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceFailed(f"{hub.endpoint} does not answer as a hub does") from error
    if not _REVISION.fullmatch(commit):
        raise SourceFailed(f"{repo} names no commit")
    return Listing(commit, files, licence if isinstance(licence, str) else "")


def candidates(file: HubFile, size: int, folder: Path, hub: Hub, progress: Progress) -> Iterator[Path]:
    """The file, downloaded into `folder`; the caller checks its digest. `size` is in bytes (0: unknown). Raises `SourceFailed`."""
    part = folder / "hub.part"
    label = PurePosixPath(file.path).name
    with connect(hub.network) as client:
        download(
            client,
            address(file, hub),
            part,
            lambda done, total: progress(label, Bytes(done), Bytes(total)),
            size=size or None,
            headers=_headers(hub),
        )
    yield part


def address(file: HubFile, hub: Hub) -> str:
    """The URL of a file. Raises `SourceFailed` when the hub is switched off, or when a name is not one."""
    if hub.offline:
        raise SourceFailed("HF_HUB_OFFLINE is set")
    parts = PurePosixPath(file.path).parts
    odd = not parts or file.path.startswith("/") or ".." in parts or any(ord(c) < 32 or c == "\\" for c in file.path)
    if odd or not _REPO.fullmatch(file.repo) or ".." in file.repo or not _REVISION.fullmatch(file.revision):
        raise SourceFailed(f"{file.repo}@{file.revision}/{file.path} is not a file on a hub")
    return f"{hub.endpoint}/{file.repo}/resolve/{file.revision}/{quote(file.path)}"


def _headers(hub: Hub) -> dict[str, str]:
    return {"Authorization": f"Bearer {hub.token}"} if hub.token else {}
