"""How much memory a chat model takes, and how much there is: an estimate made before anything is loaded.

Measured with SmolLM2-135M Q4_1 (98 MB, one thread; resident memory of the child): llama.cpp 184 MB with 512 tokens of context, 365 MB with
8192; OpenVINO 500 MB with 3000 of 4096 in use (860 MB where it keeps the layers dense), and 953 MB while the files for it are made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellread.errors import ModelError
from wellread.models.gguf import Gguf, element_count

_MB = 1_000_000
_CACHED_BYTES = 2  # of a number in the cache of keys and values: both engines keep 16 bits
_LEAST_WINDOW, _STEP = 512, 256
_SMALL = 1 << 30
_BITS = {"Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q4_K_M": 4.85, "Q3_K_M": 3.9, "Q2_K": 3.0}
"""What a weight takes in common quantizations, the scales of its block with it."""


class TooBig(ModelError):
    """A model takes more memory than there is."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes for the weights, for the cache of keys and values when the context is full, and for all else."""

    weights: int
    cache: int
    overhead: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.overhead


def needed(gguf: Gguf, engine: str, room: int, *, prepared: bool = True) -> Need:
    """What a model takes with so many tokens of context. OpenVINO takes more while its files are not yet `prepared`."""
    stored, cache = sum(tensor.size for tensor in gguf.tensors), cache_bytes(gguf) * room
    if engine != "openvino":
        return Need(stored, cache, 80 * _MB + stored // 20)
    count = parameters(gguf)
    if not prepared:
        return Need(7 * count, cache, 100 * _MB)
    return Need(4 * count if keeps_dense(2 * count) else stored + stored // 4, cache, 350 * _MB)


def keeps_dense(size: int) -> bool:
    """Whether OpenVINO is given a model of so many bytes at 16 bits as it is, rather than packed (see `repack`): where the processor has
    units for 16-bit matrices (AMX), and the model is small."""
    return size <= _SMALL and has_matrix_units()


def has_matrix_units() -> bool:
    """Whether this processor multiplies 16-bit matrices in units of their own."""
    try:
        return " amx_bf16" in Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        return False


def parameters(gguf: Gguf) -> int:
    """How many weights a model has."""
    return sum(element_count(tensor.shape) for tensor in gguf.tensors)


def cache_bytes(gguf: Gguf) -> int:
    """Bytes of keys and values a token takes in the cache, over all layers; 0 where the file does not say. Windows that slide are not
    taken off, so it is an upper bound."""

    def said(name: str) -> Any:
        return gguf.metadata.get(f"{gguf.architecture}.{name}")

    layers, width, heads = said("block_count"), said("embedding_length"), said("attention.head_count")
    most = max(heads) if isinstance(heads, list) and heads else heads
    if not (isinstance(layers, int) and isinstance(width, int) and isinstance(most, int) and most > 0):
        return 0
    kept = said("attention.head_count_kv")
    kept = heads if kept is None else kept
    heads_in_all = sum(kept[:layers]) if isinstance(kept, list) else kept * layers
    head = [said(name) if isinstance(said(name), int) else width // most for name in ("attention.key_length", "attention.value_length")]
    return int(heads_in_all) * sum(head) * _CACHED_BYTES


def at_hand() -> int | None:
    """Bytes that can be taken now without others having to give any up; None where the system does not say."""
    free = [each for each in (_system(), _group()) if each is not None]
    return min(free) if free else None


def at_hand_moves() -> bool:
    """Whether `at_hand` tells what is free at this moment, and not only what the machine has."""
    return Path("/proc/meminfo").is_file()


def too_big(name: str, gguf: Gguf, window: int, free: int, need: Callable[[int], Need]) -> TooBig:
    """The error for a model that does not fit, with what would: `need` says what it takes with a context."""
    total = need(window).total
    return TooBig(
        f"{name} needs {gigabytes(total)} with {window} tokens of context, and {gigabytes(free)} are free.",
        hint=f"{what_fits(gguf, window, free, need)}; to try it anyway, set max_memory_mb",
    )


def what_fits(gguf: Gguf, window: int, free: int, need: Callable[[int], Need]) -> str:
    """What would go into so many bytes: the same model with less context, a smaller quantization of it, or neither."""
    fixed, token = need(0).total, cache_bytes(gguf)
    if token and (longest := (free - fixed) // token // _STEP * _STEP) >= _LEAST_WINDOW:
        return f"--context-window {min(longest, window)} would fit"
    stored, count = sum(tensor.size for tensor in gguf.tensors), parameters(gguf)
    rest = token * min(window, 2048) + 80 * _MB
    for kind, bits in _BITS.items():
        weights = int(count * bits / 8)
        if weights < stored * 0.95 and weights * 1.05 + rest <= free:
            return f"a {kind} file of it would fit" + (f", with --context-window {min(window, 2048)}" if window > 2048 else "")
    return "no quantization of it would fit, choose a smaller model"


def gigabytes(count: int) -> str:
    """A size for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _system() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    if sys.platform == "win32":
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4  # macOS: what is free is not told, so a part of all
    except (OSError, ValueError):
        return None


def _group() -> int | None:
    """What the control group of this process leaves (a container's limit): version 2, or 1. What it only caches can be given up."""
    for folder, limit, used in (("", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes")):
        place = Path("/sys/fs/cgroup") / folder
        try:
            most, now = int((place / limit).read_text("ascii")), int((place / used).read_text("ascii"))
            rows = dict(line.split() for line in (place / "memory.stat").read_text("ascii").splitlines())
        except (OSError, ValueError):
            continue
        return max(0, most - now + int(rows.get("inactive_file", 0)))
    return None
