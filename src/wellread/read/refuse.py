"""The reasons for which a file is not read: one place for their codes, sentences and hints."""

from __future__ import annotations

from wellread.errors import ReadError

_SAID = {
    "missing": ("{name} does not exist.", "check the spelling of the path"),
    "unreadable": ("{name} may not be read: {detail}.", "check the permissions of the file"),
    "not_a_file": ("{name} is not a regular file.", "give a file or a folder; pipes and devices are not read"),
    "empty": ("{name} is empty.", None),
    "too_large": ("{name} is too large: {detail}.", "split it, or raise the limit"),
    "too_many_pages": ("{name} has too many pages: {detail}.", "split it, or raise the limit"),
    "unknown_type": ("{name} is of a type that Wellread does not know.", "convert it to PDF, HTML, DOCX, Markdown or plain text"),
    "unsupported": ("{name} is {detail}, which Wellread cannot read yet.", "save it as PDF, DOCX, HTML or plain text and add that"),
    "encrypted": ("{name} is protected by a password.", "save a copy without the password and add that"),
    "damaged": ("{name} is damaged: {detail}.", "open it in the program it came from and save it again"),
    "timeout": ("{name} took too long to read: {detail}.", "split it, or raise the limit"),
    "memory": ("{name} needs more memory to read than it may have.", "split it, or raise the limit"),
    "crashed": ("{name} stopped the reader: {detail}.", "the file may be broken; save it again or convert it to plain text"),
    "no_text": ("{name} holds no text{detail}.", None),
    "needs_ocr": ("{name} holds pictures and no text{detail}.", 'to read them: pip install "wellread[ocr]"'),
    "forbidden": ("{name} is not fetched: {detail}.", None),
    "unreachable": ("{name} could not be fetched: {detail}.", "check the address and the connection, and run the same command again"),
}
REASONS = tuple(_SAID)


def refusal(reason: str, name: str, detail: str = "") -> ReadError:
    """The error for a file that is not read; `reason` is one of `REASONS`, `detail` completes its sentence."""
    sentence, hint = _SAID[reason]
    return ReadError(sentence.format(name=name, detail=detail), reason=reason, hint=hint)
