"""The host to which mail goes in a test: an SMTP server that keeps every message it has acknowledged."""
import socket
import socketserver
import threading


class _Handler(socketserver.StreamRequestHandler):
    def reply(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        sink = self.server.sink
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender, recipients = None, []
        try:
            self.reply("220 sink.test ESMTP")
            while line := self.rfile.readline(4096):
                verb = line[:4].upper()
                if verb in (b"EHLO", b"HELO"):
                    self.reply("250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME" if verb == b"EHLO" else "250 sink.test")
                elif verb == b"MAIL":
                    sender, recipients = line[10:].split(b">")[0].lstrip(b"<").decode(), []
                    self.reply("250 2.1.0 OK")
                elif verb == b"RCPT":
                    address = line[8:].split(b">")[0].lstrip(b"<").decode()
                    verdict = sink.verdict(address)
                    if verdict.startswith("2"):
                        recipients.append(address)
                    self.reply(verdict)
                elif verb == b"DATA":
                    self.reply("354 go on" if recipients else "554 5.5.1 no valid recipients")
                    if recipients:
                        text = self.read_message()
                        if text is None:
                            return
                        # Kept before it is acknowledged.
                        sink.messages.append((sender, tuple(recipients), text))
                        sink.on_message()
                        self.reply("250 2.0.0 kept")
                elif verb == b"RSET":
                    sender, recipients = None, []
                    self.reply("250 2.0.0 OK")
                elif verb == b"QUIT":
                    self.reply("221 2.0.0 bye")
                    return
                else:
                    self.reply("250 2.0.0 OK" if verb == b"NOOP" else "502 5.5.1 not known here")
        except (ConnectionError, TimeoutError):
            pass  # the client was killed

    def read_message(self):
        """The message with LF line ends; None if the client disconnects before the dot."""
        lines = []
        while line := self.rfile.readline():
            if line == b".\r\n":
                return b"".join(lines)
            lines.append((line[1:] if line.startswith(b".") else line).replace(b"\r\n", b"\n"))
        return None


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class Sink:
    """messages: list of (sender, recipients, text). `verdict` gives the reply to RCPT for an address; `on_message` is
    called when a message has arrived, before it is acknowledged."""

    def __init__(self, address="127.0.0.1", port=0, verdict=lambda address: "250 2.1.5 OK", on_message=lambda: None):
        self.messages = []
        self.verdict = verdict
        self.on_message = on_message
        self._server = _Server((address, port), _Handler)
        self._server.sink = self
        self.address, self.port = self._server.server_address
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self):
        """The value for the option relay-host=."""
        return f"[{self.address}]:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
