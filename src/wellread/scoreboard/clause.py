"""An English clause taken apart into subject, verb and the rest, and put together again as a question.

There is no parser here: a verb is known by its form, of a list of common ones, and whatever does not fit is left alone. A question
that is not asked costs nothing; one that is not English does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

BE = frozenset("is are was were".split())
_MODAL = frozenset("can could will would must may should".split())
_HAVE = {"has": "does", "have": "do", "had": "did"}
_IRREGULAR = {
    "begin": "began", "leave": "left", "make": "made", "run": "ran", "keep": "kept", "hold": "held", "write": "wrote", "give": "gave",
    "take": "took", "come": "came", "become": "became", "lead": "led", "build": "built", "send": "sent", "lose": "lost", "rise": "rose",
    "fall": "fell", "grow": "grew", "meet": "met", "pay": "paid", "sell": "sold", "buy": "bought", "win": "won", "spend": "spent",
    "bring": "brought", "choose": "chose", "mean": "meant", "stand": "stood", "go": "went", "show": "showed", "find": "found",
    "cost": "cost", "get": "got", "speak": "spoke", "draw": "drew", "read": "read",
}  # fmt: skip
_REGULAR = (
    "contain include require provide produce allow improve reduce create describe define introduce propose achieve combine employ enable"
    " consist depend rely operate serve generate replace receive remain occur appear follow start stop open close move weigh last live"
    " join found publish develop adopt own represent charge burn connect carry measure store use support need offer help add settle"
    " decrease increase decline cover refer belong arrive return end control handle convert retrieve assign collect install accept lend"
).split()
_OBJECT_VERBS = frozenset(
    "contain include require provide produce use support need measure replace receive generate consist depend rely carry employ control"
    " handle convert accept store offer combine enable burn lend cover measure".split()
)
_WITH_PREPOSITION = {"consist": "of", "depend": "on", "rely": "on"}
_PREPOSITIONS = frozenset("of on in for to at by with from as into over under between".split())
_DETERMINERS = frozenset("the a an each every".split())
_NO_SUBJECT = frozenset(
    "it its they their he his she her we our i my you your this that these those there here one some many most all both such several other"
    " another any no none not and but or so if when while where because although since after before during as for in on at by with from to"
    " of under over however thus then also finally first second third next figure table see note what who which how".split()
)
_NOT_IN_SUBJECT = frozenset("that which who if when where to as than it they we this these not how by until till".split())
_CUT = re.compile(
    r"[,;:—–]|\s(?:because|although|though|while|whereas|which|but|so that|unless|if|until|when|where"
    r"|and (?=(?:it|they|the|a|an|this|is|are|was|were|must|can|will|has|have|then)\b))"
)
_WHICH = re.compile(r"\b((?:the|a|an) (?:[a-z-]+ ){0,3}?[a-z-]+|(?:the )?[A-Z][\w-]+), which ([a-z]+) ([^,;:()]+)")


def _forms() -> dict[str, tuple[str, str]]:
    """Every form of the verbs: the verb itself, and what "do" becomes beside it."""
    found: dict[str, tuple[str, str]] = {}
    for verb in (*_REGULAR, *_IRREGULAR):
        for form, do in ((verb, "do"), (_past(verb), "did"), (_third(verb), "does")):
            found.setdefault(form, (verb, do))
    return found


def _third(verb: str) -> str:
    if _ends_in_y(verb):
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("sh", "o")) else "s")


def _past(verb: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb in ("stop", "refer"):
        return verb + verb[-1] + "ed"
    return verb[:-1] + "ied" if _ends_in_y(verb) else verb + "d" if verb.endswith("e") else verb + "ed"


def _ends_in_y(verb: str) -> bool:
    return verb.endswith("y") and verb[-2] not in "aeiou"


_FORMS = _forms()


@dataclass(frozen=True, slots=True)
class Clause:
    """`subject` is written as inside a sentence. `rest` is what follows the verb up to the first comma or conjunction, `reason` what
    follows "because"; `goes_on` where a comma ended the rest, as it does in a list."""

    subject: str
    verb: str
    rest: str
    reason: str = ""
    goes_on: bool = False

    @property
    def object_after(self) -> str | None:
        """Which preposition stands before what one would ask for ("" for none), or None where that does not follow the verb."""
        verb = _FORMS.get(self.verb, ("", ""))[0]
        needed = _WITH_PREPOSITION.get(verb, "")
        first = self.rest.split(" ")[0]
        follows = first == needed if needed else first not in _PREPOSITIONS
        return needed if verb in _OBJECT_VERBS and follows else None

    def asked(self, words: str, rest: str) -> str:
        """The clause as a question that begins with `words` and goes on with `rest` instead of its own."""
        if self.verb in BE or self.verb in _MODAL or (self.verb in _HAVE and _is_participle(rest.split(" ")[0])):
            order = [words, self.verb, self.subject, rest]
        else:
            verb, do = ("have", _HAVE[self.verb]) if self.verb in _HAVE else _FORMS[self.verb]
            order = [words, do, self.subject, verb, rest]
        return " ".join(" ".join(order).split()) + "?"


def clauses_of(sentence: str, is_common: Callable[[str], bool]) -> list[Clause]:
    """The main clause of a sentence, and a clause that "which" begins, where they can be told.

    `is_common` says of a word in lower case whether the document has it so: then it is no name at the beginning of a sentence.
    """
    found = []
    main = _clause(sentence.rstrip(" ."), is_common)
    if main is not None:
        found.append(main)
    for which in _WHICH.finditer(sentence.rstrip(" .")):
        noun = re.sub(r"^(?:a|an) ", "the ", which[1])
        if which[2] in _FORMS or which[2] in BE or which[2] in _HAVE:
            found.append(Clause(noun, which[2], which[3].strip()))
    return found


def _clause(text: str, is_common: Callable[[str], bool]) -> Clause | None:
    words = text.split(" ")
    at = _verb_place(words)
    if at is None:
        return None
    subject = words[: at - 1] if _is_adverb(words[at - 1]) else words[:at]
    if not _can_be_subject(subject):
        return None
    first = words[0]
    if first.lower() in _DETERMINERS or (not first.isupper() and is_common(first.lower()) and not words[1][:1].isupper()):
        first = first[0].lower() + first[1:]
    tail = " ".join(words[at + 1 : _next_verb(words, at)])
    cut = _CUT.search(" " + tail)
    rest = tail[: max(0, cut.start() - 1)] if cut else tail
    because = re.search(r"\bbecause (?!of\b)([^;:()]+)$", " ".join(words[at + 1 :]))
    return Clause(
        subject=" ".join([first, *subject[1:]]),
        verb=words[at],
        rest=rest.strip(),
        reason=because[1].strip() if because else "",
        goes_on=cut is not None and cut.group() == ",",
    )


def _verb_place(words: list[str]) -> int | None:
    """Where the first verb stands; a form that another verb follows is taken for a noun ("the test runs are")."""
    for at, word in enumerate(words[:9]):
        if at and (word in BE or word in _MODAL or word in _HAVE or word in _FORMS):
            following = words[at + 1] if at + 1 < len(words) else ""
            if word not in _FORMS or (
                (_FORMS[word][1] != "do" or words[at - 1].endswith("s")) and not _is_verb(following) and following not in _HAVE
            ):
                return at
    return None


def _next_verb(words: list[str], at: int) -> int:
    """Where the next thing begins that the subject does: at an "and" before a verb."""
    for place in range(at + 1, len(words) - 1):
        if words[place].rstrip(",") == "and" and (_is_verb(words[place + 1]) or words[place + 1] in _HAVE):
            return place
    return len(words)


def _is_verb(word: str) -> bool:
    return word in BE or word in _MODAL or word in _FORMS


def _is_adverb(word: str) -> bool:
    return word.endswith("ly") or word in ("also", "always", "often", "still", "now", "never", "typically")


def _can_be_subject(words: list[str]) -> bool:
    if not words or not words[0][:1].isupper() or words[0].lower() in _NO_SUBJECT or len(words) > 7:
        return False
    if (words[0].lower() in _DETERMINERS and len(words) == 1) or _FORMS.get(words[0].lower(), ("", ""))[1] == "did":
        return False
    inner = {word.lower() for word in words[1:]}
    return all(re.fullmatch(r"[\w’'./&-]*\w", word) for word in words) and not inner & _NOT_IN_SUBJECT


def _is_participle(word: str) -> bool:
    return word.endswith(("ed", "en")) or word in ("been", "made", "kept", "held", "found", "built", "sold", "won", "run", "become", "led")
