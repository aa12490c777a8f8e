"""LoRA adapters for the default chat model, as GGUF files, with numbers by chance."""

from __future__ import annotations

from pathlib import Path

import gguf as reference
import numpy as np


def write_lora(path: Path, size: float, *, seed: int = 3) -> Path:
    """An adapter of rank 4 on every third layer's queries; with a `size` of 0 it changes nothing."""
    writer = reference.GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    chance = np.random.default_rng(seed)
    for layer in range(0, 30, 3):
        writer.add_tensor(f"blk.{layer}.attn_q.weight.lora_a", chance.standard_normal((4, 576)).astype(np.float32) * np.float32(size))
        writer.add_tensor(f"blk.{layer}.attn_q.weight.lora_b", chance.standard_normal((576, 4)).astype(np.float32) * np.float32(size))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
