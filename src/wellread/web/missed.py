"""Why a page is not brought: one place for the reasons, their sentences and hints."""

from __future__ import annotations

from dataclasses import dataclass

_SAVE = "open it in a browser, save it, and add the file"
_AGAIN = "check the address and the connection, and run the same command again"
_SAID = {
    "address": ("{url} leads to an address that is not read: {detail}.", _SAVE),
    "forbidden": ("{url} is not fetched: {detail}.", "pages of your own machine and network are read only with --private-addresses"),
    "insecure": ("{url} is not fetched: {detail}.", "if you trust it, add the http:// address itself"),
    "untrusted": ("{url} is not fetched: {detail}.", "check the address, and the date and the certificates of this computer"),
    "robots": ("{url} is not fetched: {detail}.", _SAVE),
    "refused": ("{url} was refused by its server: {detail}.", _SAVE),
    "missing": ("there is nothing at {url}: {detail}.", "check the spelling of the address"),
    "empty": ("{url} is empty{detail}.", "open it in a browser to see whether it is the right address"),
    "unreachable": ("{url} could not be fetched: {detail}.", _AGAIN),
    "broken": ("{url} could not be fetched: {detail}.", _AGAIN),
    "timeout": ("{url} took too long: {detail}.", _AGAIN),
    "redirects": ("{url} leads nowhere: {detail}.", _SAVE),
    "damaged": ("{url} cannot be read: {detail}.", _AGAIN),
    "too_large": ("{url} is too large: {detail}.", "raise the limit, or save it and add the parts you need as files"),
    "too_many_pages": ("{url} lists more than is read: {detail}.", "raise the limit, or add the missing pages by their own addresses"),
    "elsewhere": ("{url} leads to another site: {detail}.", "add the pages of other sites by their own addresses"),
}
REASONS = tuple(_SAID)
SILENT = ("unreachable", "broken", "timeout")  # those that the next page will probably meet too


@dataclass(frozen=True, slots=True)
class Missed:
    """A page, or a part of a site map, that was not brought: nothing is known of it, so what is held of it stays.

    `reason` is one of `REASONS`, `message` one sentence, `hint` says what to do.
    """

    url: str
    reason: str
    message: str
    hint: str


class Failure(Exception):
    """A page cannot be brought; `detail` completes the sentence of `reason`. It becomes a `Missed` where the page is known."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def missed(url: str, reason: str, detail: str = "", hint: str | None = None) -> Missed:
    """The account of a page that was not brought."""
    sentence, usual = _SAID[reason]
    return Missed(url, reason, sentence.format(url=url, detail=detail.rstrip(".")), hint or usual)
