"""Libraries, files and jobs over HTTP: what is sent is read, what is asked for is told, and nothing outside is touched."""

from __future__ import annotations

import http.client
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.scoreboard.examinee import subject
from wellread.server.database import Database
from wellread.server.errors import Refused
from wellread.server.exchange import Caller
from wellread.server.guard import Key, Policy
from wellread.server.jobs import MOST_TRIES, Jobs
from wellread.server.names import file_name
from wellread.server.runtime import Bounds

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
TEA = b"Green tea is steeped at eighty degrees for two minutes. Black tea needs boiling water.\n"
OWNER, GUEST, READER = "o" * 20, "g" * 20, "r" * 20
KEYS = Policy(
    (
        Key(OWNER, Caller("owner")),
        Key(GUEST, Caller("guest", frozenset({"papers"}))),
        Key(READER, Caller("reader", None, True)),
    )
)


Connect = Callable[..., httpx.Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients of servers, with a token or without."""
    with ExitStack() as made:

        def client(url: str, token: str = "") -> httpx.Client:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            return made.enter_context(httpx.Client(base_url=url + "/api/v1", headers=headers, timeout=20))

        yield client


def over(api: httpx.Client, job: Any) -> Any:
    """The job once it is over."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        got = api.get(f"/jobs/{job['id']}").json()
        if got["state"] in ("done", "failed", "cancelled"):
            return got
        time.sleep(0.02)
    raise AssertionError(got)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "home" not in path.parts}


@pytest.fixture
def api(start: Callable[..., Any], connect: Connect, tmp_path: Path) -> httpx.Client:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    return connect(start(allowed=[allowed], examined=subject).url)


def test_a_library_from_its_first_file_to_its_end(api: httpx.Client, tmp_path: Path) -> None:
    made = api.post("/libraries", json={"name": "teas"})
    assert (made.status_code, made.json()["documents"]) == (201, 0)
    assert api.post("/libraries", json={"name": "TEAS"}).status_code == 409
    sent = api.post("/libraries/teas/documents?tags=drinks", files=[("file", ("tea.txt", TEA)), ("file", ("bad.pdf", b"%PDF-1.7 no"))])
    assert sent.status_code == 202
    report = over(api, sent.json())["report"]
    assert {Path(row["path"]).name: row["state"] for row in report["files"]} == {"tea.txt": "added", "bad.pdf": "failed"}
    assert next(row for row in report["files"] if row["state"] == "failed")["error"]["message"]
    assert (report["added"], report["failed"]) == (1, 1)
    (tea,) = api.get("/libraries/teas/documents").json()["documents"]
    assert (tea["title"], tea["tags"]) == ("tea.txt", ["drinks"])
    again = api.post("/libraries/teas/documents", content=TEA, headers={"x-file-name": "tea.txt"})
    assert over(api, again.json())["report"]["files"][0]["state"] == "unchanged"
    newer = api.post("/libraries/teas/documents", content=TEA + b"White tea is rare.\n", headers={"x-file-name": "tea.txt"})
    assert over(api, newer.json())["report"]["updated"] == 1
    (tea,) = api.get("/libraries/teas/documents").json()["documents"]
    assert api.delete(f"/libraries/teas/documents/{tea['id']}").json() == {"id": tea["id"], "deleted": True}
    assert api.delete(f"/libraries/teas/documents/{tea['id']}").status_code == 404
    assert api.get("/libraries/teas/documents").json()["total"] == 0
    back = api.post("/libraries/teas/documents", content=TEA, headers={"x-file-name": "tea.txt"})
    assert over(api, back.json())["report"]["added"] == 1
    assert not list((tmp_path / "teas.wellread" / "incoming").iterdir())
    assert api.delete("/libraries/teas").json()["deleted"]
    assert api.get("/libraries/teas").status_code == 404
    assert not [name for name in everything(tmp_path) if "teas" in name or "deleted" in name]
    assert api.post("/libraries", json={"name": "teas"}).json()["documents"] == 0  # and nothing of the old one is left in memory


def test_progress_comes_as_events(api: httpx.Client) -> None:
    api.post("/libraries", json={"name": "teas"})
    job = api.post("/libraries/teas/documents", content=TEA, headers={"x-file-name": "caf%C3%A9%20%E8%8C%B6.txt"}).json()
    told = api.get(f"/jobs/{job['id']}/events").text.strip().split("\n\n")
    name, data = told[-1].split("\n", 1)
    assert name == "event: end"
    assert json.loads(data[6:])["report"]["added"] == 1
    assert {block.split("\n")[0] for block in told[:-1]} <= {"event: progress"}
    assert api.get("/libraries/teas/documents").json()["documents"][0]["title"] == "café 茶.txt"
    assert [row["id"] for row in api.get("/jobs").json()["jobs"]] == [job["id"]]
    assert api.delete(f"/jobs/{job['id']}").json()["deleted"]
    assert api.get(f"/jobs/{job['id']}").status_code == 404


HOSTILE = [
    "../evil.txt", "..", "a/b.txt", "a\\b.txt", "/etc/evil.txt", "C:evil.txt", "nul.txt", "evil\0.txt", "evil\n.txt", ".hidden", "~$x.docx",
    "x" * 300, "gnp\u202etxt.exe", " ", "evil.txt.", "x.wellread",
]  # fmt: skip


def test_hostile_names_make_no_file(api: httpx.Client, tmp_path: Path) -> None:
    api.post("/libraries", json={"name": "teas"})
    before = everything(tmp_path)
    path = "/libraries/teas/documents"
    for name in HOSTILE:
        assert api.post(path, content=TEA, headers={"x-file-name": quote(name)}).status_code == 400, name
        assert api.post("/libraries", json={"name": name}).status_code == 400, name
    for name in ("../evil.txt", "a/b.txt", "..", "x" * 300):
        assert api.post(path, files=[("file", (name, TEA))]).status_code == 400, name
    twice = [("file", ("tea.txt", TEA)), ("file", ("TEA.txt", TEA))]
    assert api.post(path, files=twice).status_code == 400
    assert api.post(path, data={"field": "x"}, files=[("file", ("tea.txt", TEA)), ("other", (None, b"x"))]).status_code == 400
    assert api.post(path, content=b"--x\r\nbroken", headers={"content-type": "multipart/form-data; boundary=x"}).status_code == 400
    assert api.post(path, content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400
    assert api.post(path, content=b"x").status_code == 415
    for name in ("..%2f..%2fetc", "..%252f", "%00", "x" * 2_000):
        for address in (f"/libraries/{name}", f"{path}/{name}", f"/jobs/{name}", f"/traces/{name}"):
            for method in ("GET", "DELETE"):
                assert api.request(method, address).status_code in (400, 404, 405), address
    assert everything(tmp_path) - before <= {"teas.wellread/incoming"}


@given(st.text(max_size=60))
def test_a_name_that_is_taken_is_one_plain_file_name(name: str) -> None:
    try:
        checked = file_name(name)
    except Refused:
        return
    assert os.path.basename(checked) == checked == file_name(checked)  # noqa: PTH119
    assert Path("/a", checked).resolve().parent == Path("/a").resolve()


@pytest.mark.slow
def test_archives_are_unpacked_nowhere(api: httpx.Client, tmp_path: Path) -> None:
    api.post("/libraries", json={"name": "teas"})
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as made:
        made.writestr("../../evil.txt", TEA)
        made.writestr("/tmp/evil.txt", TEA)
        made.writestr("good.txt", TEA)
    outside = {name for name in everything(tmp_path) if not name.startswith("teas.wellread")}
    sent = api.post("/libraries/teas/documents", files=[("file", ("evil.zip", (tmp_path / "evil.zip").read_bytes()))])
    assert over(api, sent.json())["state"] == "done"
    assert {name for name in everything(tmp_path) if not name.startswith("teas.wellread")} == outside
    assert not [path for path in (tmp_path / "teas.wellread").rglob("*") if "evil.txt" in path.name]


@pytest.mark.slow
def test_what_is_too_large_or_broken_off_leaves_nothing(
    start: Callable[..., Any], connect: Connect, shelve: Callable[..., None], tmp_path: Path
) -> None:
    shelve()
    running = start(bounds=Bounds(upload_bytes=3 << 20, body_s=0.5))
    api, path = connect(running.url), "/api/v1/libraries/papers/documents"
    assert api.post("/libraries/papers/documents", content=b"x" * (4 << 20), headers={"x-file-name": "a.txt"}).status_code == 413
    port = running.server.port
    for declared, sent in (("5000000000", b""), ("2000000", b"x" * 1000), (None, b"x" * 1000)):
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        link.putrequest("POST", path)
        link.putheader("x-file-name", "a.txt")
        if declared is None:
            link.putheader("transfer-encoding", "chunked")
            link.endheaders(b"3e8\r\n" + sent)
            link.close()  # broken off
            continue
        link.putheader("content-length", declared)
        link.endheaders(sent)
        assert link.getresponse().status == (413 if not sent else 408)
        link.close()
    until = time.monotonic() + 5
    while list((tmp_path / "papers.wellread" / "incoming").glob("*")) and time.monotonic() < until:
        time.sleep(0.02)
    assert not list((tmp_path / "papers.wellread" / "incoming").glob("*"))
    assert api.get("/jobs").json() == {"jobs": []}


def test_only_allowed_paths_are_read(api: httpx.Client, tmp_path: Path) -> None:
    api.post("/libraries", json={"name": "teas"})
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    secret.mkdir()
    (secret / "key.txt").write_text("the secret is forty-two")
    (allowed / "tea.txt").write_bytes(TEA)
    (allowed / "link.txt").symlink_to(secret / "key.txt")
    (allowed / "out").symlink_to(secret)
    sync = "/libraries/teas/sync"
    for path in (secret, "/etc", "/nothing/there", allowed / "out", allowed / ".." / "secret", f"{allowed}x", secret / ("y" * 300)):
        got = api.post(sync, json={"path": str(path)})
        assert (got.status_code, got.json()["error"]["code"]) == (403, "path_not_allowed"), path
    for path in ("relative", "a\0b", "~", "https://example.com/"):
        assert api.post(sync, json={"path": path}).status_code == 400
    assert api.post(sync, json={"path": str(allowed / "none")}).status_code == 400
    report = over(api, api.post(sync, json={"path": str(allowed), "tags": ["cups"]}).json())["report"]
    assert [row["path"] for row in report["files"]] == [str(allowed / "tea.txt")]
    (allowed / "more.txt").write_text("Oolong is in between.")
    assert over(api, api.post(sync, json={}).json())["report"]["added"] == 1
    assert {row["tags"][0] for row in api.get("/libraries/teas/documents").json()["documents"]} == {"cups"}


def test_only_what_lies_in_a_served_folder_is_deleted(api: httpx.Client, shelve: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    shelve("elsewhere/real")
    (tmp_path / "link.wellread").symlink_to(tmp_path / "elsewhere" / "real.wellread")
    assert api.get("/libraries/link").json()["documents"] == 3
    got = api.delete("/libraries/link")
    assert (got.status_code, got.json()["error"]["code"]) == (403, "not_allowed")
    assert (tmp_path / "elsewhere" / "real.wellread" / "library.db").is_file()


def test_what_each_token_may_do(start: Callable[..., Any], connect: Connect, shelve: Callable[..., None]) -> None:
    shelve()
    shelve("private")
    url = start(policy=KEYS).url
    owner, guest, reader = (connect(url, token) for token in (OWNER, GUEST, READER))
    job = over(owner, owner.post("/libraries/papers/sync", json={}).json())
    for other in (guest, reader):
        assert other.get(f"/jobs/{job['id']}").status_code == 404
        assert other.get(f"/jobs/{job['id']}/events").status_code == 404
        assert other.get("/jobs").json() == {"jobs": []}
    assert guest.delete(f"/jobs/{job['id']}").status_code == 404
    assert guest.post("/libraries", json={"name": "mine"}).status_code == 403
    for method, path in (
        ("POST", "/libraries/private/sync"),
        ("POST", "/libraries/private/documents"),
        ("POST", "/libraries/private/evaluate"),
        ("DELETE", "/libraries/private"),
        ("DELETE", "/libraries/private/documents/x"),
        ("POST", "/libraries/private/traces/x/feedback"),
    ):
        assert guest.request(method, path, json={}).status_code == 404
        assert reader.request(method, path, json={}).status_code == 403
    assert reader.post("/libraries", json={"name": "mine"}).status_code == 403
    assert owner.get("/libraries/private").status_code == 200
    asked = owner.post("/libraries/private/ask", json={"question": "Who approved it?", "mode": "extract"}).json()
    assert guest.get(f"/traces/{asked['trace_id']}").status_code == 404
    assert not [row for row in guest.get("/traces").json()["traces"] if row["library"] == "private"]
    assert reader.get(f"/traces/{asked['trace_id']}").json()["library"] == "private"


def test_an_evaluation_is_a_job(api: httpx.Client, shelve: Callable[..., None], tmp_path: Path) -> None:
    shelve()
    questions = [
        {"id": "tea", "question": "How long is green tea steeped?", "answers": ["two minutes"]},
        {"id": "moon", "question": "Who was first on the moon?", "answerable": False},
    ]
    path = "/libraries/papers/evaluate"
    job = over(api, api.post(path, json={"questions": questions, "options": {"mode": "extract", "min_confidence": 0.0}}).json())
    assert job["state"] == "done", job
    assert [row["id"] for row in job["report"]["questions"]] == ["tea", "moon"]
    (task,) = job["report"]["tasks"].values()
    assert task["n"] == 2
    assert "minutes" not in json.dumps(job["report"])  # scores, and not what was answered
    assert not list((tmp_path / "home").rglob("questions.jsonl"))
    assert api.post(path, json={"questions": []}).status_code == 400
    assert api.post(path, json={"questions": [{"question": "x"}], "options": {"mdoe": "x"}}).status_code == 400
    wrong = over(api, api.post(path, json={"questions": [{"question": "what is right?"}]}).json())
    assert (wrong["state"], wrong["error"]["code"]) == ("failed", "invalid_value")


def test_jobs_go_on_after_a_restart_once_and_poison_does_not(
    start: Callable[..., Any], connect: Connect, shelve: Callable[..., None], tmp_path: Path
) -> None:
    """The rows are those that a server leaves which dies in the middle."""
    shelve()
    path = tmp_path / "home" / "server.db"
    path.parent.mkdir(exist_ok=True)
    database = Database(path)
    left, request = Jobs(database), {"path": None, "tags": []}
    for ident in ("poison", "hurt", "fresh"):
        left.add("sync", "papers", "anyone", request, ident)
    lost = left.add("sync", "gone", "anyone", request)
    for _ in range(MOST_TRIES):
        assert left.claim().id == "poison"  # type: ignore[union-attr]
        if left.get("poison").tries < MOST_TRIES:  # type: ignore[union-attr]
            left.recover()
    assert left.claim().id == "hurt"  # type: ignore[union-attr]
    database.close()
    running = start(database=Database(path))
    api = connect(running.url)
    assert [over(api, {"id": ident})["state"] for ident in ("fresh", "hurt", "poison")] == ["done", "done", "failed"]
    assert over(api, {"id": "poison"})["error"]["code"] == "quarantined"
    assert over(api, {"id": "hurt"})["tries"] == 2
    assert over(api, {"id": lost.id})["error"]["code"] == "library_not_found"
    second = start(database=Database(path))  # another server with the same database leaves the jobs to the first one
    got = connect(second.url).post("/libraries/papers/sync", json={})
    assert (got.status_code, got.json()["error"]["code"]) == (503, "jobs_elsewhere")
    assert connect(second.url).get("/jobs/hurt").json()["tries"] == 2


@pytest.mark.slow
def test_a_job_that_waits_or_runs_can_be_cancelled(api: httpx.Client, tmp_path: Path) -> None:
    api.post("/libraries", json={"name": "teas"})
    folder = tmp_path / "allowed" / "many"
    folder.mkdir()
    for number in range(400):
        (folder / f"{number}.txt").write_text(f"Number {number}. " * 20)
    first = api.post("/libraries/teas/sync", json={"path": str(folder)}).json()
    second = api.post("/libraries/teas/documents", content=TEA, headers={"x-file-name": "tea.txt"}).json()
    assert api.delete(f"/jobs/{second['id']}").json()["state"] == "cancelled"
    while api.get(f"/jobs/{first['id']}").json()["state"] == "queued":
        time.sleep(0.01)
    assert api.delete("/libraries/teas").status_code == 409
    api.delete(f"/jobs/{first['id']}")
    assert over(api, first)["state"] == "cancelled"
    assert not list((tmp_path / "teas.wellread" / "incoming").iterdir())
    assert api.delete("/libraries/teas").status_code == 200
