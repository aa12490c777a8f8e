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


WILD = """
import os, signal

def fall(data, name, limits):
    os.kill(os.getpid(), signal.SIGSEGV)

def spin(data, name, limits):
    while True:
        pass

def swell(data, name, limits):
    held = []
    while True:
        held.append(bytearray(50_000_000))
"""

SURVIVE = """
import sys
from pathlib import Path
from wellread.errors import ReadError
from wellread.read.limits import Limits
from wellread.read.pool import ReaderPool
with ReaderPool(limits=Limits(cpu_seconds=1, memory_bytes=400_000_000)) as pool:
    for reading in pool.read_all(sorted(Path(sys.argv[1]).iterdir())):
        result = reading.result
        print(Path(reading.source).name, result.reason if isinstance(result, ReadError) else result.text)
"""


def _use(script: str, package: Path, *arguments: str) -> str:
    source = Path(__file__).parents[2] / "src"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(source), str(package)))}
    done = subprocess.run([sys.executable, "-c", script, *arguments], env=environ, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def _package(folder: Path, name: str, module: str, entries: str) -> Path:
    about = folder / f"{name}-1.2.dist-info"
    about.mkdir(parents=True)
    (folder / f"{name}.py").write_text(module)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[wellread.readers]\n" + entries)
    return folder


def test_a_reader_that_falls_spins_or_swells_costs_its_file_only(tmp_path: Path) -> None:
    package = _package(tmp_path / "package", "wild", WILD, ".seg = wild:fall\n.loop = wild:spin\n.hog = wild:swell\n")
    (tmp_path / "files").mkdir()
    for name in ("1.seg", "2.txt", "3.loop", "4.txt", "5.hog", "6.txt"):
        (tmp_path / "files" / name).write_text("words")
    told = sorted(_use(SURVIVE, package, str(tmp_path / "files")).splitlines())
    assert told == ["1.seg crashed", "2.txt words", "3.loop timeout", "4.txt words", "5.hog memory", "6.txt words"]


def test_a_package_adds_a_reader_by_an_entry_point(tmp_path: Path) -> None:
    entries = ".rot = rot_reader:read\n.bad = rot_reader:no_such_function\n"
    package = _package(tmp_path / "package", "rot_reader", READER, entries)
    (tmp_path / "a.rot").write_text("Uryyb gurer.")
    (tmp_path / "b.bad").write_text("anything")
    told = _use(USE, package, str(tmp_path / "a.rot"), str(tmp_path / "b.bad"))
    version, document, failure = told.strip().split("\n", 2)
    assert "rot-reader-1.2" in version
    assert document == "Shouted application/x-rot Hello there."
    assert failure.startswith("crashed")
    assert "no_such_function" in failure
