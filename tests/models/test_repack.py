"""Blocks of a GGUF put back into the IR made from it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.models.engines import open_chat
from wellread.models.files import Pulled
from wellread.models.gguf import read_gguf
from wellread.models.repack import blocks_of, values
from wellread.models.weights import load_tensor
from wellread.models.worker import EngineProcess
from wellread.types import Message, Sampling

PROMPTS = [
    "Explain in two sentences why the sky is blue.",
    "Who wrote Romeo and Juliet, and when?",
    "The library opens at 9 on weekdays and at 11 on Sundays. When does it open on Sunday?",
    "Give a short definition of photosynthesis.",
]


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["Q4_0", "Q4_1", "Q8_0"]), scale=st.sampled_from([0.001, 1.0, 30.0]))
@settings(max_examples=40, deadline=None)
def test_blocks_stand_for_the_same_numbers(tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str, scale: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = (rng.standard_normal((4, 96)) * scale + rng.standard_normal() * scale).astype(np.float32)
    matrix[1, :32] = scale  # a block of equal numbers
    matrix[2, 32:64] = 0
    path = tmp_path_factory.mktemp("blocks") / "m.gguf"
    writer = reference.GGUFWriter(path, "llama")
    number = reference.GGMLQuantizationType[kind]
    writer.add_tensor("matrix", reference.quants.quantize(matrix, number), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    gguf = read_gguf(path)
    blocks = blocks_of(gguf, gguf.tensors[0])
    assert blocks is not None
    assert blocks.integers.shape == (4, 3, 32)
    assert blocks.bits == 8 or (blocks.integers.min() >= 0 and blocks.integers.max() <= 15)
    exact = load_tensor(gguf, gguf.tensors[0])
    np.testing.assert_allclose(values(blocks), exact, rtol=0, atol=float(np.abs(exact).max()) * 1e-6)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("openvino_genai") is None, reason="OpenVINO is not installed")
@pytest.mark.xdist_group("openvino")
def test_a_packed_model_writes_what_the_dense_one_writes(tmp_path: Path, smollm2: Pulled, prepared: Path) -> None:
    """Every matrix packed, and guessing ahead, against 16-bit layers; F32 arithmetic, greedy: rounding to 16 bits may tip a tie in one."""
    model = smollm2.paths["model"]
    how: dict[str, Any] = {"name": "m", "derived": prepared, "digest": smollm2.digest}
    packed = open_chat(model, engine="openvino", threads=1, speculative="lookup", **how)
    prompts = [packed.prompt([Message("user", prompt)]) for prompt in PROMPTS]
    texts = ["".join(d.text for d in packed.stream([Message("user", prompt)], sampling=Sampling(max_tokens=32))) for prompt in PROMPTS]
    packed.close()
    program = f"""
from pathlib import Path
from wellread.models.openvino import derive
derive(Path({str(model)!r}), Path({str(tmp_path / "dense")!r}), dense=True)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    packed_folder = next(folder for folder in prepared.glob("*-openvino-*") if not folder.name.endswith("-dense"))
    sizes = [(folder / "openvino_model.bin").stat().st_size for folder in (packed_folder, tmp_path / "dense")]
    assert sizes[0] < 0.75 * sizes[1]
    settings = {"engine": "openvino", "path": str(model), "derived": str(tmp_path / "dense"), "end_tokens": [0, 2], "dense": False}
    dense = EngineProcess({**settings, "threads": 1, "context_window": 1024, "room": 1024, "slots": 1, "lookup": False})
    expected = ["".join(d.text for d in dense.generate(prompt, sampling=Sampling(max_tokens=32))) for prompt in prompts]
    dense.close()
    assert sum(one == other for one, other in zip(texts, expected, strict=True)) >= 3, list(zip(texts, expected, strict=True))
