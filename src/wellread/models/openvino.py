"""OpenVINO GenAI as an engine: the quick one on x86-64, where the prompt is long and the answer short.

OpenVINO's own reading of Q4_1 gives wrong text, so the weights are first made F16 by us (`gguf.write_f16`), read once by GenAI, and
kept as OpenVINO IR in a folder of derived files, with some of the original blocks put back (`repack`). Later starts load that.

What a start costs (SmolLM2-135M, one thread of a Xeon without AMX, CPU seconds): interpreter and imports 0.5 (0.1 more with the
model converter, see `import_genai`), tokeniser 0.15, reading the IR 0.1, compiling it 1.0 to 1.7. Tried and left: CACHE_DIR (570 MB
more on disk, 0.8 s slower), CACHE_DIR with CACHE_MODE=OPTIMIZE_SIZE (no quicker), an 8-bit KV cache (half of 118 MB, but other
text). ContinuousBatchingPipeline rather than
LLMPipeline: as quick, it takes requests up while others are worked on, and it hands out one step at a time, so that one can be
cancelled while its prompt is read.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wellread.errors import ModelError
from wellread.lock import locked
from wellread.models.engine import Reply
from wellread.models.gguf import read_gguf
from wellread.models.pieces import Detokeniser, StopCutter
from wellread.models.repack import repack
from wellread.models.stepwise import Stepwise
from wellread.models.tight import parts
from wellread.models.weights import write_f16
from wellread.types import Sampling, Usage

_BLOCK = 32  # tokens in a block of GenAI's KV cache on a CPU
_BATCH = 256  # prompt tokens between two chances to cancel
_MODEL = "openvino_model.xml"
_PIECE = 2048  # characters of a text that is counted in pieces
# Tokens that prompt lookup guesses at a time, and the last ones that it goes by; with more, checking them costs what they save.
_GUESSED, _NGRAM = 3, 4


class OpenVINOEngine:
    """A GGUF run by OpenVINO GenAI on the CPU; `derived` is the folder that holds, or will hold, its IR.

    `room` is how many tokens of all requests together are kept, `window` those of one (as many, where it is not given). A `dense` model
    computes in 16 bits where the processor does, any other in f32 (see `repack`). `lookup` guesses what comes next from where the last
    words stand in the prompt (prompt lookup decoding, https://github.com/apoorvumang/prompt-lookup-decoding), and takes of it what the
    model would have written.
    """

    def __init__(
        self,
        path: Path,
        derived: Path,
        end_tokens: Sequence[int],
        threads: int,
        room: int,
        *,
        dense: bool,
        lookup: bool = False,
        window: int | None = None,
    ) -> None:
        genai = import_genai()
        self._window = window or room
        self.notes: tuple[str, ...] = ()
        if not (derived / _MODEL).exists():
            self.notes = (f"{path.name} was prepared for OpenVINO; the next start is quick.",)
            derive(path, derived, dense=dense)
        properties: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same core
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # 8-bit activations change the text
        }
        if not dense:
            properties["INFERENCE_PRECISION_HINT"] = "f32"
        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = -(-room // _BLOCK) + 2
        scheduler.max_num_batched_tokens = _BATCH
        scheduler.dynamic_split_fuse = True
        scheduler.enable_prefix_caching = True
        self._genai = genai
        self._tokenizer = genai.Tokenizer(str(derived), INFERENCE_NUM_THREADS=1)
        looking = {"prompt_lookup": True} if lookup else {}
        self._pipeline = genai.ContinuousBatchingPipeline(str(derived), self._tokenizer, scheduler, "CPU", **properties, **looking)
        self._stepwise = Stepwise(derived / _MODEL, set(end_tokens), threads, self._tokenizer.decode)
        self._end_tokens = set(end_tokens)
        self._lookup = lookup
        self._numbers = iter(range(1, sys.maxsize))
        self._running: list[_Running] = []

    def encode(self, prompt: str) -> list[int]:
        ids = self._encode(prompt)
        if len(ids) < self._window:
            return ids
        # The tokenizer leaves out what lies beyond the longest text that the model was trained for. What is that long cannot be answered,
        # but its length is to be told rightly.
        starts = range(0, len(prompt), _PIECE)
        whole = [number for at in starts for number in self._encode(prompt[at : at + _PIECE])]
        return whole if len(whole) > len(ids) + 2 * len(starts) else ids

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).input_ids.data[0].tolist()
        return ids

    def begin(self, prompt: Sequence[int], sampling: Sampling, schema: str | None, reply: Reply) -> None:
        if sampling.logit_bias or sampling.logprobs is not None:
            self._stepwise.begin(prompt, sampling, reply)
            return
        from openvino import Tensor

        ids = Tensor(np.array([prompt], np.int64))
        handle = self._pipeline.add_request(next(self._numbers), ids, self._config(sampling, schema))
        words, cut = Detokeniser(self._tokenizer.decode), StopCutter(sampling.stop)
        self._running.append(_Running(handle, reply, len(prompt), words, cut))

    def step(self) -> bool:
        if self._pipeline.has_non_finished_requests():
            self._pipeline.step()
        self._running = [running for running in self._running if self._goes_on(running)]
        stepping = self._stepwise.step()
        return stepping or bool(self._running) or self._pipeline.has_non_finished_requests()

    def score(self, prompt: Sequence[int], top: int, reply: Reply) -> None:
        self._stepwise.score(prompt, top, reply)

    def _goes_on(self, running: _Running) -> bool:
        """Tell what the last step brought for a request; False when it is over."""
        ended, text = "", ""
        while running.handle.can_read():
            for output in running.handle.read().values():
                running.written += len(output.generated_ids)
                text += running.words.add(output.generated_ids)
                if output.finish_reason == self._genai.GenerationFinishReason.STOP:
                    ended = "stop"
                elif output.finish_reason == self._genai.GenerationFinishReason.LENGTH:
                    ended = "length"
        text = running.cut.add(text)
        if running.cut.stopped:
            ended = "stop"
        if ended:
            running.handle.cancel()
            running.reply.piece(text + running.cut.rest())
            running.reply.done(ended, Usage(running.prompt, running.written))
            return False
        if running.reply.piece(text):
            running.handle.cancel()
            return False
        return True

    def _config(self, sampling: Sampling, schema: str | None) -> Any:
        config = self._genai.GenerationConfig()
        config.apply_chat_template = False
        config.max_new_tokens = sampling.max_tokens
        config.stop_token_ids = self._end_tokens
        config.repetition_penalty = sampling.repeat_penalty
        config.presence_penalty = sampling.presence_penalty
        config.frequency_penalty = sampling.frequency_penalty
        if self._lookup:
            config.num_assistant_tokens, config.max_ngram_size = _GUESSED, _NGRAM
        if sampling.temperature > 0:
            config.do_sample = True
            config.temperature = sampling.temperature
            config.top_p = sampling.top_p
            config.min_p = sampling.min_p
            if sampling.top_k > 0:
                config.top_k = sampling.top_k
            config.rng_seed = secrets.randbits(31) if sampling.seed is None else sampling.seed
        if schema is not None:
            config.structured_output_config = self._structured(schema)
        return config

    def _structured(self, schema: str) -> Any:
        """How an answer is made to fit a schema."""
        kinds = self._genai.StructuredOutputConfig
        found = parts(json.loads(schema))
        if len(found) == 1:
            return kinds(json_schema=schema)
        grammar = kinds.ConstString(found[0])
        for part in found[1:]:
            grammar = kinds.Concat(grammar, kinds.ConstString(part) if isinstance(part, str) else kinds.JSONSchema(json.dumps(part)))
        return kinds(structural_tags_config=grammar)


@dataclass
class _Running:
    """A request in the pipeline: its handle, who is told, and the tokens of its prompt and answer."""

    handle: Any
    reply: Reply
    prompt: int
    words: Detokeniser
    cut: StopCutter
    written: int = 0


def import_genai() -> Any:
    """The `openvino_genai` module, without the model converter.

    The converter is what brings in openvino-telemetry (which can send usage statistics) and a quarter of the import time; openvino
    itself treats it as optional. Raises ImportError where GenAI is not installed.
    """
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
    import openvino_genai

    return openvino_genai


def derive(path: Path, target: Path, *, dense: bool) -> None:
    """Make the IR of a GGUF in the folder `target`, which appears only when it is complete. Raises `ModelError`.

    A `dense` one keeps its layers at 16 bits.
    """
    genai = import_genai()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.parent / ".making"):  # one at a time: the next finds what this one made
            if not (target / _MODEL).exists():
                _make(genai, path, target, dense=dense)
    except OSError as error:
        raise ModelError(f"{path.name} cannot be prepared for OpenVINO: {error}.", hint="is there room on the disk?") from error


def _make(genai: Any, path: Path, target: Path, *, dense: bool) -> None:
    for left in target.parent.glob(".making-*"):  # of a conversion that was killed: nobody else is at work
        shutil.rmtree(left, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        whole = making / "dense.gguf"
        write_f16(path, whole)
        pipeline = genai.LLMPipeline(str(whole), "CPU", enable_save_ov_model=True, INFERENCE_NUM_THREADS=1)
        del pipeline
        whole.unlink()
        if not (making / _MODEL).exists():
            raise ModelError(f"OpenVINO did not save {path.name}.", hint="is the disk full? otherwise use --engine llamacpp")
        repack(making / _MODEL, read_gguf(path), output_only=dense)
        making.rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
