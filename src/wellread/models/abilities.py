"""What an engine cannot do: shown with a model, and told to whoever asks for it."""

from __future__ import annotations

from wellread.errors import UsageError
from wellread.models.schema import bounds_numbers
from wellread.types import Sampling

CANNOT = {
    "openvino": (
        "LoRA adapters",
        "logprobs or logit_bias together with a JSON schema",
        "a JSON schema's bounds of numbers that need not be whole",
    ),
    "llamacpp": ("the probabilities of a prompt's tokens",),
}
"""By engine, in words for people."""


def check_able(engine: str, sampling: Sampling, *, adapters: int, vocabulary: int, schema: str | None) -> None:
    """Raise `UsageError` for what an engine cannot do with a model that has so many adapters and tokens (0: not known)."""
    if sampling.adapters is not None and len(sampling.adapters) > adapters:
        raise UsageError(
            f"the model has {adapters} adapters, and a scale is given for number {len(sampling.adapters) - 1}.", hint="they count from 0"
        )
    if vocabulary and (wrong := [token for token, _ in sampling.logit_bias if not 0 <= token < vocabulary]):
        raise UsageError(f"there is no token {wrong[0]}.", hint=f"the model has {vocabulary}, counted from 0")
    if engine == "openvino" and schema is not None and bounds_numbers(schema):
        raise UsageError(
            "the OpenVINO engine keeps no bounds of numbers that need not be whole.",
            hint='leave out "minimum" and "maximum" and check the result, bound an "integer", or use --engine llamacpp',
        )
    if engine == "openvino" and schema is not None and (sampling.logit_bias or sampling.logprobs is not None):
        raise UsageError("the OpenVINO engine keeps no schema where logprobs or logit_bias are asked for.", hint="ask for one of them")
