"""Which addresses events may be sent to. A name is resolved once, and the connection goes to an address that passed.

So neither a name that points inside nor one that changes between two look-ups leads to an internal service.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from fairstall.model.errors import SetupError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

NAT64 = ip_network("64:ff9b::/96")
# A service of a cloud's hosts on an address that looks public: Azure's.
NOT_REALLY_PUBLIC = (ip_network("168.63.129.16/32"),)


class AddressRefused(OSError):
    """Events are not sent to such an address."""


class AddressRules:
    """Public addresses pass, and `networks`; loopback passes where the URL itself names this machine."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def passes(self, address: Address, *, host: str) -> bool:
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        if address.is_loopback:
            return _names_loopback(host)
        real = _embedded(address)
        return real.is_global and not real.is_multicast and not any(real in network for network in NOT_REALLY_PUBLIC)


async def resolve_and_check(host: str, port: int, rules: AddressRules, resolve: Resolve) -> Sequence[str]:
    """The addresses of a host that pass, at least one. Raises AddressRefused, or OSError when there is no such name."""
    found = [ip_address(text.partition("%")[0]) for text in await resolve(host, port)]
    passed = [str(address) for address in found if rules.passes(address, host=host)]
    if not passed:
        raise AddressRefused(f"{', '.join(map(str, found)) or 'no address'} is not public")
    return passed


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """The addresses of a name by the machine's own resolver, in its order. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [*dict.fromkeys(str(address[0]) for *_, address in found)]


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks as in `10.20.0.0/16,fd00::/8`. Raises SetupError."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SetupError(
            f"the webhook networks cannot be read: {error}; write them as 10.20.0.0/16,fd00::/8"
        ) from error


def _names_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to (mapped, 6to4, Teredo, NAT64), or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
