"""ClientHellos of any version and with any ciphers, and the answer of a server, for tests that TLS libraries do not
support. RFC 8446 section 4.1.2, RFC 5246 section 7.4.1, RFC 6101 section 5.6.1."""
import os
import socket
import struct

SSL3, TLS1, TLS1_1, TLS1_2, TLS1_3 = range(0x0300, 0x0305)
SCSV = 0x00FF  # renegotiation is known, RFC 5746 section 3.3


def _vector(octets, size):
    return len(octets).to_bytes(size, "big") + octets


def _extension(number, octets):
    return struct.pack("!H", number) + _vector(octets, 2)


def client_hello(version, ciphers, compression=b"\0", extensions=True):
    """One record. A version before TLS 1.3 is offered as the highest."""
    groups = b"".join(struct.pack("!H", group) for group in (0x001D, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101))
    signatures = b"".join(struct.pack("!H", one) for one in (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501,
                                                             0x0601, 0x0203, 0x0201))
    known = (_extension(10, _vector(groups, 2)) + _extension(11, _vector(b"\0", 1)) + _extension(13, _vector(signatures, 2))
             + _extension(0xFF01, b"\0"))
    body = (struct.pack("!H", version) + os.urandom(32) + _vector(b"", 1)
            + _vector(b"".join(struct.pack("!H", one) for one in ciphers), 2) + _vector(compression, 1)
            + (_vector(known, 2) if extensions else b""))
    return b"\x16" + struct.pack("!H", min(version, TLS1)) + _vector(b"\x01" + _vector(body, 3), 2)


def ssl2_hello():
    """A ClientHello of SSL 2, with its strongest and its export ciphers."""
    body = b"\x01\x00\x02" + struct.pack("!HHH", 9, 0, 16) + b"\x07\x00\xc0\x01\x00\x80\x02\x00\x80" + os.urandom(16)
    return struct.pack("!H", 0x8000 | len(body)) + body


def _exactly(connection, count):
    octets = b""
    while len(octets) < count:
        piece = connection.recv(count - len(octets))
        if not piece:
            raise EOFError
        octets += piece
    return octets


def answer(port, hello):
    """("hello", version, cipher, compression), ("alert", number), or ("closed",)."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(hello)
            kind, _, length = struct.unpack("!BHH", _exactly(connection, 5))
            body = _exactly(connection, length)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            return ("closed",)
    if kind == 21:
        return ("alert", body[1])
    assert kind == 22 and body[0] == 2, body
    session = body[38]
    version, = struct.unpack("!H", body[4:6])
    cipher, compression = struct.unpack("!HB", body[39 + session:42 + session])
    return ("hello", version, cipher, compression)


def accepted_ciphers(port, version, candidates):
    """The candidates that the server accepts: each answer removes one, and the rest is offered again."""
    left, found = set(candidates), []
    while left:
        said = answer(port, client_hello(version, sorted(left)))
        if said[0] != "hello":
            return found
        found.append(said[2])
        left.remove(said[2])
    return found
