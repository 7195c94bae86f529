"""Events go to public addresses, and inside only where a setting or the URL itself says so."""

import asyncio
import ssl
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest

from fairstall.model.errors import SetupError
from fairstall.serving.webhooks.addresses import (
    AddressRefused,
    AddressRules,
    read_networks,
    resolve_name,
)
from fairstall.serving.webhooks.connection import open_connection

INSIDE = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba's metadata
    "127.0.0.1",
    "168.63.129.16",  # Azure's
    "169.254.169.254",  # everybody's metadata
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2001:0:53aa:64c:0:0:f5ff:fffe",
    "2002:a9fe:a9fe::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's metadata
    "fe80::1",
    "ff02::1",
)


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_not_public_is_refused(address):
    assert not AddressRules().passes(ip_address(address), host="shop.example")


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_a_public_address_passes(address):
    assert AddressRules().passes(ip_address(address), host="shop.example")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_passes_where_the_url_itself_names_it(host):
    assert AddressRules().passes(ip_address("127.0.0.1"), host=host)
    assert not AddressRules().passes(ip_address("10.0.0.1"), host=host)


def test_a_network_that_is_set_passes():
    rules = AddressRules(read_networks("10.20.0.0/16, fd00::/8"))
    passes = [rules.passes(ip_address(one), host="shop.example") for one in ("10.20.1.1", "fd00::1", "10.21.0.1")]
    assert passes == [True, True, False]


def test_networks_that_cannot_be_read_are_told():
    with pytest.raises(SetupError, match=r"10\.20\.0\.1/16"):
        read_networks("10.20.0.1/16")


def connect(host, port, *answers):
    """Connect by name and tell to which address; the resolver gives one of `answers` for each look-up."""
    lookups = iter(answers)

    async def resolve(_host, _port):
        return next(lookups)

    async def open_and_close():
        url, tls = urlsplit(f"http://{host}:{port}/"), ssl.create_default_context()
        connection = await open_connection(url, rules=AddressRules(), resolve=resolve, tls=tls)
        connection.close()
        return connection.peer

    return asyncio.run(open_and_close())


def test_a_name_that_points_inside_is_refused_before_a_connection(receiver):
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1 is not public"):
        connect("shop.example", receiver.port, ["127.0.0.1"])


def test_a_name_is_looked_up_once_so_that_no_second_answer_counts():
    with pytest.raises(ConnectionRefusedError):
        connect("localhost", 9, ["127.0.0.1"], ["10.0.0.1"])


def test_of_several_addresses_those_that_pass_are_tried_in_turn(receiver):
    assert connect("localhost", receiver.port, ["10.0.0.1", "::1", "127.0.0.1"]) == "127.0.0.1"


def test_a_name_without_an_address_is_refused():
    with pytest.raises(AddressRefused, match="no address"):
        connect("shop.example", 443, [])


def test_the_resolver_is_the_machines_own():
    assert "127.0.0.1" in asyncio.run(resolve_name("localhost", 80))
