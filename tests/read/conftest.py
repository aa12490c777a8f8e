"""Files made on the spot: small PDF and DOCX documents, written by hand so that each test knows every byte of its own."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Words = tuple[float, float, float, str, str]  # x, y, size, font (F1 regular, F2 bold), text
MakePdf = Callable[..., bytes]
MakeDocx = Callable[..., bytes]

SHARED = Path(__file__).parents[2] / ".." / "shared"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def pdf(
    pages: Sequence[Sequence[Words]],
    crop: str = "",
    title: str = "",
    encrypted: bool = False,
    outline: Sequence[tuple[str, int]] = (),
) -> bytes:
    """A PDF whose pages show the given words; `outline` names entries and the page each points to, `crop` is a CropBox."""
    objects: list[bytes] = []

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    def stream(data: bytes) -> bytes:
        return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data)

    catalog, tree = add(b""), add(b"")
    fonts = [
        add(b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % name)
        for name in (b"Helvetica", b"Helvetica-Bold")
    ]
    kids = []
    for words in pages:
        drawn = b"".join(_drawn(word) for word in words)
        content = add(stream(drawn))
        box = f"/CropBox [{crop}] ".encode() if crop else b""
        kids.append(
            add(
                b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 612 792] %s/Contents %d 0 R "
                b"/Resources << /Font << /F1 %d 0 R /F2 %d 0 R >> >> >>" % (tree, box, content, *fonts)
            )
        )
    objects[tree - 1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(b"%d 0 R" % kid for kid in kids), len(kids))
    objects[catalog - 1] = b"<< /Type /Catalog /Pages %d 0 R %s>>" % (tree, _outline(objects, outline, kids))
    trailer = b""
    if title:
        trailer += b"/Info %d 0 R " % add(b"<< /Title (%s) >>" % title.encode("latin-1"))
    if encrypted:
        secret = b"<" + b"5A" * 32 + b">"
        trailer += b"/Encrypt << /Filter /Standard /V 1 /R 2 /O %s /U %s /P -4 >> /ID [<00> <00>] " % (secret, secret)
    return _file(objects, catalog, trailer)


def _drawn(word: Words) -> bytes:
    x, y, size, font, text = word
    escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("cp1252")
    return b"BT /%s %g Tf %g %g Td (%s) Tj ET\n" % (font.encode(), size, x, y, escaped)


def _outline(objects: list[bytes], outline: Sequence[tuple[str, int]], kids: Sequence[int]) -> bytes:
    if not outline:
        return b""
    root = len(objects) + 1
    entries = [root + 1 + at for at in range(len(outline))]
    objects.append(b"<< /Type /Outlines /First %d 0 R /Last %d 0 R /Count %d >>" % (entries[0], entries[-1], len(entries)))
    for at, (name, page) in enumerate(outline):
        after = b"/Next %d 0 R " % entries[at + 1] if at + 1 < len(entries) else b""
        objects.append(b"<< /Title (%s) /Parent %d 0 R %s/Dest [%d 0 R /Fit] >>" % (name.encode("latin-1"), root, after, kids[page]))
    return b"/Outlines %d 0 R " % root


def _file(objects: Sequence[bytes], catalog: int, trailer: bytes) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root %d 0 R %s>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, catalog, trailer, start)
    return bytes(out)


def docx(body: str, title: str = "", extra: dict[str, bytes] | None = None) -> bytes:
    """A Word document around the XML of its paragraphs."""
    parts: dict[str, bytes] = {
        "[Content_Types].xml": b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        b'<Default Extension="xml" ContentType="application/xml"/>'
        b'<Override PartName="/word/document.xml" ContentType='
        b'"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": b'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        b'Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<?xml version="1.0"?><w:document {_W}><w:body>{body}</w:body></w:document>'.encode(),
        "word/styles.xml": f'<?xml version="1.0"?><w:styles {_W}><w:style w:type="paragraph" w:styleId="Heading1">'
        '<w:name w:val="heading 1"/></w:style></w:styles>'.encode(),
        "word/_rels/document.xml.rels": b'<?xml version="1.0"?><Relationships xmlns='
        b'"http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="s1" Type='
        b'"http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>',
    }
    if title:
        parts["docProps/core.xml"] = (
            '<?xml version="1.0"?><cp:coreProperties xmlns:cp='
            '"http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
            f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></cp:coreProperties>'
        ).encode()
    parts.update(extra or {})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def make_pdf() -> MakePdf:
    return pdf


@pytest.fixture
def make_docx() -> MakeDocx:
    return docx


@pytest.fixture
def shared() -> Path:
    """The folder of real test files beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("no shared test files here")
    return SHARED
