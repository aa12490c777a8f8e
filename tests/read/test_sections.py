"""Sections nest, whatever the headings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wellread.read.sections import Heading, nest
from wellread.types import Section

HEADINGS = st.lists(st.builds(Heading, level=st.integers(1, 6), title=st.sampled_from(["A", "B c", " "]), start=st.integers(0, 90)))


@given(HEADINGS)
def test_sections_nest_and_end_where_the_next_of_their_level_begins(headings: list[Heading]) -> None:
    sections = nest(headings, 100)
    assert [section.start for section in sections] == sorted(section.start for section in sections)
    for section in sections:
        assert 0 <= section.start < section.end <= 100
        assert section.title.strip()
    for at, section in enumerate(sections):
        for later in sections[at + 1 :]:
            assert later.start >= section.end or later.end <= section.end  # apart or inside
            if later.start < section.end:
                assert later.level > section.level


def test_an_example() -> None:
    headings = [Heading(1, "One", 0), Heading(2, "One  one", 10), Heading(1, "Two", 30)]
    assert nest(headings, 50) == (Section(1, "One", 0, 30), Section(2, "One one", 10, 30), Section(1, "Two", 30, 50))
