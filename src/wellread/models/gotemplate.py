"""Go templates, as Modelfiles and Ollama's registry have them: those of known families are recognised, the others refused.

A Go template is a program in a language of its own. The well-known ones are told by their digest, and what stands for them here is a
Jinja template of the same conversation format; white space at the ends does not count. Families and texts: Ollama's `template` folder.
"""

from __future__ import annotations

import hashlib
import re

from wellread.errors import UsageError

_BEFORE_USER = (
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
    "{% set ns.system = ns.system + '\n\n' + m.content if ns.system else m.content %}"
    "{% elif m.role == 'user' %}USER{% set ns.system = '' %}{% else %}ASSISTANT{% endif %}{% endfor %}"
)
"""Instructions are not a turn of their own but stand in the user's next one."""


def _turns(turn: str, answer: str) -> str:
    """A template that writes every turn alike."""
    return "{{ bos_token }}{% for m in messages %}{{ " + turn + " }}{% endfor %}{{ '" + answer + "' }}"


def _in_user(user: str, assistant: str, answer: str, begin: str = "") -> str:
    """A template that puts instructions into the user's turn."""
    filled = _BEFORE_USER.replace("USER", "{{ " + user + " }}").replace("ASSISTANT", "{{ " + assistant + " }}")
    start = "{{ bos_token }}"
    return start + "{{ '" + begin + "' }}" + filled.removeprefix(start) + "{{ '" + answer + "' }}"


_WORDS = "{'system': '%s', 'user': '%s', 'assistant': '%s'}[m.role]"
FAMILIES = {
    "chatml": _turns(r"'<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n'", r"<|im_start|>assistant\n"),
    "llama3": _turns(
        r"'<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content + '<|eot_id|>'",
        r"<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "phi3": _turns(r"'<|' + m.role + '|>\n' + m.content + '<|end|>\n'", r"<|assistant|>\n"),
    "zephyr": _turns(r"'<|' + m.role + '|>\n' + m.content + '</s>\n'", r"<|assistant|>\n"),
    "openchat": _turns(
        "'GPT4 Correct ' + " + _WORDS % ("System", "User", "Assistant") + " + ': ' + m.content + '<|end_of_turn|>'",
        "GPT4 Correct Assistant:",
    ),
    "granite": _turns(_WORDS % ("System:", "Question:", "Answer:") + r" + '\n' + m.content + '\n\n'", r"Answer:\n"),
    "chatqa": _turns(_WORDS % ("System", "User", "Assistant") + r" + ': ' + m.content + '\n\n'", "Assistant:"),
    "alfred": _turns("'<start_' + m.role + '>' + m.content + '<end_message>'", "<start_assistant>"),
    "solar": _turns(
        _WORDS % ("### System:", "### User:", "### Assistant:")
        + r" + '\n' + m.content + ('</s>\n\n' if m.role == 'assistant' else '\n\n')",
        r"### Assistant:\n",
    ),
    "gemma": _in_user(
        r"'<start_of_turn>user\n' + (ns.system + '\n' if ns.system else '') + m.content + '<end_of_turn>\n'",
        r"'<start_of_turn>model\n' + m.content + '<end_of_turn>\n'",
        r"<start_of_turn>model\n",
    ),
    "mistral": _in_user(
        r"(ns.system + '\n\n' if ns.system else '') + m.content + '[/INST]'", "' ' + m.content + '</s>[INST] '", "", "[INST] "
    ),
    "llama2": _in_user(
        r"'<<SYS>>' + ('\n' + ns.system + '\n' if ns.system else '') + '<</SYS>>\n\n' + m.content + ' [/INST]'",
        "' ' + m.content + '</s><s>[INST] '",
        "",
        "[INST] ",
    ),
    "vicuna": _in_user(
        r"(ns.system + '\n\n' if ns.system else '') + 'USER: ' + m.content + '\n'",
        r"'ASSISTANT: ' + m.content + '</s>\n'",
        "ASSISTANT:",
    ),
    "alpaca": _in_user(
        r"(ns.system + '\n\n' if ns.system else '') + '### Instruction:\n' + m.content + '\n\n'",
        r"'### Response:\n' + m.content + '\n\n'",
        r"### Response:\n",
    ),
}
"""Names of conversation formats, and a Jinja template for each."""

_DIGESTS = {
    "chatml": (
        "3e9c19662c62ac69687769db7192eef3",
        "5757fa7558f210856584fc68d6351cd2",
        "64631f1262e4e87d47511bb7b4055403",
        "6b94b22478514fa501cae65fbc0b74cc",
        "e0cf040609ace79f90c12b543d2e280b",
        "f769186116aa719c0d815e8f8f0228fd",
        "fa8832888b077c272f5a428166930434",
    ),
    "llama3": (
        "13ffd434e4166549bc246ffc4e0675d1",
        "19884aa933e562b67a1962dd39d05d9c",
        "56da6766e27352459991bfd5d47e60ff",
        "85489199c7d38ee589e0e65c5d431bf6",
        "86259548ee8ebd6f7634070458ea3cba",
        "8ab4849b038cf0abc5b1c9b8ee1443dc",
        "ee1fa8d6a4dbf8f1213072098dd652fb",
    ),
    "phi3": (
        "542b217f179c7825eeb5bca3c77d2b75",
        "68b0323b2f21572bc09ba07554b16b37",
        "78787b81ffc2af279508d91c188636da",
        "9512c372dfc7d84d6065b8dd2b601aee",
        "b97d1c3d0bba7208a4f5894883aa44e3",
        "eb745c6300431f9d6dcac2fa3188106e",
        "eef3e6ffc9c27838d7bcee0139771894",
    ),
    "zephyr": (
        "2f877f969346ff11f1c4df30c717db8a",
        "3b7fa8ab9c65dca3a0e2afc2fd81ab88",
        "41bd974eccef960c8f7754bee92ece51",
        "52a83090beeb5304d60ab8a4f03b9513",
        "7e12a2e0f33d43fd9e7de96f659aa095",
        "831d94620360458b3b31f9972d22d2a5",
        "939900665e40e0a1586546b19e96c390",
    ),
    "gemma": ("d9fbdfd160d291b954e1cbe6cc450804",),
    "mistral": ("c502cd9313888317b670db1c6d569878",),
    "vicuna": ("afb92aa3328db00d21faf8504790d841",),
    "alpaca": ("6ec2f422d044b6063aed75f99f974871",),
    "openchat": ("e4ef0210ea1e3e5794d5cc22e95b85f9",),
    "granite": ("bda44f26790e26201e811c7aa560f38a",),
    "llama2": ("3f74e056f96c687f67c49ed8309407e0",),
    "chatqa": ("1c4b2e51cf108dc8cdc6b1dc3bd11e4f",),
    "alfred": ("3d8766305b70e46ec57a4e70c46402fe",),
    "solar": ("c1f4c93c190a4c563edb96d9690998c7",),
}
"""The first half of the sha256 of Go templates, white space at the ends left away."""


def jinja_of(template: str) -> str:
    """The Jinja template for one that was written down: itself, where it is Jinja. Raises `UsageError` for an unknown Go template."""
    if re.search(r"\{%", template):
        return template
    digest = hashlib.sha256(template.replace("\r\n", "\n").strip().encode()).hexdigest()[:32]
    for family, digests in _DIGESTS.items():
        if digest in digests:
            return FAMILIES[family]
    raise UsageError(
        "this chat template is none of those that are known here.",
        hint=f"leave it out, so that the model's own is used, or write it in Jinja; known Go templates: {', '.join(_DIGESTS)}",
    )
