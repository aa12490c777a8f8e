"""Promises about the whole: what is public, what an import costs, who may look at whom, and that nothing calls home."""

from __future__ import annotations

import ast
import inspect
import os
import re
import socket
import subprocess
import sys
import tomllib
from importlib import metadata, resources
from itertools import chain
from pathlib import Path

import pytest
import pytest_socket

import wellread
from wellread.models.catalog import CATALOGUE, Entry, Wheel

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "wellread").rglob("*.py"))
HEAVY = frozenset("torch transformers onnxruntime onnx xllamacpp openvino openvino_genai numpy tantivy httpx rich lxml pypdfium2".split())


def run(code: str, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A fresh Python, whose output is what is asked about."""
    environment = {**os.environ, **environ}
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True, env=environment, timeout=120)


# --- what is public


def test_the_public_names_are_there_and_explained() -> None:
    assert len(wellread.__all__) == len(set(wellread.__all__)) <= 20
    for name in wellread.__all__:
        found = getattr(wellread, name)
        assert name == "__version__" or inspect.getdoc(found), name
    assert set(wellread._HOME) == set(wellread.__all__) - {"__version__"}
    typed = re.findall(r"^    from wellread\.(\w+) import (.+)$", inspect.getsource(wellread), re.MULTILINE)
    assert {name: module for module, names in typed for name in names.split(", ")} == wellread._HOME
    scope: dict[str, object] = {}
    exec("from wellread import *", scope)
    assert set(wellread.__all__) - {"__version__"} <= scope.keys()
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = wellread.opne  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_file_says_what_it_is_for_and_is_not_too_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= 500


def test_the_package_tells_who_it_is() -> None:
    told = metadata.metadata("wellread")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (told["Name"], told["Version"]) == ("wellread", wellread.__version__)
    assert wellread.__version__ == project["version"]
    assert told["License-Expression"] == "Apache-2.0"
    assert (told["Requires-Python"], told["Summary"]) == (">=3.11", project["description"])
    assert (resources.files("wellread") / "py.typed").is_file()
    assert [script.value for script in metadata.entry_points(group="console_scripts", name="wellread")] == ["wellread.cli:main"]


def test_everything_that_is_imported_is_declared() -> None:
    """Each third-party module that the sources import comes from a package named in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {"openvino"}  # openvino-genai is made for one version of it, and brings it
    extras = [extra for name, extra in project["optional-dependencies"].items() if name != "test"]
    wanted = [*project["dependencies"], *chain.from_iterable(extras)]
    declared |= {re.split(r"[\s;>=<\[]", requirement)[0].lower().replace("_", "-") for requirement in wanted}
    imported: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    providers = metadata.packages_distributions()
    for module in imported - set(sys.stdlib_module_names) - {"wellread"}:
        names = {name.lower().replace("_", "-") for name in providers.get(module, [module])}
        assert names & declared, module


# --- what an import costs


def test_importing_drags_nothing_in() -> None:
    loaded = run("import sys, wellread; print(*sys.modules)").stdout.split()
    assert not {module.split(".")[0] for module in loaded} & HEAVY
    assert [module for module in loaded if module.startswith("wellread")] == ["wellread"]


def test_importing_costs_next_to_nothing() -> None:
    """Processor time over that of an empty program; the best of three, for machines have other things to do."""
    timed = "import time; began = time.process_time(); import wellread; print(time.process_time() - began)"
    assert min(float(run(timed).stdout) for _ in range(3)) < 0.1


def test_help_needs_no_model_and_no_numbers() -> None:
    code = "import sys, atexit, wellread.cli\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\nwellread.cli.main(['--help'])"
    assert not {module.split(".")[0] for module in run(code).stderr.split()} & HEAVY


@pytest.mark.parametrize("module", ["types", "errors", "config", "words", "sentences", "split", "prompts", "lock", "trace", "record"])
def test_what_holds_no_numbers_imports_none(module: str) -> None:
    loaded = run(f"import sys, wellread.{module}; print(*sys.modules)").stdout.split()
    assert not {name.split(".")[0] for name in loaded} & HEAVY


def test_importing_any_module_opens_nothing_and_says_nothing(tmp_path: Path) -> None:
    """No file is written, no connection made, no thread or process started, nothing printed, by any import."""
    names = [".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__") for path in SOURCES]
    watched = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "os.remove", "os.rename")
    code = (
        "import sys\n"
        f"def hook(event, arguments):\n"
        f"    writes = event == 'open' and isinstance(arguments[1], str) and set(arguments[1]) & set('wax+')\n"
        f"    if event in {watched!r} or writes:\n"
        "        sys.stderr.write(f'{event} {arguments}\\n')\n"
        "import numpy\n"
        "sys.addaudithook(hook)\n"
        f"for name in {[name for name in names if not name.endswith('__main__')]!r}:\n"
        "    __import__(name)\n"
        "import threading; print(threading.active_count())"
    )
    done = run(code, "-B", HOME=str(tmp_path), WELLREAD_HOME=str(tmp_path / "home"))
    assert done.stderr == ""
    assert done.stdout == "1\n"
    assert list(tmp_path.iterdir()) == []


# --- who may look at whom


def test_rooms_only_look_down() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_every_room_is_in_the_contract() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    named = {name.strip().removeprefix("wellread.") for layer in contract["layers"] for name in layer.split("|")}
    package = ROOT / "src" / "wellread"
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__"} - named <= {"terminal"}
    assert named <= rooms


# --- nothing calls home


def test_no_test_reaches_the_network() -> None:
    blocked = pytest.raises((pytest_socket.SocketBlockedError, UserWarning), match="tried to use socket")  # newer versions warn first
    with blocked:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with blocked:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda entry: entry.name)
def test_offline_a_missing_model_is_named_with_all_that_was_tried(model: Entry, tmp_path: Path) -> None:
    """The packages that carry models are out of sight, and any attempt to connect would end the process."""
    ask = "writer()" if model.kind == "chat" else f"embedder({model.name!r})"
    code = (
        "import sys\n"
        "import wellread.models.e5, wellread.models.embedder, wellread.models.engines, wellread.models.minilm, wellread.models.openai\n"
        "from pathlib import Path\n"
        "from wellread.config import Settings\n"
        "from wellread.errors import ModelMissing\n"
        "from wellread.parts import Parts\n"
        "sys.path = [path for path in sys.path if 'site-packages' not in path]\n"
        "sys.addaudithook(lambda event, arguments: sys.exit(f'it connects: {arguments}') if event.startswith('socket.') else None)\n"
        f"parts = Parts(Settings(model={model.name!r}, home=Path({str(tmp_path)!r}), offline=True))\n"
        "try:\n"
        f"    parts.{ask}\n"
        "except ModelMissing as error:\n"
        "    print(error)\n"
    )
    told = run(code).stdout
    assert model.name.split(":")[0] in told
    assert "hint: " in told
    for source in {source for file in model.files[:1] for source in file.sources}:
        assert (source.project if isinstance(source, Wheel) else source.repo) in told
    assert "offline" in told
    assert {path.parent.name for path in tmp_path.rglob("*") if path.is_file()} <= {"locks"}
