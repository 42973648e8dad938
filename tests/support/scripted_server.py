"""An SMTP server that misbehaves at one stage as a test says: each stage is an answer, or a function of the connection."""
import socket
import threading
import time

HANG_UP = object()  # an answer: the connection ends without a word


class Slowly(bytes):
    """An answer that comes octet by octet."""


class ScriptedServer:
    """Takes mail at address:port. `stages`: by CONNECT, EHLO, HELO, MAIL, RCPT, DATA, TEXT (the end of the message), the
    answer in bytes without its line end, HANG_UP, a list of answers for the first, the second, ... time (the last one
    stays), or function(connection, line), whose result is one of these. All other answers are of success.

    seen, kept: (recipients, text) of each message that ended with its dot, and of those that were acknowledged."""

    def __init__(self, address, port, stages=None):
        self.stages = stages or {}
        self.seen, self.kept = [], []
        self._times = {}
        self._listener = socket.create_server((address, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.settimeout(60)
            with connection, connection.makefile("rb") as lines:
                self._talk(connection, lines)
        except OSError:
            pass  # the client left

    def answer(self, stage, otherwise, connection, line=b""):
        chosen = self.stages.get(stage, otherwise)
        if isinstance(chosen, list):
            turn = self._times[stage] = self._times.get(stage, -1) + 1
            chosen = chosen[min(turn, len(chosen) - 1)]
        if callable(chosen):
            chosen = chosen(connection, line)
        return chosen

    def _talk(self, connection, lines):
        def say(stage, otherwise, line=b""):
            text = self.answer(stage, otherwise, connection, line)
            if text is HANG_UP:
                raise ConnectionAbortedError
            for octet in text if isinstance(text, Slowly) else b"":
                connection.sendall(bytes([octet]))
                time.sleep(0.02)
            connection.sendall(b"\r\n" if isinstance(text, Slowly) else text + b"\r\n")
            return text

        recipients, has_sender = [], False
        say("CONNECT", b"220 mx.test ESMTP")
        while line := lines.readline():
            verb = line[:4].upper().strip().decode("latin-1")
            if verb == "EHLO":
                say("EHLO", b"250-mx.test\r\n250-PIPELINING\r\n250 8BITMIME")
            elif verb == "MAIL":
                has_sender = say("MAIL", b"250 2.1.0 OK").startswith(b"2")
            elif verb == "RCPT":
                if not has_sender:
                    connection.sendall(b"503 5.5.1 MAIL first\r\n")
                elif say("RCPT", b"250 2.1.5 OK", line).startswith(b"2"):
                    recipients.append(line[9:].split(b">")[0].decode())
            elif verb == "DATA":
                if say("DATA", b"354 go on" if recipients else b"554 5.5.1 no recipients").startswith(b"3"):
                    text = b""
                    while not text.endswith(b"\r\n.\r\n") and text != b".\r\n":
                        if not (part := lines.readline()):
                            return
                        text += part
                        if self.stages.get("TEXT") is HANG_UP and len(text) > 200:
                            return
                    if recipients:
                        self.seen.append((recipients, text))
                    if say("TEXT END", b"250 2.0.0 kept" if recipients else b"554 5.5.1 no recipients").startswith(b"2"):
                        self.kept.append((recipients, text))
                recipients = []
            elif verb == "RSET":
                recipients = []
                say("RSET", b"250 2.0.0 OK")
            elif verb == "QUIT":
                return say("QUIT", b"221 2.0.0 bye")
            else:
                say(verb, b"250 2.0.0 OK")
