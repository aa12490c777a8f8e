"""llama.cpp as an engine: the portable one, which reads every GGUF and uses a GPU where there is one.

It is used through xllamacpp's server object, since that has the continuous prompt cache and the grammar for JSON schemas. The
server always opens a listener, by default a TCP port without a key: here it is a Unix socket in a private folder with a random key,
and all that it is asked there is to tokenise. Generation itself is a call in this process.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wellread.errors import ContextOverflow, ModelError, RequestRefused, UsageError
from wellread.models.desk import Capacity
from wellread.models.engine import Reply
from wellread.types import Sampling, Token, Usage

_JSON_BEGINS = frozenset('{["-0123456789tfn')
_IGNORED = "schema_ignored"
_BATCH = 256  # prompt tokens between two chances to cancel
_NGRAM, _GUESSED = 4, 8  # tokens that a guess goes by, and those that it is at most


@dataclass(frozen=True, slots=True)
class Guess:
    """How tokens are guessed ahead: from where the last ones stand in the prompt (`lookup`), or by the model in the file `draft`."""

    lookup: bool = False
    draft: str | None = None


class LlamaEngine:
    """A GGUF loaded by llama.cpp, with LoRA adapters on it; `private` is a folder only this user can enter."""

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, private: Path, threads: int, capacity: Capacity, adapters: Sequence[Path], guess: Guess) -> None:
        import xllamacpp

        self._window = capacity.window
        self._adapters = len(adapters)
        self._key = secrets.token_hex(32)
        self._socket = private / "llama.sock"
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.model_alias = path.stem
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0) for adapter in adapters]
        params.hostnames = [str(self._socket)]
        params.api_keys = [self._key]
        params.endpoint_slots = params.ui = params.endpoint_props = params.endpoint_metrics = False
        params.cors_origins = ""
        params.offline = True
        params.n_ctx = capacity.room
        params.n_parallel = capacity.slots
        params.kv_unified = True  # requests share the room, however long each is
        params.n_batch = params.n_ubatch = _BATCH
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_threads_http = 1
        params.cache_ram_mib = 0  # its own prompt stays cached in the slot; the default adds a cache of up to 8 GiB
        params.warmup = False
        params.verbosity = 1
        kinds = xllamacpp.common_speculative_type
        if guess.lookup:
            params.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
            params.speculative.ngram_simple.size_n, params.speculative.ngram_simple.size_m = _NGRAM, _GUESSED
        if guess.draft is not None:
            params.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
            params.speculative.draft.mparams.path = guess.draft
            params.speculative.draft.n_max = _GUESSED
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise ModelError(f"llama.cpp cannot load {path.name}: {error}.", hint="check the file with: wellread models show") from error

    def encode(self, prompt: str) -> list[int]:
        return self._tokens(prompt)

    def begin(self, prompt: Sequence[int], sampling: Sampling, schema: str | None, reply: Reply) -> None:
        request = _sampling(sampling, self._window)
        # As token ids, because from text llama.cpp would put a second beginning-of-sequence before the template's own.
        request |= {"prompt": list(prompt), "stream": True, "cache_prompt": True, "return_progress": True}
        if schema is not None:
            request["json_schema"] = json.loads(schema)
        if sampling.adapters is not None:
            request["lora"] = [{"id": number, "scale": scale} for number, scale in enumerate(sampling.adapters)]
        threading.Thread(target=self._run, args=(request, reply), daemon=True).start()

    def step(self) -> bool:
        return False  # llama.cpp works in threads of its own

    def score(self, prompt: Sequence[int], top: int, reply: Reply) -> None:
        raise UsageError("the llama.cpp engine does not tell the probabilities of a prompt.", hint="use --engine openvino")

    def _run(self, request: dict[str, Any], reply: Reply) -> None:
        """Answer a request, in a thread of its own."""
        failure: Mapping[str, Any] | None = None
        ended: tuple[str, Usage] | None = None
        unwanted = begun = False
        schema = "json_schema" in request

        def piece(said: dict[str, Any]) -> bool:
            nonlocal failure, ended, unwanted, begun
            if "error" in said:
                failure = said["error"]
                return True
            choice = said["choices"][0]
            if schema and not begun and (text := choice["text"].lstrip()):
                begun = True
                if text[0] not in _JSON_BEGINS:  # it could not make a grammar of the schema, and went on without one
                    failure = {"type": _IGNORED}
                    return True
            if choice["finish_reason"]:
                ended = choice["finish_reason"], _usage(said.get("usage", {}))
            unwanted = reply.piece(choice["text"], _told(choice.get("logprobs")))
            return unwanted

        try:
            self._server.handle_completions(request, piece)
        except Exception as error:
            failure = {"message": f"{type(error).__name__}: {error}"}
        if unwanted:
            return
        if failure is not None or ended is None:
            words = failure or {"message": "it ended its answer half-way"}
            if words.get("type") == _IGNORED:
                reply.failed(RequestRefused("llama.cpp does not keep this JSON schema.", hint="make it simpler, or use --engine openvino"))
                return
            overflow = words.get("type") == "exceed_context_size_error"
            reply.failed((ContextOverflow if overflow else ModelError)(f"llama.cpp: {words.get('message')}."))
        else:
            reply.done(*ended)

    def _tokens(self, prompt: str) -> list[int]:
        line = _UnixConnection(self._socket)
        body = json.dumps({"content": prompt, "add_special": False, "parse_special": True})
        line.request("POST", "/tokenize", body, {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"})
        reply = line.getresponse()
        answer = json.loads(reply.read())
        line.close()
        if reply.status != 200:
            raise RuntimeError(f"llama.cpp did not tokenise: {answer}")
        return list(answer["tokens"])


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _sampling(sampling: Sampling, window: int) -> dict[str, Any]:
    """llama.cpp's words for it. Everything is said, because its own defaults cut the tail of the distribution (top_k 40, min_p
    0.05).
    """
    greedy = sampling.temperature <= 0
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": 0.0 if greedy else sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": 1 if greedy else sampling.top_k,
        "min_p": sampling.min_p,
        "typical_p": 1.0,
        "repeat_penalty": sampling.repeat_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "logit_bias": [[token, bias] for token, bias in sampling.logit_bias],
        "repeat_last_n": window,
        "seed": secrets.randbits(31) if sampling.seed is None else sampling.seed,
        "stop": list(sampling.stop),
        **({} if sampling.logprobs is None else {"logprobs": max(1, sampling.logprobs)}),
    }


def _usage(said: Mapping[str, Any]) -> Usage:
    cached = said.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    return Usage(said.get("prompt_tokens", 0), said.get("completion_tokens", 0), cached)


def _told(said: Mapping[str, Any] | None) -> tuple[Token, ...]:
    """The tokens of a piece, as llama.cpp tells of them."""
    return tuple(
        Token(row["token"], row["logprob"], tuple((each["token"], each["logprob"]) for each in row.get("top_logprobs", ())))
        for row in (said or {}).get("content", ())
    )
