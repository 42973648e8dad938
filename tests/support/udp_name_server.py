"""A base for name servers of tests: a socket, a thread, and the form of questions and answers."""
import socket
import struct
import threading

HEADER = 12


class UdpNameServer:
    """Answers each question with the result of answer(query) of the derived class; None is silence."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over = True
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while True:
            query, client = self._socket.recvfrom(4096)
            if self._over:
                return
            answer = self.answer(query)
            if answer:
                self._socket.sendto(answer, client)

    def answer(self, query):
        raise NotImplementedError


def question(query):
    """The name in lower case, and the number of the type."""
    labels, at = [], HEADER
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack("!H", query[at + 1:at + 3])[0]


def reply(query, code, records=(), flags=0x8180):
    """An answer with this response code; `records` are complete, in wire format."""
    end = query.index(b"\0", HEADER) + 5
    counts = struct.pack("!HHHHH", flags | code, 1, len(records), 0, 0)
    return query[:2] + counts + query[HEADER:end] + b"".join(records)
