"""Every form of an address that leads inside is known."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wellread.web.public import is_public


@pytest.mark.parametrize(
    "ip",
    """127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 169.254.169.254 172.16.0.1 172.31.255.255
    192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1
    255.255.255.255 168.63.129.16
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::7f00:1
    2002:7f00:1:: 2002:808:808:: 2001:0:7f00:1:: 2001:10::1 2001:20::1 2001:db8::1 3fff::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0
    fec0::1 ff02::1 ff0e::1 100::1 5f00::1 4000::1 2606:4700::1%eth0 nonsense 127.1 2130706433""".split(),
)
def test_inside(ip: str) -> None:
    assert not is_public(ip)


@pytest.mark.parametrize(
    "ip", "1.1.1.1 8.8.8.8 93.184.216.34 100.128.0.1 172.32.0.1 2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::808:808".split()
)
def test_outside(ip: str) -> None:
    assert is_public(ip)


@given(st.ip_addresses(v=4))
def test_no_more_is_public_than_python_calls_global(ip: IPv4Address) -> None:
    public = is_public(str(ip))
    assert public <= (ip.is_global and not ip.is_multicast)
    assert is_public(f"::ffff:{ip}") is is_public(str(IPv6Address(f"64:ff9b::{ip}"))) is public
    assert not is_public(f"::{ip}")


@given(st.ip_addresses(v=6))
def test_no_more_is_public_than_python_calls_global_6(ip: IPv6Address) -> None:
    assert is_public(str(ip)) <= (ip.is_global and not ip.is_multicast and not ip.is_site_local)
