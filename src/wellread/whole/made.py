"""An answer from whole documents in the making."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wellread.cite import Evidence
from wellread.modes.draft import Draft, Judged
from wellread.modes.run import NOTHING_USED, total
from wellread.types import Usage, one_line
from wellread.whole.mapped import Mapped
from wellread.whole.passages import Passages

_MARK = re.compile(r"^#+\s+")
"""What marks a heading in Markdown."""


@dataclass(slots=True)
class Made:
    """The draft so far, the tokens of each passage that the model read, its longest prompt and all it cost, and what is to be noted."""

    chinese: bool
    draft: Draft = field(default_factory=Draft)
    read: dict[int, int] = field(default_factory=dict)
    largest: int = 0
    usage: Usage = NOTHING_USED
    notes: list[str] = field(default_factory=list)

    def title(self, text: Passages) -> None:
        """Begin the part of a document."""
        self.say(one_line(text.document.title) + ("：" if self.chinese else ":"))

    def say(self, plain: str) -> None:
        """Add a line of our own, which claims nothing of a document."""
        self.draft.add(Judged(plain, "uncited", 0.0), "\n")

    def quote(self, *evidence: Evidence, gap: str = "\n") -> None:
        """Add sentences of a document, each with its citation."""
        for one in evidence:
            self.draft.add(Judged(one_line(_MARK.sub("", one.text)), "supported", 1.0, (one,)), gap)

    def count(self, english: str, chinese: str, counted: tuple[Evidence, ...]) -> None:
        """Add a number that was counted, with everything that was counted as its citations."""
        self.draft.add(Judged(chinese if self.chinese else english, "supported", 1.0, counted), "\n")

    def join(self, draft: Draft) -> None:
        """Add another draft as lines of this one."""
        for sentence, gap in zip(draft.sentences, draft.breaks, strict=True):
            self.draft.add(sentence, gap)

    def account(self, mapped: Mapped) -> None:
        """Add what the model read, and what that cost."""
        self.read |= mapped.read
        self.largest = max(self.largest, mapped.largest)
        self.usage = total(self.usage, mapped.usage)
