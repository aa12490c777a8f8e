"""The hub's protocol, against a server that speaks it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from wellread.models import hub
from wellread.models.catalog import HubFile
from wellread.models.download import Network, SourceFailed, connect
from wellread.models.hub import Hub

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

DATA = random.Random(3).randbytes(150_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
FILE = HubFile("some-org/some.model", "0123456789abcdef0123456789abcdef01234567", "sub dir/model.gguf")
PATH = f"/{FILE.repo}/resolve/{FILE.revision}/{FILE.path}"


def silent(what: str, done: int, total: int) -> None:
    pass


def fetch(where: Hub, folder: Path, size: int = len(DATA)) -> Path:
    return next(hub.candidates(FILE, size, folder, where, silent))


def test_settings_are_those_of_the_hub_s_own_tools() -> None:
    assert hub.read_settings({}) == Hub()
    found = hub.read_settings({"HF_ENDPOINT": "https://mirror.example/", "HF_TOKEN": " hf_x\n", "HF_HUB_OFFLINE": "yes"})
    assert found == Hub("https://mirror.example", "hf_x", True)
    assert not hub.read_settings({"HF_HUB_OFFLINE": "0"}).offline


def test_a_file_comes_with_the_token_and_goes_on_after_a_cut(site: Any, tmp_path: Path) -> None:
    site.files[PATH] = DATA
    site.cuts = [70_000]
    assert fetch(Hub(site.url, "hf_secret"), tmp_path).read_bytes() == DATA
    assert set(site.tokens) == {"Bearer hf_secret"}
    assert site.sent == len(DATA)
    assert [what for _, _, what in site.asked] == [None, "bytes=70000-"]


def test_the_token_does_not_follow_a_redirect_to_a_store(serve: Callable[[Any], str], site: Any, tmp_path: Path) -> None:
    store = type(site)()
    serve(store)
    store.files["/blob"] = DATA
    site.redirects[PATH] = f"{store.url}/blob"
    assert fetch(Hub(site.url, "hf_secret"), tmp_path).read_bytes() == DATA
    assert store.tokens == [None]


def test_a_published_digest_is_found_on_the_redirect_itself(site: Any) -> None:
    site.redirects[PATH] = f"{site.url}/store"
    site.headers[PATH] = {"X-Linked-Etag": f'"{DIGEST}"', "X-Linked-Size": str(len(DATA))}
    assert hub.published(FILE, Hub(site.url)) == hub.Published(DIGEST, len(DATA))
    assert site.fetched("/store") == 0


def test_a_renamed_repository_is_followed_on_the_same_host_only(site: Any) -> None:
    site.redirects[PATH] = "/new/name"
    site.files["/new/name"] = DATA
    site.headers["/new/name"] = {"X-Linked-Etag": f'"{DIGEST}"'}
    assert hub.published(FILE, Hub(site.url)) == hub.Published(DIGEST, 0)
    site.redirects[PATH] = "http://127.0.0.2:1/elsewhere"
    with pytest.raises(SourceFailed, match="publishes no sha256"):
        hub.published(FILE, Hub(site.url))


@pytest.mark.parametrize("headers", [{}, {"ETag": '"abc"'}, {"X-Linked-Etag": '"0123"'}, {"X-Linked-Etag": '"../../x"'}])
def test_a_file_without_a_published_digest_is_refused(site: Any, headers: dict[str, str]) -> None:
    site.files[PATH] = DATA
    site.headers[PATH] = headers
    with pytest.raises(SourceFailed, match="publishes no sha256"):
        hub.published(FILE, Hub(site.url))


def test_redirects_going_round_end(site: Any) -> None:
    site.redirects[PATH] = "/a"
    site.redirects["/a"] = PATH.replace(" ", "%20")
    with pytest.raises(SourceFailed, match="publishes no sha256"):
        hub.published(FILE, Hub(site.url))


@pytest.mark.parametrize(
    ("status", "reason", "refused"),
    [(401, "not allowed", True), (403, "not allowed", True), (404, "not there", False), (418, "418", False)],
)
def test_refusals_are_told(site: Any, tmp_path: Path, status: int, reason: str, refused: bool) -> None:
    site.files[PATH] = DATA
    site.statuses = [status]
    with pytest.raises(SourceFailed, match=reason) as caught:
        fetch(Hub(site.url, "hf_secret"), tmp_path)
    assert caught.value.refused is refused
    assert "hf_secret" not in caught.value.reason


def test_a_file_longer_than_it_should_be_is_stopped(site: Any, tmp_path: Path) -> None:
    site.files[PATH] = DATA * 10
    site.lengths = False
    with pytest.raises(SourceFailed, match="sends more than"):
        fetch(Hub(site.url), tmp_path)


def test_a_redirect_to_a_local_file_is_refused(site: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(DATA)
    site.redirects[PATH] = (tmp_path / "secret").as_uri()
    with pytest.raises(SourceFailed, match="leads nowhere"):
        fetch(Hub(site.url), tmp_path)


def test_a_begun_file_that_is_another_now_starts_over(site: Any, tmp_path: Path) -> None:
    (tmp_path / "hub.part").write_bytes(bytes(len(DATA) + 5))
    site.files[PATH] = DATA
    assert fetch(Hub(site.url), tmp_path, 0).read_bytes() == DATA


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match=r"127\.0\.0\.1 cannot be reached"):
        fetch(Hub("http://127.0.0.1:9", network=Network(timeout=1)), tmp_path)


def test_switched_off(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="HF_HUB_OFFLINE"):
        fetch(Hub("http://127.0.0.1:9", offline=True), tmp_path)


@pytest.mark.parametrize(
    "file",
    [
        HubFile("../x", "main", "f"),
        HubFile("a/b/c", "main", "f"),
        HubFile("a/..", "main", "f"),
        HubFile("a/b", "../main", "f"),
        HubFile("a/b", "main", "../f"),
        HubFile("a/b", "main", "/f"),
        HubFile("a/b", "main", "x\0y"),
        HubFile("a/b", "main", ""),
    ],
)
def test_what_is_no_file_on_a_hub_is_not_asked_for(file: HubFile) -> None:
    with pytest.raises(SourceFailed, match="is not a file on a hub"):
        hub.address(file, Hub())


@pytest.mark.parametrize(
    ("start", "target", "allowed"),
    [
        ("https://93.184.216.34/a", "http://127.0.0.1:1/b", False),
        ("https://93.184.216.34/a", "http://169.254.169.254/latest/meta-data", False),
        ("https://93.184.216.34/a", "http://[::1]/b", False),
        ("https://93.184.216.34/a", "https://10.1.2.3/b", False),
        ("https://93.184.216.34/a", "https://151.101.1.1/b", True),
        ("http://127.0.0.1:1/a", "http://127.0.0.1:2/b", True),
        ("http://10.1.2.3/a", "http://127.0.0.1:2/b", True),
    ],
)
def test_a_public_server_does_not_lead_into_the_own_network(start: str, target: str, allowed: bool) -> None:
    with connect(Network()) as client:
        (check,) = client.event_hooks["response"]
        response = httpx.Response(302, headers={"Location": target}, request=httpx.Request("GET", start))
        response.next_request = httpx.Request("GET", target)
        if allowed:
            check(response)
        else:
            with pytest.raises(SourceFailed, match="inside your own network"):
                check(response)
