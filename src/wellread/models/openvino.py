"""OpenVINO GenAI as an engine: the quick one on x86-64, where the prompt is long and the answer short.

OpenVINO's own reading of Q4_1 gives wrong text, so the weights are first made F16 by us (`gguf.write_f16`), read once by GenAI, and
kept as OpenVINO IR in a folder of derived files, with some of the original blocks put back (`repack`). Later starts load that.

What a start costs (SmolLM2-135M, one thread of a Xeon without AMX, CPU seconds): interpreter and imports 0.5 (0.1 more with the
model converter, see `import_genai`), tokeniser 0.15, reading the IR 0.1, compiling it 1.0 to 1.7. Tried and left: CACHE_DIR (570 MB
more on disk, 0.8 s slower), CACHE_DIR with CACHE_MODE=OPTIMIZE_SIZE (no quicker), an 8-bit KV cache (half of 118 MB, but other
text), f32 (prompt 20 % quicker on that processor, each token 40 % slower, 1.4 GB). ContinuousBatchingPipeline rather than
LLMPipeline: as quick, and it hands out one step at a time, so that a request can be cancelled while its prompt is read, and tells
why it finished.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wellread.errors import ModelError
from wellread.models.gguf import read_gguf
from wellread.models.repack import repack
from wellread.models.weights import write_f16
from wellread.types import Delta, Sampling, Usage

_BLOCK = 32  # tokens in a block of GenAI's KV cache on a CPU
_BATCH = 256  # prompt tokens between two chances to cancel
_MODEL = "openvino_model.xml"
_SMALL = 1 << 30


class OpenVINOEngine:
    """A GGUF run by OpenVINO GenAI on the CPU; `derived` is the folder that holds, or will hold, its IR.

    `precision` is None for what suits the processor (bf16 where it has it) or "f32".
    """

    def __init__(self, path: Path, derived: Path, end_tokens: Sequence[int], threads: int, window: int, precision: str | None) -> None:
        genai = import_genai()
        self.notes: tuple[str, ...] = ()
        if not (derived / _MODEL).exists():
            self.notes = (f"{path.name} was prepared for OpenVINO; the next start is quick.",)
            derive(path, derived)
        properties: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same core
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # 8-bit activations change the text
        }
        if precision is not None:
            properties["INFERENCE_PRECISION_HINT"] = precision
        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = -(-window // _BLOCK) + 2
        scheduler.max_num_batched_tokens = _BATCH
        scheduler.dynamic_split_fuse = True
        scheduler.enable_prefix_caching = True
        self._genai = genai
        self._tokenizer = genai.Tokenizer(str(derived), INFERENCE_NUM_THREADS=1)
        self._pipeline = genai.ContinuousBatchingPipeline(str(derived), self._tokenizer, scheduler, "CPU", **properties)
        self._end_tokens = set(end_tokens)
        self._requests = 0

    def count(self, prompt: str) -> int:
        return int(self._encode(prompt).shape[1])

    def generate(self, prompt: str, sampling: Sampling, schema: str | None, emit: Callable[[str], bool]) -> Delta:
        ids = self._encode(prompt)
        self._requests += 1
        handle = self._pipeline.add_request(self._requests, ids, self._config(sampling, schema))
        words, cut = _Detokeniser(self._tokenizer.decode), _StopCutter(sampling.stop)
        finish, written = "length", 0
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
            text = ""
            while handle.can_read():
                for output in handle.read().values():
                    written += len(output.generated_ids)
                    text += words.add(output.generated_ids)
                    if output.finish_reason == self._genai.GenerationFinishReason.STOP:
                        finish = "stop"
            unwanted = emit(cut.add(text))
            if cut.stopped:
                finish = "stop"
            if unwanted or cut.stopped:
                handle.cancel()
                break
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
        emit(cut.rest())
        return Delta(finish=finish, usage=Usage(int(ids.shape[1]), written))

    def _encode(self, prompt: str) -> Any:
        return self._tokenizer.encode(prompt, add_special_tokens=False).input_ids

    def _config(self, sampling: Sampling, schema: str | None) -> Any:
        config = self._genai.GenerationConfig()
        config.apply_chat_template = False
        config.max_new_tokens = sampling.max_tokens
        config.stop_token_ids = self._end_tokens
        config.repetition_penalty = sampling.repeat_penalty
        if sampling.temperature > 0:
            config.do_sample = True
            config.temperature = sampling.temperature
            config.top_p = sampling.top_p
            if sampling.top_k > 0:
                config.top_k = sampling.top_k
            config.rng_seed = secrets.randbits(31) if sampling.seed is None else sampling.seed
        if schema is not None:
            config.structured_output_config = self._genai.StructuredOutputConfig(json_schema=schema)
        return config


def import_genai() -> Any:
    """The `openvino_genai` module, without the model converter.

    The converter is what brings in openvino-telemetry (which can send usage statistics) and a quarter of the import time; openvino
    itself treats it as optional. Raises ImportError where GenAI is not installed.
    """
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
    import openvino_genai

    return openvino_genai


def derive(path: Path, target: Path, *, small: int = _SMALL) -> None:
    """Make the IR of a GGUF in the folder `target`, which appears only when it is complete. Raises `ModelError`.

    A model of up to `small` bytes at 16 bits keeps its layers at 16 bits.
    """
    genai = import_genai()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target.parent)
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    except OSError as error:
        raise ModelError(f"the folder for derived model files cannot be written: {error}.") from error
    try:
        dense = making / "dense.gguf"
        write_f16(path, dense)
        dense_size = dense.stat().st_size
        pipeline = genai.LLMPipeline(str(dense), "CPU", enable_save_ov_model=True, INFERENCE_NUM_THREADS=1)
        del pipeline
        dense.unlink()
        if not (making / _MODEL).exists():
            raise ModelError(f"OpenVINO did not save {path.name}.", hint="is the disk full? otherwise use --engine llamacpp")
        repack(making / _MODEL, read_gguf(path), output_only=dense_size <= small)
        try:
            making.rename(target)
        except OSError:
            if not (target / _MODEL).exists():  # else another process was quicker, and made the same
                raise
    except OSError as error:
        raise ModelError(f"{path.name} cannot be prepared for OpenVINO: {error}.", hint="free some disk space") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove what a conversion that was killed left behind; an hour is far longer than one takes."""
    for left in folder.glob(".making-*"):
        if time.time() - left.stat().st_mtime > 3600:
            shutil.rmtree(left, ignore_errors=True)


class _Detokeniser:
    """Token ids to text, in pieces that never split a character.

    A token may hold part of a character (the decoder leaves such a part out), and how a token reads can depend on the ones before
    it; so a short stretch is decoded with and without the new ids, and their difference is the new text.
    """

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._given = ""

    def add(self, ids: Sequence[int]) -> str:
        self._ids.extend(ids)
        new = self._decode(self._ids)[len(self._given) :]
        if new:
            self._ids = self._ids[-4:]  # the part of a character has at most three bytes, so at most three tokens
            self._given = self._decode(self._ids)
        return new


class _StopCutter:
    """Passes text on until one of the stop strings, and holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.stopped = False

    def add(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        ends = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)]
        keep = max((n for stop in self._stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        held, self._held = self._held, ""
        return "" if self.stopped else held
