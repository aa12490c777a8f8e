"""How far something is, as a person is told."""

from __future__ import annotations

from wellread.terminal import _amount, _rate
from wellread.types import Bytes


def test_only_bytes_are_shown_as_bytes() -> None:
    assert _amount(Bytes(1_500_000), Bytes(90_000_000)) == "1.5 of 90.0 MB"
    assert _amount(Bytes(2_000_000), Bytes(0)) == "2.0 MB"
    assert _amount(1_500_000, 2_000_000) == "1,500,000 of 2,000,000"
    assert _amount(12, 0) == "12"
    assert _rate(Bytes(30_000_000), 2) == "15.0 MB/s"
    assert _rate(3_000_000, 2) == "1,500,000/s"
    assert _rate(1, 4) == "0.25/s"
