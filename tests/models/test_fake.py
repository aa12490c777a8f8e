"""The models without weights."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import ContextOverflow, ModelError
from wellread.models.base import ChatModel, Embedder
from wellread.models.fake import EchoChat, HashEmbedder, ScriptedChat
from wellread.types import Message, ModelRef, Sampling, Usage


def text(chat: ChatModel, *messages: Message, sampling: Sampling = Sampling()) -> str:
    return "".join(delta.text for delta in chat.stream(messages, sampling=sampling))


def test_a_script_is_followed_and_ends() -> None:
    chat = ScriptedChat(["first reply", lambda messages: messages[-1].content.upper()])
    assert text(chat, Message("user", "a")) == "first reply"
    assert text(chat, Message("user", "b")) == "B"
    assert chat.asked == [(Message("user", "a"),), (Message("user", "b"),)]
    with pytest.raises(ModelError, match="no reply left"):
        text(chat, Message("user", "c"))
    assert chat.ref() == ModelRef("scripted")


@given(st.text())
def test_echo_gives_back_every_character(content: str) -> None:
    assert text(EchoChat(), Message("user", content), sampling=Sampling(max_tokens=4000)) == content


def test_limits_are_kept() -> None:
    chat = EchoChat(context_window=10)
    *_, last = chat.stream([Message("user", "a b c d")], sampling=Sampling(max_tokens=2))
    assert (last.finish, last.usage) == ("length", Usage(5, 2))
    assert text(chat, Message("user", "a b STOP d"), sampling=Sampling(max_tokens=5, stop=("STOP",))) == "a b "
    with pytest.raises(ContextOverflow):
        text(chat, Message("user", "a b c d"), sampling=Sampling(max_tokens=6))


@given(st.lists(st.text(), max_size=5))
def test_vectors_have_length_one_and_depend_on_the_text_alone(texts: list[str]) -> None:
    embedder: Embedder = HashEmbedder()
    vectors = embedder.embed(texts)
    assert vectors.shape == (len(texts), 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    for row, one in zip(vectors, texts, strict=True):
        np.testing.assert_array_equal(row, embedder.embed([one], query=True)[0])


def test_shared_words_bring_texts_together() -> None:
    dog, hound, rates, chinese, related, other = HashEmbedder(512).embed(
        ["The dog bites the man.", "the man BITES a dog", "Interest rates rise", "图书馆在哪里", "我找图书馆", "今天下雨"]
    )
    assert dog @ hound > dog @ rates + 0.3
    assert chinese @ related > chinese @ other + 0.3


def test_vectors_are_the_same_in_another_process() -> None:
    program = "from wellread.models.fake import HashEmbedder; print(HashEmbedder(8).embed(['one two 三四五']).tolist())"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(HashEmbedder(8).embed(["one two 三四五"]).tolist())
