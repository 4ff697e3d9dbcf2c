"""Where a webhook may go: to public addresses alone, whatever a name says today or tomorrow."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from models.errors import Refused

URL_LENGTH = 2_000
RESOLVERS = 32
"""Threads that ask for addresses: a name server that does not answer holds up nobody else's names."""
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.ip_network("::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given out to anybody."""
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")
_PLATFORM = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Public by its number, and a cloud's own service to its machines all the same."""
_resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolver")


class NotAllowed(Exception):
    """Nothing is sent there. The text says why, and names neither the host nor its address."""


def allowed_hosts(setting: str) -> frozenset[str]:
    """The hosts that an operator named, separated by commas: their addresses are not looked at."""
    return frozenset(one.strip().lower().strip("[]") for one in setting.split(",") if one.strip())


def is_public(address: str) -> bool:
    """Does an address belong to the Internet at large? One that wraps an IPv4 address counts as that."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = _wrapped(found)
    if inner is not None:
        found = inner
    if found in _PLATFORM or found.is_multicast or not found.is_global:
        return False
    return found not in _PROTOCOLS if isinstance(found, IPv4Address) else found in _UNICAST


def _wrapped(found: IPv4Address | IPv6Address) -> IPv4Address | None:
    if isinstance(found, IPv4Address):
        return None
    if any(found in network for network in (*_NAT64, _COMPATIBLE)):
        return IPv4Address(int(found) & 0xFFFF_FFFF)
    return found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)


def read_url(url: str, allowed: Iterable[str]) -> SplitResult:
    """The parts of an address to send to. Raises `Refused`; unencrypted only to hosts that the operator named."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
        host.encode("idna")
    except ValueError:
        raise Refused("url.invalid", "this is no address of a web server", "$.url") from None
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not host or not plain or len(url) > URL_LENGTH or port == 0 or parts.fragment:
        raise Refused("url.invalid", "write it like https://example.com/path, in ASCII", "$.url")
    if parts.username is not None or parts.password is not None:
        raise Refused("url.credentials", "no name and password in it: the signature says who sends", "$.url")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in allowed):
        raise Refused("url.not_https", "webhooks go to https:// addresses", "$.url")
    return parts


def resolve(host: str, port: int, allowed: Iterable[str]) -> list[str]:
    """The addresses of a host, to connect to and to no others. Raises `NotAllowed`.

    One address that is not public forbids the host: such an answer is a trap or a mistake.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotAllowed("its name has no address") from None
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    if host.lower() not in allowed and not all(is_public(one) for one in addresses):
        raise NotAllowed("its address is not a public one")
    return addresses


async def resolve_aside(host: str, port: int, allowed: Iterable[str]) -> list[str]:
    """The same, without holding up an event loop."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_resolvers, resolve, host, port, allowed)


def expect_allowed(url: str, allowed: Iterable[str]) -> None:
    """Raises `Refused` where nothing may be sent to an address; asked again at each sending."""
    parts = read_url(url, allowed)
    try:
        resolve(parts.hostname or "", parts.port or 443, allowed)
    except NotAllowed as error:
        raise Refused("url.not_allowed", f"nothing is sent there: {error}", "$.url") from None
