"""Damaged model files: each is refused by us, at once, before an engine sees it; or, where only weights changed, by its digest."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import gguf as reference
import numpy as np
import pytest

from wellread.errors import ModelError
from wellread.models.engines import open_chat
from wellread.models.gguf import read_gguf
from wellread.models.soundness import check_sound


def whole(path: Path) -> Path:
    """A small model, as the reference writes it: two layers, eight tokens."""
    writer = reference.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(64)
    writer.add_block_count(2)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_bool("llama.odd", True)
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    writer.add_token_list(["<s>", "</s>", "a", "b", "c", "d", "e", "f"])
    writer.add_token_scores([0.0] * 8)
    writer.add_token_types([3, 3, 1, 1, 1, 1, 1, 1])
    writer.add_eos_token_id(1)
    chance = np.random.default_rng(7)
    for name in ("token_embd", "blk.0.attn_q", "blk.1.attn_q"):
        values = chance.standard_normal((8, 64)).astype(np.float32)
        kind = reference.GGMLQuantizationType.Q8_0
        writer.add_tensor(f"{name}.weight", reference.quants.quantize(values, kind), raw_dtype=kind)
    writer.add_tensor("output_norm.weight", np.ones(64, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def put(data: bytes, at: int, form: str, *values: float | bytes) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, at, *values)
    return bytes(changed)


def value(data: bytes, key: str) -> int:
    """Where the value of a key stands; four bytes before it is its type."""
    return data.index(struct.pack("<Q", len(key)) + key.encode()) + 8 + len(key) + 4


def row(data: bytes, name: str) -> int:
    """Where the number of dimensions of a tensor stands; then they, its type and its offset follow."""
    return data.index(struct.pack("<Q", len(name)) + name.encode()) + 8 + len(name)


Damage = Callable[[bytes], bytes]
Q0, Q1 = "blk.0.attn_q.weight", "blk.1.attn_q.weight"
TOKENS, TYPES, TEMPLATE = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.chat_template"


def number(key: str, wrong: int) -> Damage:
    return lambda data: put(data, value(data, key), "<I", wrong)


DAMAGES: dict[str, Damage] = {
    "nothing left": lambda data: b"",
    "the magic alone": lambda data: data[:4],
    "cut in the counts": lambda data: data[:17],
    "cut in the first key": lambda data: data[:30],
    "cut in the tokens": lambda data: data[: value(data, TOKENS) + 30],
    "cut in the tensor table": lambda data: data[: row(data, Q1) + 5],
    "cut before the weights": lambda data: data[: row(data, "output_norm.weight") + 24],
    "cut in the weights": lambda data: data[:-300],
    "the last byte is missing": lambda data: data[:-32],
    "zeros instead of a file": lambda data: bytes(len(data)),
    "another magic": lambda data: b"GGML" + data[4:],
    "a flip in the magic": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "version 0": lambda data: put(data, 4, "<I", 0),
    "version 4": lambda data: put(data, 4, "<I", 4),
    "written for a big-endian machine": lambda data: put(data, 4, ">I", 3),
    "2^63 tensors": lambda data: put(data, 8, "<Q", 2**63),
    "one tensor more": lambda data: put(data, 8, "<Q", 5),
    "2^60 keys": lambda data: put(data, 16, "<Q", 2**60),
    "one key more": lambda data: put(data, 16, "<Q", 99),
    "no key": lambda data: put(data, 16, "<Q", 0),
    "a key of 2^62 bytes": lambda data: put(data, 24, "<Q", 2**62),
    "a key of 0 bytes": lambda data: put(data, 24, "<Q", 0),
    "a text longer than the file": lambda data: put(data, value(data, TEMPLATE), "<Q", 2**40),
    "2^61 tokens": lambda data: put(data, value(data, TOKENS) + 4, "<Q", 2**61),
    "an array of an unknown type": lambda data: put(data, value(data, TOKENS), "<I", 99),
    "a token longer than the file": lambda data: put(data, value(data, TOKENS) + 12, "<Q", 2**63 - 1),
    "more token types than tokens": lambda data: put(data, value(data, TYPES) + 4, "<Q", 2**32),
    "a value of an unknown type": lambda data: put(data, value(data, "llama.block_count") - 4, "<I", 13),
    "a truth value of 7": lambda data: put(data, value(data, "llama.odd"), "<B", 7),
    "a bottomless array": lambda data: put(data, value(data, TOKENS), "<IQIQIQIQIQ", *(9, 1) * 5),
    "no context": number("llama.context_length", 0),
    "4 billion tokens of context": number("llama.context_length", 2**32 - 1),
    "4 billion layers": number("llama.block_count", 2**32 - 1),
    "fewer layers than there are": number("llama.block_count", 1),
    "another width": number("llama.embedding_length", 128),
    "4 billion heads": number("llama.attention.head_count", 2**32 - 1),
    "an epsilon that is no number": lambda data: put(data, value(data, "llama.attention.layer_norm_rms_epsilon"), "<f", float("nan")),
    "an architecture of control characters": lambda data: put(data, value(data, "general.architecture") + 8, "5s", b"\x00\x1b[2J"),
    "a tensor of 9 dimensions": lambda data: put(data, row(data, Q0), "<I", 9),
    "a tensor of 2^40 rows": lambda data: put(data, row(data, Q0) + 12, "<Q", 2**40),
    "a size that overflows": lambda data: put(data, row(data, Q0) + 4, "<QQ", 2**32, 2**32),
    "a tensor without numbers": lambda data: put(data, row(data, Q0) + 12, "<Q", 0),
    "half a block": lambda data: put(data, row(data, Q0) + 4, "<Q", 33),
    "a tensor of an unknown type": lambda data: put(data, row(data, Q0) + 20, "<I", 77),
    "a tensor of a type that takes more": lambda data: put(data, row(data, "output_norm.weight") + 12, "<I", 27),
    "weights outside the file": lambda data: put(data, row(data, Q0) + 24, "<Q", 2**40),
    "weights before the file": lambda data: put(data, row(data, Q0) + 24, "<Q", 2**64 - 32),
    "weights between two steps": lambda data: put(data, row(data, Q0) + 24, "<Q", 4),
    "two tensors on the same weights": lambda data: put(data, row(data, Q1) + 24, "<Q", 32),
    "two tensors of one name": lambda data: data.replace(Q1.encode(), Q0.encode()),
    "fewer rows than tokens": lambda data: put(data, row(data, "token_embd.weight") + 12, "<Q", 4),
}


def test_the_corpus_is_large_and_its_model_is_sound(tmp_path: Path) -> None:
    assert len(DAMAGES) >= 30
    gguf = read_gguf(whole(tmp_path / "whole.gguf"))
    check_sound(gguf)
    assert len(gguf.tensors) == 4
    assert open_chat(gguf.path, name="m", derived=tmp_path).context_window == 512


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_file_is_refused_before_an_engine_sees_it(tmp_path: Path, what: str) -> None:
    sound = whole(tmp_path / "whole.gguf").read_bytes()
    path = tmp_path / "damaged.gguf"
    path.write_bytes(DAMAGES[what](sound))
    assert path.read_bytes() != sound
    began = time.process_time()
    with pytest.raises(ModelError, match=r"damaged\.gguf"):
        open_chat(path, name="m", derived=tmp_path / "derived", engine="llamacpp")
    assert time.process_time() - began < 0.5
    assert not (tmp_path / "derived").exists()


def test_claims_in_a_huge_sparse_file_cost_nothing(tmp_path: Path) -> None:
    """Eight gigabytes of zeros on the disk of nobody: a count may lie within the file and still be absurd."""
    for claim in (
        struct.pack("<IIQ", 9, 0, 2**32),
        struct.pack("<IIQ", 9, 9, 2**28),
        struct.pack("<IIQ", 9, 8, 2**29),
        struct.pack("<IQ", 8, 2**32),
    ):
        path = tmp_path / "sparse.gguf"
        path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + claim)
        with path.open("r+b") as file:
            file.truncate(8 << 30)
        began = time.process_time()
        with pytest.raises(ModelError, match="it claims"):
            read_gguf(path)
        assert time.process_time() - began < 0.5


def test_any_flip_in_the_header_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    """Every 31st bit of all that stands before the weights: what is not refused reads nothing beyond the file."""
    sound, path = whole(tmp_path / "whole.gguf").read_bytes(), tmp_path / "flipped.gguf"
    end = min(tensor.offset for tensor in read_gguf(tmp_path / "whole.gguf").tensors)
    refused = 0
    for bit in range(0, end * 8, 31):
        flipped = bytearray(sound)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            gguf = read_gguf(path)
            check_sound(gguf)
        except ModelError:
            refused += 1
            continue
        spans = sorted((tensor.offset, tensor.offset + tensor.size) for tensor in gguf.tensors)
        assert all(0 < begin < stop <= len(flipped) for begin, stop in spans)
        assert all(stop <= begin for (_, stop), (begin, _) in pairwise(spans))
    assert refused > end * 8 / 31 / 4
