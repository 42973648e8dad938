"""The header of the PROXY protocol, version 2, that a front end sends first."""
import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxy_header(client, server="192.0.2.1", server6="2001:db8::1", command=0x21, tlv=b""):
    source = ipaddress.ip_address(client)
    target = ipaddress.ip_address(server if source.version == 4 else server6)
    rest = source.packed + target.packed + struct.pack("!HH", 12345, 25) + tlv
    return SIGNATURE + bytes([command, 0x11 if source.version == 4 else 0x21]) + struct.pack("!H", len(rest)) + rest
