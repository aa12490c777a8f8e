"""A format that another package teaches Wellread to read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

READER = """
from wellread.read.content import Content

def read(data, name, limits):
    return Content(text=data.decode("rot13").replace("|", "\\n\\n"), title="Shouted")
""".replace('data.decode("rot13")', '__import__("codecs").decode(data.decode(), "rot13")')

USE = """
import sys
from pathlib import Path
from wellread.read.parse import readers_version
from wellread.read.pool import ReaderPool
print(readers_version())
with ReaderPool() as pool:
    document = pool.read(Path(sys.argv[1]))
    print(document.title, document.media_type, document.text)
    try:
        pool.read(Path(sys.argv[2]))
    except Exception as error:
        print(error.reason, error)
"""


def test_a_package_adds_a_reader_by_an_entry_point(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "rot_reader-1.2.dist-info").mkdir(parents=True)
    (package / "rot_reader.py").write_text(READER)
    (package / "rot_reader-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: rot-reader\nVersion: 1.2\n")
    entries = "[wellread.readers]\n.rot = rot_reader:read\n.bad = rot_reader:no_such_function\n"
    (package / "rot_reader-1.2.dist-info" / "entry_points.txt").write_text(entries)
    (tmp_path / "a.rot").write_text("Uryyb gurer.")
    (tmp_path / "b.bad").write_text("anything")
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "a.rot"), str(tmp_path / "b.bad")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(source), str(package)))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    version, document, failure = done.stdout.strip().split("\n", 2)
    assert "rot-reader-1.2" in version
    assert document == "Shouted application/x-rot Hello there."
    assert failure.startswith("crashed")
    assert "no_such_function" in failure
