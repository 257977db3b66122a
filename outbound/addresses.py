"""Which addresses this server lets its callers make it call: other people's, reached over the public network.

A list of our own, because `ipaddress.is_global` says yes to multicast, tunnels and the clouds' own addresses. Every
spelling of an address ends up here as a number, and one that carries another inside is judged by that.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

Address = IPv4Address | IPv6Address

UNICAST = ip_network("2000::/3")  # what has been given out of IPv6
NAT64 = ip_network("64:ff9b::/96")
FORBIDDEN = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this machine
        "10.0.0.0/8",
        "100.64.0.0/10",  # of providers; metadata of Alibaba's cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host
        "169.254.0.0/16",  # link-local; metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # of protocols; metadata of Oracle's cloud
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4's relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # of protocols; Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]


def is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = carried(address)
        if inner is not None:
            return is_public(inner)
        if address not in UNICAST:
            return False
    return not any(address in network for network in FORBIDDEN)


def carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets for this one go to. Tunnels are no matter: they are forbidden as they are."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
