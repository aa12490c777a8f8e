"""E-mails, as good and bad programs write them."""

from __future__ import annotations

import base64
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wellread.errors import ReadError
from wellread.read import media
from wellread.read.content import Content
from wellread.read.limits import Limits
from wellread.read.mail import read_mail
from wellread.read.mail_words import header_text
from wellread.read.unpack import unpack


def read(raw: bytes) -> Content:
    return read_mail(raw, "x.eml", Limits())


def body(raw: bytes) -> str:
    """What comes after the paragraph of header lines."""
    return read(raw).text.partition("\n\n")[2]


def attached(raw: bytes) -> dict[str, bytes]:
    return {member.name: member.data for member in unpack(raw, "x.eml", media.EML, Limits())}


def mail(plain: str | None = "Elks eat leaves.", rich: str | None = None, subject: str = "On elks") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Ann <ann@example.com>", "bob@example.com"
    message["Date"] = "Tue, 01 Oct 2024 12:34:56 +0000"
    if plain is not None:
        message.set_content(plain)
    if rich is not None:
        (message.set_content if plain is None else message.add_alternative)(rich, subtype="html")
    return message


def test_the_header_lines_come_first() -> None:
    content = read(mail(subject="季度报告").as_bytes())
    assert content.text == (
        "Subject: 季度报告\nFrom: Ann <ann@example.com>\nTo: bob@example.com\nDate: Tue, 01 Oct 2024 12:34:56 +0000\n\nElks eat leaves."
    )
    assert content.title == "季度报告"


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp", "Zs", "Cf")), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_subjects_and_bodies_are_read_as_they_were_written(text: str) -> None:
    content = read(mail(text, subject=text).as_bytes())
    assert content.title == text
    assert content.text.endswith(f"\n\n{text}")


def test_html_keeps_its_shape() -> None:
    table = "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>"
    content = read(mail(None, f'<h1>Elks</h1><div style="display:none">no</div><p>They eat.</p>{table}').as_bytes())
    assert content.text.endswith("\n\nElks\n\nThey eat.\n\na | b\nc | d")
    assert [content.text[heading.start :][:4] for heading in content.headings] == ["Elks"]
    assert [content.text[region.start : region.end] for region in content.regions] == ["a | b\nc | d"]


def test_the_plain_text_is_preferred_but_not_a_stub() -> None:
    rich = "<p>" + "Elks eat leaves. " * 30 + "</p>"
    assert body(mail("Elks eat.\n" * 20, rich).as_bytes()).startswith("Elks eat.\n")
    for stub in ("", " \n", "Your program cannot show HTML."):
        assert body(mail(stub, rich).as_bytes()).startswith("Elks eat leaves. Elks")


def test_html_that_is_called_plain_is_read_as_html() -> None:
    assert body(b"Subject: x\nContent-Type: text/plain\n\n<html><body><p>one<p>two</body></html>") == "one\n\ntwo"


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("utf-8", "gbk"), ("iso-8859-1", "utf-8"), ("us-ascii", "utf-8"), ("gb2312", "gb18030"), ("utf-16", "utf-8"), ("nonsense", "utf-8"),
     ("undefined", "utf-8"), ("hex", "utf-8"), ("", "utf-8")],
)  # fmt: skip
def test_charsets_that_lie(declared: str, encoding: str) -> None:
    text = "麋鹿吃树叶和苔藓，冬天在森林里寻找食物，夏天则在湖边吃水草。镕"
    raw = b"Subject: x\nContent-Type: text/plain; charset=" + declared.encode() + b"\n\n" + text.encode(encoding)
    assert body(raw) == text


def test_western_text_under_a_name_that_is_too_small() -> None:
    assert body(b"Subject: x\nContent-Type: text/plain; charset=iso-8859-1\n\n" + "“café”".encode("cp1252")) == "“café”"


def test_quoted_printable_and_base64_that_are_broken() -> None:
    head = b"Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
    assert body(head + b"quoted-printable\n\nsoft=\nbreak =C3=A9 =ZZ 100%") == "softbreak é =ZZ 100%"
    assert body(head + b"base64\n\n" + base64.b64encode("Elche äsen".encode()).rstrip(b"=")) == "Elche äsen"
    assert body(head + b"whatever\n\nplain") == "plain"


def test_headers_of_raw_bytes_and_of_odd_words() -> None:
    raw = b"Subject: " + "季度报告和会议记录的摘要".encode("gbk") + b"\nFrom: =?utf-8?Q?J=C3=BCrgen?= <j@example.com>\n\nx"
    assert "From: Jürgen <j@example.com>" in read(raw).text
    assert read(b"Subject: " + "Übersicht".encode() + b"\n\nx").title == "Übersicht"
    split = "中".encode()
    words = [base64.b64encode(piece).decode() for piece in (split[:1], split[1:])]
    assert header_text(f"=?utf-8?B?{words[0]}?=\n =?utf-8?B?{words[1]}?= x =?nonsense?q?=41?= =?utf-8?b?!?= =?utf-8?q") == (
        "中 x A =?utf-8?q"
    )


def test_a_missing_or_wrong_boundary() -> None:
    parts = b"--real\nContent-Type: text/plain\n\nElks eat.\n--real\nContent-Type: text/csv; name=a.csv\n\n1,2\n--real--\n"
    for told in (b"multipart/mixed", b"multipart/mixed; boundary=other"):
        raw = b"Subject: x\nContent-Type: " + told + b"\n\n" + parts
        assert body(raw) == "Elks eat."
        assert attached(raw) == {"a.csv": b"1,2"}
    assert body(b"Subject: x\nContent-Type: multipart/mixed\n\nno parts at all") == "no parts at all"


def test_utf_16_and_no_headers_at_all() -> None:
    assert body("Subject: x\n\nElks".encode("utf-16")) == "Elks"
    assert read(b"just some words\nof a note").text == "just some words\nof a note"


def test_attachments_are_named_and_come_out() -> None:
    message = mail()
    message.add_attachment(b"1,2", maintype="text", subtype="csv", filename="../../季度.csv")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf")
    message.add_attachment(b"GIF8", maintype="image", subtype="gif", disposition="inline", cid="<1>")
    message.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar", disposition="inline")
    forwarded = mail("Moss grows.", subject="On moss / lichen")
    forwarded.add_attachment(b"deep", maintype="text", subtype="plain", filename="deep.txt")
    message.add_attachment(forwarded)
    raw = message.as_bytes()
    found = attached(raw)
    assert list(found) == ["季度.csv", "attachment 2.pdf", "attachment 3.ics", "On moss - lichen.eml"]
    assert "\nAttachments: 季度.csv, attachment 2.pdf, attachment 3.ics, On moss - lichen.eml\n\n" in read(raw).text
    assert "Moss" not in body(raw)
    inner = found["On moss - lichen.eml"]
    assert media.sniff(inner, "On moss - lichen.eml") == media.EML
    assert (read(inner).title, body(inner), attached(inner)) == ("On moss / lichen", "Moss grows.", {"deep.txt": b"deep"})


def test_names_that_old_programs_write() -> None:
    head = b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment; "
    for told in (
        b'filename="=?gbk?B?' + base64.b64encode("季度.csv".encode("gbk")) + b'?="',
        b"filename*=gbk''%BC%BE%B6%C8.csv",
        b"filename*0*=utf-8''%E5%AD%A3; filename*1*=%E5%BA%A6.csv",
        b'filename="' + "季度.csv".encode() + b'"',
    ):
        assert attached(head + told + b"\n\nx\n--b--") == {"季度.csv": b"x"}


def test_uuencoded_files_in_the_text() -> None:
    raw = b"Subject: x\n\nbefore\nbegin 644 elk.txt\n#96QK\n`\nend\nafter\nbegin 100 years\nof talk"
    assert body(raw) == "before\n\nafter\nbegin 100 years\nof talk"
    assert attached(raw) == {"elk.txt": b"elk"}


def test_what_is_encrypted_is_told() -> None:
    raw = b"Subject: x\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\nVersion: 1\n--b\n\n-----BEGIN PGP MESSAGE-----\n--b--"
    content = read(raw)
    assert content.text == "Subject: x"
    assert "encrypted" in content.warnings[0]


def test_deep_nesting_is_refused_or_read() -> None:
    raw = b"Subject: x\n"
    for level in range(1_000):
        raw += b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level)
    with pytest.raises(ReadError) as caught:
        read(raw + b"\nx")
    assert caught.value.reason == "damaged"
    with pytest.raises(ReadError) as caught:
        attached(raw + b"\nx")
    assert caught.value.reason == "damaged"


_WHOLE = mail("Elks é", "<p>Elks é</p>")
_WHOLE.add_attachment(b"x" * 50, maintype="application", subtype="pdf", filename="ä.pdf")


@given(st.lists(st.tuples(st.integers(0, len(_WHOLE.as_bytes()) - 1), st.sampled_from(b'\n\r\0=?"; \xff\xe4*-')), max_size=12))
@settings(max_examples=100, deadline=None)
def test_broken_mails_are_read_or_refused(changes: list[tuple[int, int]]) -> None:
    raw = bytearray(_WHOLE.as_bytes())
    for at, byte in changes:
        raw[at] = byte
    try:
        content = read(bytes(raw))
        list(unpack(bytes(raw), "x.eml", media.EML, Limits()))
    except ReadError as error:
        assert error.reason == "damaged"
    else:
        assert not any(char in content.text for char in "\x00\r\f")
