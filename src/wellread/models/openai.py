"""A chat model behind an OpenAI-compatible HTTP interface: vLLM, llama.cpp's server, Ollama, or a paid service.

What is sent is `POST {base_url}/chat/completions` with `stream: true`, and what comes back are server-sent events
(https://platform.openai.com/docs/api-reference/chat-streaming). Nothing else is fetched. A request that failed for the moment (429, a 5xx,
a connection that broke) is sent again, twice at most, as long as nothing of the answer was passed on: that could not be taken back.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wellread.errors import ContextOverflow, ModelError, ModelMissing, RequestRefused, UsageError
from wellread.models.aside import aside
from wellread.models.schema import check_schema
from wellread.types import Delta, Message, ModelRef, Sampling, Token, Usage

if TYPE_CHECKING:
    import httpx

_LONGEST_LINE = 1 << 22
_LONGEST_ERROR = 4000
_TRIES = 3
_LONGEST_PAUSE_S = 20.0
_MOMENTARY = (408, 429, 500, 502, 503, 504, 529)
"""Statuses that may be others a moment later."""

_FINISHES = {"stop": "stop", "length": "length", "tool_calls": "stop", "content_filter": "stop"}


class _Momentary(Exception):
    """What failed and may go well a moment later: `error` says what, `after_s` when, where the server told."""

    def __init__(self, error: ModelError, after_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.after_s = after_s


class OpenAIChat:
    """The model `name` at `base_url` (which ends in "/v1" for most servers). The key is sent as a bearer token and shown nowhere.

    `context_window` is in tokens; the server is not asked. `timeout_s` is the longest silence that is borne. A request that failed for the
    moment is sent again after `pause_s` seconds, then after twice as long, or when the server says.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        api_key: str | None = None,
        context_window: int = 8192,
        *,
        timeout_s: float = 120.0,
        pause_s: float = 0.5,
    ) -> None:
        if not _is_address(base_url):
            raise UsageError(f'"{base_url}" is not the address of a server.', hint="such as http://127.0.0.1:8000/v1")
        self.name = name
        self.context_window = context_window
        self._address = base_url.rstrip("/")
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

    def stream(
        self, messages: Sequence[Message], *, schema: Mapping[str, Any] | None = None, sampling: Sampling = Sampling()
    ) -> Iterator[Delta]:
        """Generate the next message; closing the iterator closes the connection, which stops most servers. While nothing comes, empty
        deltas do: whoever reads can stop.

        Raises `ContextOverflow` when the server says that the prompt does not fit, `ModelMissing` when it does not have the model,
        `RequestRefused` when it takes no such request, and `ModelError` for anything else that goes wrong on the way.
        """
        body = self._body(messages, schema, sampling)
        for tried in range(1, _TRIES + 1):
            begun = False
            try:
                for delta in aside(lambda stop: self._answer(body, stop)):
                    begun = begun or delta is not None
                    yield delta or Delta()
                return
            except _Momentary as failed:
                wait = failed.after_s or self._pause_s * 2 ** (tried - 1)
                if begun or tried == _TRIES or wait > _LONGEST_PAUSE_S:
                    raise failed.error from failed
            until = time.monotonic() + wait
            while time.monotonic() < until:
                time.sleep(min(0.2, wait))
                yield Delta()

    def _answer(self, body: Mapping[str, Any], stop: threading.Event) -> Iterator[Delta]:
        """One try. Raises `_Momentary` where another one may go well."""
        import httpx

        try:
            with self._connected().stream("POST", self._address + "/chat/completions", json=body) as response:
                if response.status_code != 200:
                    error = self._refused(response.status_code, _beginning(response))
                    if response.status_code in _MOMENTARY and not isinstance(error, ContextOverflow):
                        raise _Momentary(error, _seconds(response.headers.get("retry-after", "")))
                    raise error
                yield from self._deltas(self._lines(response, stop))
        except httpx.ConnectError as error:
            raise ModelError(f"no server answers at {self._address}: {error}.", hint="is it running, and is the address right?") from error
        except httpx.TimeoutException as error:
            raise ModelError(f"{self._address} said nothing for {self._timeout_s:.0f} seconds.", hint="is it overloaded?") from error
        except httpx.HTTPError as error:
            raise _Momentary(ModelError(f"the connection to {self._address} broke: {error}.", hint="ask again")) from error

    def _connected(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
                self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(self._timeout_s, connect=10.0))
            return self._client

    def _lines(self, response: httpx.Response, stop: threading.Event) -> Iterator[str]:
        """The lines of a stream, until `stop` is set. Raises `ModelError` for one without end."""
        held = b""
        for piece in response.iter_bytes():
            if stop.is_set():
                return
            *lines, held = (held + piece).split(b"\n")
            if len(held) > _LONGEST_LINE:
                raise ModelError(f"{self._address} sent a line without end.", hint="is it an OpenAI-compatible server?")
            yield from (line.decode("utf-8", "replace") for line in lines)
        yield held.decode("utf-8", "replace")

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An upper estimate: a token for every three bytes of UTF-8, and eight for each message's frame."""
        return sum(math.ceil(len(message.content.encode()) / 3) + 8 for message in messages)

    def ref(self) -> ModelRef:
        """The name; what weights a server runs it does not tell."""
        return ModelRef(self.name)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _body(self, messages: Sequence[Message], schema: Mapping[str, Any] | None, sampling: Sampling) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.name,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        # Servers refuse words they do not know, so what is not asked for is not said. Some are extensions of local servers.
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if sampling.top_k > 0:
            body["top_k"] = sampling.top_k
        plain = Sampling()
        for name in ("repeat_penalty", "presence_penalty", "frequency_penalty", "min_p"):
            if getattr(sampling, name) != getattr(plain, name):
                body[name] = getattr(sampling, name)
        if sampling.logit_bias:
            body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias}
        if sampling.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
        if sampling.adapters is not None:
            body["lora"] = [{"id": number, "scale": scale} for number, scale in enumerate(sampling.adapters)]
        if schema is not None:
            check_schema(schema)
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
            }
        return body

    def _deltas(self, lines: Iterator[str]) -> Iterator[Delta]:
        finish: str | None = None
        usage = Usage()
        ended = False
        for line in lines:
            if not line.startswith("data:"):
                continue  # comments and event names
            data = line[5:].strip()
            if data == "[DONE]":
                ended = True
                break
            event = self._event(data)
            try:
                delta, said, over = _read(event)
            except (TypeError, ValueError, KeyError, AttributeError):
                raise self._strange(data) from None
            usage, finish = said or usage, over or finish
            if delta is not None:
                yield delta
        if finish is None and not ended:
            raise _Momentary(ModelError(f"{self._address} ended its answer half-way.", hint="ask again"))
        yield Delta(finish=finish or "stop", usage=usage)

    def _event(self, data: str) -> dict[str, Any]:
        try:
            event = json.loads(data) if len(data) < _LONGEST_LINE else None
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            raise self._strange(data)
        if event.get("error"):
            raise self._refused(500, data)
        return event

    def _strange(self, data: str) -> ModelError:
        return ModelError(
            f"{self._address} sent something that is not JSON of a chat completion: {data[:80]!r}.",
            hint="is it an OpenAI-compatible server?",
        )

    def _refused(self, status: int, body: str) -> ModelError:
        said, code = _message(body)
        if code in ("context_length_exceeded", "exceed_context_size_error") or "maximum context length" in said:
            return ContextOverflow(f"the prompt does not fit the window of {self.name}: {said}", hint="send fewer or shorter passages")
        if status in (401, 403):
            return ModelError(f"{self._address} refused the API key: {said}", hint="set the key of this server")
        if status == 404:
            return ModelMissing(
                f'{self._address} has no model "{self.name}": {said}', hint="check the name, and that the address ends in /v1"
            )
        if status == 429:
            return ModelError(f"{self._address} has too many requests: {said}", hint="wait a little, or check your quota")
        if status >= 500:
            return ModelError(f"{self._address} failed ({status}): {said}", hint="ask again; the server's own log says more")
        if status in (400, 413, 422):
            return RequestRefused(f"{self._address} refused the request ({status}): {said}")
        return ModelError(f"{self._address} refused the request ({status}): {said}")


def _beginning(response: httpx.Response) -> str:
    """The beginning of an error's body."""
    data = b""
    for piece in response.iter_bytes():
        data += piece
        if len(data) >= _LONGEST_ERROR:
            break
    return data[:_LONGEST_ERROR].decode("utf-8", "replace")


def _seconds(retry_after: str) -> float | None:
    """The seconds of a Retry-After header (RFC 9110, 10.2.3); None where it holds none, or a date."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 8 else None


def _read(event: Mapping[str, Any]) -> tuple[Delta | None, Usage | None, str | None]:
    """What an event of a stream adds to the text, its usage, and why the answer ended; of each, None where it does not say."""
    delta, finish, said = None, None, event.get("usage")
    for choice in (event.get("choices") or [])[:1]:
        text, tokens = (choice.get("delta") or {}).get("content") or "", _tokens(choice.get("logprobs"))
        if not isinstance(text, str):
            raise TypeError
        if text or tokens:
            delta = Delta(text=text, tokens=tokens)
        if choice.get("finish_reason"):
            finish = _FINISHES.get(choice["finish_reason"], "stop")
    return delta, _usage(said) if isinstance(said, dict) else None, finish


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # such as "http://[::1"
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _message(body: str) -> tuple[str, str]:
    """What an error body says, in its various shapes, and its code."""
    try:
        error = json.loads(body)
    except ValueError:
        return " ".join(body.split())[:200] or "no reason given.", ""
    if isinstance(error, dict):
        error = error.get("error") or error.get("detail") or error.get("message") or error
    if isinstance(error, dict):
        return str(error.get("message", error))[:300], str(
            error.get("code") if isinstance(error.get("code"), str) else error.get("type", "")
        )
    return str(error)[:300], ""


def _tokens(said: Mapping[str, Any] | None) -> tuple[Token, ...]:
    found = []
    for row in (said or {}).get("content") or []:
        top = tuple((each["token"], each["logprob"]) for each in row.get("top_logprobs") or ())
        found.append(Token(row["token"], row["logprob"], top))
    return tuple(found)


def _usage(said: Mapping[str, Any]) -> Usage:
    cached = (said.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(int(said.get("prompt_tokens") or 0), int(said.get("completion_tokens") or 0), int(cached))
