"""What guessing ahead from the prompt brings where answers quote their sources: the same text, sooner?

    python bench/speculative.py QUESTIONS.jsonl.gz [--rows 24] [--tokens 96] [--engine openvino]

Every row's sources and question are put to the default chat model twice, in turn: with `speculative` "none" and with "lookup", which is
asked to repeat the sentences that answer, and once more to answer in its own words. Told are how many texts are the same, how much sooner
the whole and the writing alone ended (sums of processor-bound seconds on one thread), and how many tokens came with each step.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from dataclasses import dataclass
from pathlib import Path

from wellread.config import load
from wellread.models.engines import LocalChat
from wellread.models.files import ModelStore
from wellread.models.opening import open_named
from wellread.types import Message, Sampling

TASKS = {
    "quoting": "Repeat the sentences of the texts that answer the question, word for word.",
    "own words": "Answer the question in one or two sentences of your own.",
}
WAYS = ("none", "lookup")


@dataclass(frozen=True, slots=True)
class Written:
    """A text, the seconds to its first piece and to its end, its tokens, and the steps in which they came."""

    text: str
    first: float
    whole: float
    tokens: int
    steps: int


def write(chat: LocalChat, messages: list[Message], tokens: int) -> Written:
    began, first, text, steps, written = time.perf_counter(), 0.0, "", 0, 0
    for delta in chat.stream(messages, sampling=Sampling(max_tokens=tokens)):
        if delta.text:
            first = first or time.perf_counter() - began
            steps += 1
            text += delta.text
        if delta.usage:
            written = delta.usage.completion_tokens
    return Written(text, first, time.perf_counter() - began, written, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--engine", default="openvino")
    arguments = parser.parse_args()
    settings = load().settings
    store = ModelStore(settings.models_folder)
    models = {
        way: open_named(store, settings.model, engine=arguments.engine, threads=1, speculative=way, offline=True).chat for way in WAYS
    }
    with gzip.open(arguments.questions, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:: max(1, 800 // arguments.rows)][: arguments.rows]
    for task, order in TASKS.items():
        found: dict[str, list[Written]] = {way: [] for way in WAYS}
        for number, row in enumerate(rows):
            sources = "\n\n".join(source["text"] for source in row["sources"][:2])
            messages = [Message("system", order), Message("user", f"{sources}\n\nQuestion: {row['question']}")]
            for way in WAYS if number % 2 else WAYS[::-1]:
                found[way].append(write(models[way], messages, arguments.tokens))
        print(f"{task}: {told(found['none'], found['lookup'])}", flush=True)
    for chat in models.values():
        chat.close()


def told(plain: list[Written], guessed: list[Written]) -> str:
    same = sum(one.text == other.text for one, other in zip(plain, guessed, strict=True))
    whole = sum(each.whole for each in plain) / sum(each.whole for each in guessed)
    writing = sum(each.whole - each.first for each in plain) / sum(each.whole - each.first for each in guessed)
    tokens, steps = sum(each.tokens for each in guessed), sum(each.steps for each in guessed)
    return (
        f"{same} of {len(plain)} texts the same; the whole {whole:.2f} times as quick, the writing alone {writing:.2f} times;"
        f" {tokens / len(guessed):.0f} tokens an answer, {tokens / max(1, steps):.2f} a step"
    )


if __name__ == "__main__":
    main()
