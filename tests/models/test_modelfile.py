"""Modelfiles: what they say, what they may not say, and that one that is printed is the one that was read."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from wellread.errors import UsageError
from wellread.models.gotemplate import FAMILIES, jinja_of
from wellread.models.manner import Manner
from wellread.models.modelfile import Modelfile, modelfile_text, parse_modelfile
from wellread.models.parameters import KNOWN
from wellread.models.template import ChatTemplate
from wellread.types import Message, Sampling

WHOLE = '''# a remark
FROM ./tiny.gguf
parameter temperature 0.5
PARAMETER stop "<|end|>"
PARAMETER stop User:
  SYSTEM """Two lines,
 the second with a space before it."""

ADAPTER ./one.gguf
Adapter two
TEMPLATE """{% for m in messages %}{{ m.content }}{% endfor %}"""
MESSAGE user Who are you?
MESSAGE assistant "  I am myself.  "
LICENSE MIT
LICENSE """And
another."""
'''


def test_every_directive_is_read() -> None:
    assert parse_modelfile(WHOLE) == Modelfile(
        "./tiny.gguf",
        Manner(
            system="Two lines,\n the second with a space before it.",
            template="{% for m in messages %}{{ m.content }}{% endfor %}",
            parameters=(("temperature", 0.5), ("stop", "<|end|>"), ("stop", "User:")),
            messages=(Message("user", "Who are you?"), Message("assistant", "  I am myself.  ")),
            licences=("MIT", "And\nanother."),
        ),
        ("./one.gguf", "two"),
    )
    assert parse_modelfile(WHOLE.replace("\n", "\r\n")) == parse_modelfile("\ufeff" + WHOLE) == parse_modelfile(WHOLE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["does not say what", "FROM"]),
        ("SYSTEM hello", ["does not say what"]),
        ("FROM", ["FROM says nothing"]),
        ("FROM a\nFORM b", ["line 2", '"FORM"', 'did you mean "FROM"?']),
        ("FROM a\nRENDERER x", ["line 2", '"RENDERER"']),
        ("FROM a\nPARAMETER temprature 1", ["line 2", '"temprature"', 'did you mean "temperature"?']),
        ("FROM a\nPARAMETER temperature hot", ["'hot'", "number from 0 to 10"]),
        ("FROM a\nPARAMETER temperature nan", ["'nan'"]),
        ("FROM a\nPARAMETER top_k 1.5", ["whole number"]),
        ("FROM a\nPARAMETER top_p 2", ["'2'"]),
        ("FROM a\nPARAMETER num_ctx 0", ["'0'"]),
        ("FROM a\nPARAMETER stop", ["stop is empty"]),
        ("FROM a\nPARAMETER mirostat 2", ["mirostat is not supported", "leave it out"]),
        ("FROM a\nPARAMETER num_gpu 1", ["num_gpu", "one of Ollama's"]),
        ("FROM a\nPARAMETER seed 1\nPARAMETER seed 2", ["line 3", "seed is there twice"]),
        ("FROM a\nFROM b", ["FROM is there twice"]),
        ("FROM a\nSYSTEM b\nsystem c", ["SYSTEM is there twice"]),
        ('FROM a\nSYSTEM """b', ["line 2", "never closed"]),
        ('FROM a\nSYSTEM """b""" c', ["line 2", "never closed"]),
        ('FROM a\nSYSTEM "b', ["never closed"]),
        ("FROM a\nMESSAGE pirate hello", ['"pirate"', "one of system, user, assistant"]),
        ("FROM a\nMESSAGE usr hello", ['did you mean "user"?']),
    ],
)
def test_what_is_not_understood_is_refused(text: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_modelfile(text)
    for word in words:
        assert word in str(caught.value)


_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40) | st.lists(
    st.sampled_from(['"', '"""', "\n", " ", "#", "FROM x", "\t", "é", "\\n", "'"]), min_size=1, max_size=8
).map("".join)
_PARAMETERS = st.one_of(
    st.tuples(st.just("temperature"), st.floats(0, 10)),
    st.tuples(st.just("num_ctx"), st.integers(1, 1 << 27)),
    st.tuples(st.just("seed"), st.integers(0, (1 << 31) - 1)),
)


@settings(max_examples=60)
@given(
    base=_TEXT,
    manner=st.builds(
        Manner,
        system=_TEXT | st.just(""),
        template=_TEXT | st.just(""),
        parameters=st.tuples(st.lists(_PARAMETERS, max_size=3, unique_by=lambda pair: pair[0]), st.lists(_TEXT, max_size=2)).map(
            lambda both: (*both[0], *(("stop", text) for text in both[1]))
        ),
        messages=st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), _TEXT), max_size=3).map(tuple),
        licences=st.lists(_TEXT, max_size=2).map(tuple),
    ),
    adapters=st.lists(_TEXT, max_size=2).map(tuple),
)
@example(base="a", manner=Manner(system='say "hello"\n"""quoted""" and\n"', template='"'), adapters=())
def test_what_is_printed_is_read_again_as_it_was(base: str, manner: Manner, adapters: tuple[str, ...]) -> None:
    modelfile = Modelfile(base, manner, adapters)
    assume(all(text.strip() for text in (base, *adapters, *manner.licences, manner.system or "-", manner.template or "-")))
    try:
        text = modelfile_text(modelfile)
    except UsageError:
        texts = [base, manner.system, manner.template, *adapters, *manner.licences, *(message.content for message in manner.messages)]
        texts += [str(value) for _, value in manner.parameters]
        assert any('"' in each or "\r" in each for each in texts)
        return
    assert parse_modelfile(text) == modelfile


@given(st.text(max_size=200))
def test_any_text_is_a_modelfile_or_is_refused(text: str) -> None:
    try:
        modelfile = parse_modelfile(f"FROM a\n{text}")
    except UsageError:
        return
    assert modelfile.base == "a"


def test_parameters_fill_in_what_a_request_leaves_open() -> None:
    manner = Manner(parameters=(("temperature", 0.5), ("top_k", 3), ("num_predict", 9), ("stop", "a"), ("stop", "b")))
    assert manner.sampled(Sampling()) == Sampling(temperature=0.5, top_k=3, max_tokens=9, stop=("a", "b"))
    asked = Sampling(temperature=0.9, max_tokens=7, stop=("b", "c"))
    assert manner.sampled(asked) == Sampling(temperature=0.9, top_k=3, max_tokens=7, stop=("b", "c", "a"))
    assert Manner(parameters=(("num_predict", -1),)).sampled(Sampling()) == Sampling()
    assert set(KNOWN) >= {name for name, _ in manner.parameters}


def test_instructions_and_turns_stand_before_the_conversation() -> None:
    manner = Manner(system="Be brief.", messages=(Message("user", "Hi"), Message("assistant", "Yes?")))
    asked = [Message("system", "Use the sources."), Message("user", "Why?")]
    head = Message("system", "Be brief.\n\nUse the sources.")
    assert manner.shaped(asked) == [head, *manner.messages, asked[1]]
    assert manner.shaped(asked[1:]) == [Message("system", "Be brief."), *manner.messages, asked[1]]
    assert Manner().shaped(asked) == asked


CHATML = "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n{{ end }}<|im_start|>assistant\n{{ .Response }}<|im_end|>"  # noqa: E501
TALK = [Message("system", "S"), Message("user", "A"), Message("assistant", "B"), Message("user", "C")]


def test_a_known_go_template_is_recognised() -> None:
    for text in (CHATML, f"\n{CHATML}\n", CHATML.replace("\n", "\r\n"), CHATML.removesuffix("\n{{ .Response }}<|im_end|>")):
        assert jinja_of(text) == FAMILIES["chatml"]
    assert ChatTemplate(FAMILIES["chatml"], bos="<s>").render(TALK[:2]) == (
        "<s><|im_start|>system\nS<|im_end|>\n<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("family", "prompt"),
    [
        ("llama3", "<|start_header_id|>user<|end_header_id|>\n\nC<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"),
        ("gemma", "<start_of_turn>user\nS\nA<end_of_turn>\n<start_of_turn>model\nB<end_of_turn>\n"),
        ("mistral", "[INST] S\n\nA[/INST] B</s>[INST] C[/INST]"),
        ("llama2", "[INST] <<SYS>>\nS\n<</SYS>>\n\nA [/INST] B</s><s>[INST] <<SYS>><</SYS>>\n\nC [/INST]"),
        ("vicuna", "S\n\nUSER: A\nASSISTANT: B</s>\nUSER: C\nASSISTANT:"),
        ("phi3", "<|system|>\nS<|end|>\n<|user|>\nA<|end|>\n"),
    ],
)
def test_what_stands_for_it_writes_the_same(family: str, prompt: str) -> None:
    assert prompt in ChatTemplate(FAMILIES[family]).render(TALK)


def test_every_family_can_be_rendered() -> None:
    for jinja in FAMILIES.values():
        rendered = ChatTemplate(jinja).render(TALK)
        assert [rendered.count(word) for word in "C"] == [rendered.count("C")] and rendered.index("A") < rendered.rindex("C")


def test_jinja_is_taken_as_it_is_and_other_go_templates_are_refused() -> None:
    assert jinja_of("{% if a %}{% endif %}") == "{% if a %}{% endif %}"
    with pytest.raises(UsageError, match="none of those that are known") as caught:
        jinja_of("{{ range .Messages }}{{ .Content }}!{{ end }}")
    assert "chatml" in (caught.value.hint or "")
