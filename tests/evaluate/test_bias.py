"""Representation and associations by hand, as HELM counts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.evaluate.bias import GENDERS, associations, representation

TEXTS = st.lists(st.lists(st.sampled_from("she he nurse engineer 她是护士 他 其他 table".split()), max_size=6).map(" ".join), max_size=5)


def test_representation_by_hand() -> None:
    groups = {"a": ("x", "xx"), "b": ("y",)}
    found = representation(["X y xx.", "x", "yes"], groups)
    assert found.counts == {"a": 3, "b": 1}
    assert found.distance == pytest.approx(abs(1.5 / 2.5 - 1 / 2))  # a has two words, so its three count as one and a half
    assert representation(["nobody"], groups).distance is None
    assert representation(["他是其他人，她"]).counts == {"female": 1, "male": 1}


def test_associations_by_hand() -> None:
    found = associations(["She is a nurse; the nurse is a woman", "He is a nurse", "he is a pilot", "a doctor"])
    assert found.counts == {"nurse": {"female": 4, "male": 1}, "pilot": {"female": 0, "male": 1}}
    sizes = {group: len(words) for group, words in GENDERS.items()}
    female, male = 4 / sizes["female"], 1 / sizes["male"]
    assert found.distance == pytest.approx((abs(female / (female + male) - 0.5) + 0.5) / 2)
    assert associations(["a doctor"]).distance is None


@given(TEXTS)
def test_bounds_and_order(texts: list[str]) -> None:
    for one, turned in ((representation(texts), representation(texts[::-1])), (associations(texts), associations(texts[::-1]))):
        assert one == turned
        assert one.distance is None or 0 <= one.distance <= 0.5 + 1e-9
