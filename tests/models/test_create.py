"""Making models from others: what they are then, what is refused, and what is left when one goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf as reference
import numpy as np
import pytest

from wellread.errors import ModelError, UsageError, WellreadError
from wellread.models.create import create, written
from wellread.models.engines import open_chat
from wellread.models.facts import facts_of
from wellread.models.files import ModelStore
from wellread.models.gguf import read_gguf
from wellread.models.manner import Manner
from wellread.models.memory import Need, at_hand, cache_bytes, needed, parameters
from wellread.models.opening import open_named
from wellread.types import Message

JINJA = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"


def gguf(path: Path, tensors: Mapping[str, tuple[int, int]], architecture: str = "llama", *, seed: int = 0, **more: Any) -> Path:
    """A model of these F32 matrices, with a vocabulary of eight."""
    writer = reference.GGUFWriter(path, architecture)
    writer.add_context_length(1024)
    writer.add_embedding_length(64)
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    for key, value in more.items():
        writer.add_string(key.replace("__", "."), value)
    chance = np.random.default_rng(seed)
    for name, shape in tensors.items():
        writer.add_tensor(name, chance.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def base(path: Path, **more: Any) -> Path:
    return gguf(path, {"token_embd.weight": (8, 64), "blk.0.attn_q.weight": (64, 64)}, tokenizer__chat_template=JINJA, **more)


def adapter(path: Path, *, rank: int = 2, matrix: str = "blk.0.attn_q.weight", architecture: str = "llama", seed: int = 0) -> Path:
    said = {"general__type": "adapter", "adapter__type": "lora"}
    shapes = {f"{matrix}.lora_a": (2, 64), f"{matrix}.lora_b": (64, rank)}
    return gguf(path, shapes, architecture, seed=seed, **said)


@pytest.fixture
def store(tmp_path: Path, bare_environ: dict[str, str]) -> ModelStore:
    """A store, beside a folder with a model and adapters."""
    base(tmp_path / "base.gguf")
    adapter(tmp_path / "one.gguf")
    adapter(tmp_path / "two.gguf", seed=2)
    return ModelStore(tmp_path / "store", environ=bare_environ)


def blobs(store: ModelStore) -> int:
    return len(list((store.root / "blobs").iterdir()))


def test_a_made_model_speaks_as_it_was_told(store: ModelStore, tmp_path: Path) -> None:
    create(store, "base", "FROM ./base.gguf", tmp_path)
    text = "FROM base\nSYSTEM Be brief.\nMESSAGE user Hi\nMESSAGE assistant Yes?\nPARAMETER num_ctx 256\nPARAMETER stop END\nLICENSE MIT"
    made = create(store, "brief:1", text, tmp_path)
    assert (made.name, made.kind, made.manner.base) == ("brief:1", "chat", "base:latest")
    assert blobs(store) == 1
    chat = open_named(store, "brief:1").chat
    assert (chat.name, chat.context_window) == ("brief:1", 256)
    assert chat.prompt([Message("user", "Why?")]) == "[system]Be brief.[user]Hi[assistant]Yes?[user]Why?"
    assert chat.ref().digest == store.bring("base").digest
    again = create(store, "terse", "FROM brief:1\nPARAMETER num_ctx 128\nSYSTEM Be terse.", tmp_path)
    assert again.manner == Manner(
        "brief:1", "Be terse.", parameters=(("stop", "END"), ("num_ctx", 128)), messages=made.manner.messages, licences=("MIT",)
    )


def test_what_is_printed_makes_the_same_model(store: ModelStore, tmp_path: Path) -> None:
    first = create(store, "first", 'FROM ./base.gguf\nADAPTER one.gguf\nADAPTER ./two.gguf\nSYSTEM """a\nb"""\nPARAMETER seed 3', tmp_path)
    assert len(first.adapters) == 2
    second = create(store, "second", written(first), tmp_path)
    assert [(file.role, file.sha256) for file in second.files] == [(file.role, file.sha256) for file in first.files]
    assert second.manner == first.manner
    third = create(store, "third", "FROM first\nADAPTER one.gguf", tmp_path)
    assert written(create(store, "fourth", written(third), tmp_path)) == written(third)
    assert third.adapters == first.adapters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM nowhere", ["no model", "nowhere"]),
        ("FROM ./nowhere.gguf", ["no file", "begin at its own folder"]),
        ("FROM ./base.gguf\nADAPTER nowhere", ['no adapter "nowhere"']),
        ("FROM ./base.gguf\nADAPTER ./base.gguf", ["base.gguf is no LoRA adapter"]),
        ("FROM ./base.gguf\nADAPTER ./wide.gguf", ["wide.gguf does not fit", "trained on"]),
        ("FROM ./base.gguf\nADAPTER ./else.gguf", ["else.gguf does not fit"]),
        ("FROM ./base.gguf\nADAPTER ./qwen.gguf", ["made for qwen2 models"]),
        ("FROM ./one.gguf", ["no chat template"]),
        ("FROM ./base.gguf\nPARAMETER num_ctx 2048", ["trained for 1024 tokens"]),
        ("FROM ./base.gguf\nTEMPLATE {{ range .Messages }}{{ .Content }}{{ end }}", ["none of those that are known"]),
        ("FROM ./base.gguf\nTEMPLATE {% if %}", ["chat template cannot be read"]),
        ("FROM ./base.gguf\nTEMPLATE {% for m in messages %}{{ raise_exception('no') }}{% endfor %}", ["does not accept"]),
    ],
)
def test_what_cannot_be_made_leaves_nothing(store: ModelStore, tmp_path: Path, text: str, words: list[str]) -> None:
    adapter(tmp_path / "wide.gguf", rank=3)
    adapter(tmp_path / "else.gguf", matrix="blk.1.attn_q.weight")
    adapter(tmp_path / "qwen.gguf", architecture="qwen2")
    with pytest.raises(WellreadError) as caught:
        create(store, "made", text, tmp_path)
    for word in words:
        assert word in str(caught.value)
    assert store.list() == ()


@pytest.mark.parametrize("name", ["smollm2", "smollm2:135m", "all-minilm", "hf:a/b", "ollama:x", "../x", "a/b"])
def test_a_name_that_means_something_else_is_not_given_away(store: ModelStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        create(store, name, "FROM ./base.gguf", tmp_path)
    create(store, "mine", "FROM ./base.gguf", tmp_path)
    with pytest.raises(UsageError):
        store.copy("mine", name)
    assert [each.name for each in store.list()] == ["mine:latest"]


def test_copies_share_their_weights_and_the_last_one_takes_them_along(store: ModelStore, tmp_path: Path) -> None:
    made = create(store, "one", "FROM ./base.gguf\nADAPTER one.gguf\nSYSTEM x", tmp_path)
    assert store.copy("one", "two:b").manner == made.manner
    with pytest.raises(UsageError, match='no model "thre"'):
        store.copy("thre", "four")
    assert blobs(store) == 2
    assert store.remove("one") == 0
    store.copy("two:b", "one")
    create(store, "one", "FROM ./base.gguf", tmp_path)  # what the name stood for goes, its weights stay
    assert blobs(store) == 2
    assert store.remove("two:b") == (tmp_path / "one.gguf").stat().st_size
    assert store.remove("one") == (tmp_path / "base.gguf").stat().st_size
    assert blobs(store) == 0


def test_one_flipped_bit_in_the_weights_is_refused_by_digest(store: ModelStore, tmp_path: Path) -> None:
    """A header that is whole, and weights that are not: read again, and refused, as soon as the file was written to."""
    made = create(store, "mine", "FROM ./base.gguf", tmp_path)
    blob, sound = made.paths["model"], made.paths["model"].read_bytes()
    places = [tensor.offset + tensor.size // 2 for tensor in read_gguf(blob).tensors]
    for at in (*places, len(sound) - 1):
        flipped = bytearray(sound)
        flipped[at] ^= 0x10
        blob.write_bytes(flipped)
        read_gguf(blob)
        assert store.get("mine") is None
        assert [(damage.name, damage.reason) for damage in store.verify()] == [("mine:latest", "damaged")]
        with pytest.raises(ModelError, match="damaged or gone"):
            open_named(store, "mine")
    blob.write_bytes(sound)
    assert store.get("mine") == made
    assert store.verify() == ()


# --- memory


def test_what_a_model_takes_grows_with_its_context(tmp_path: Path) -> None:
    model = read_gguf(base(tmp_path / "base.gguf"))
    assert parameters(model) == 8 * 64 + 64 * 64
    assert cache_bytes(model) == 2 * 2 * (16 + 16) * 2
    small, large = needed(model, "llamacpp", 256), needed(model, "llamacpp", 1024)
    assert (small.weights, small.cache * 4) == (large.weights, large.cache) == (parameters(model) * 4, cache_bytes(model) * 1024)
    assert needed(model, "openvino", 256).total > small.total
    assert needed(model, "openvino", 256, prepared=False).cache == small.cache
    assert Need(1, 2, 3).total == 6
    free = at_hand()
    assert free is None or free > 1 << 20


def test_a_model_too_big_is_refused_and_what_fits_is_said(tmp_path: Path, store: ModelStore) -> None:
    path = gguf(tmp_path / "big.gguf", {"blk.0.attn_q.weight": (2048, 2048)}, tokenizer__chat_template=JINJA)
    model = read_gguf(path)
    limit = needed(model, "llamacpp", 1024).total
    how: dict[str, Any] = {"name": "big", "derived": tmp_path / "derived", "engine": "llamacpp"}
    assert open_chat(path, memory=limit, **how).context_window == 1024
    with pytest.raises(ModelError, match="big needs 98 MB with 1024 tokens of context, and 98 MB are free") as caught:
        open_chat(path, memory=limit - 1, **how)
    assert "--context-window 768 would fit" in (caught.value.hint or "")
    assert open_chat(path, memory=limit - 1, context_window=768, **how).context_window == 768
    with pytest.raises(ModelError, match="86 MB are free") as caught:
        open_chat(path, memory=86_000_000, **how)
    assert "a Q8_0 file of it would fit" in (caught.value.hint or "")
    with pytest.raises(ModelError, match="1 MB are free") as caught:
        open_chat(path, memory=1_000_000, **how)
    assert "choose a smaller model" in (caught.value.hint or "")
    weights = facts_of(store, create(store, "big", f"FROM {path}", tmp_path), memory=1_000_000).weights
    assert weights is not None and weights.fits is False and "smaller model" in weights.fitting


def test_an_engine_that_takes_too_much_gives_way(tmp_path: Path) -> None:
    path = base(tmp_path / "base.gguf")
    chat = open_chat(path, name="m", derived=tmp_path, memory=needed(read_gguf(path), "llamacpp", 1024).total)
    assert chat.engine == "llamacpp"
    assert not chat.notes or "openvino would take" in chat.notes[0]
