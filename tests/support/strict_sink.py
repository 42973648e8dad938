"""A strict SMTP server that keeps messages, and records whatever RFC 5321 forbids a client as a violation, so that a
test can require that there is none."""
import socket
import threading


class Transaction:
    def __init__(self, sender, recipients, data):
        self.sender, self.recipients, self.data = sender, recipients, data


class StrictSink:
    """Answers each verb with `replies[verb]` (bytes, or a function that gives them), else with success. With
    silent=True it accepts connections and never answers."""

    def __init__(self, replies=None, silent=False, address="127.0.0.1"):
        self.replies = dict(replies or {})
        self.silent = silent
        self.transactions = []
        self.violations = []
        self.commands = []  # all command lines of all connections
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((address, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # shutdown() wakes the thread in accept(); close() alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @property
    def connections(self):
        with self._lock:
            return len(self._open)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection, connection.makefile("rb") as lines:
                if self.silent:
                    while connection.recv(4096):
                        pass
                    return
                _Session(self, connection, lines).run()
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def reply(self, verb, otherwise):
        chosen = self.replies.get(verb, otherwise)
        return chosen() if callable(chosen) else chosen


class _Session:
    def __init__(self, sink, connection, lines):
        self.sink, self.connection, self.lines = sink, connection, lines
        self.sender, self.recipients = None, []

    def run(self):
        self.say(self.sink.reply("CONNECT", b"220 sink.test ESMTP"))
        while line := self.line():
            verb, _, argument = line.decode("latin-1").rstrip("\r\n").partition(" ")
            verb = verb.upper()
            self.sink.commands.append(line.decode("latin-1").rstrip("\r\n"))
            if verb == "QUIT":
                self.say(b"221 bye")
                return
            if verb == "DATA":
                self.data()
            else:
                self.say(self.command(verb, argument))

    def command(self, verb, argument):
        if verb == "EHLO":
            return self.sink.reply(verb, b"250-sink.test\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SIZE 0")
        if verb == "MAIL":
            if self.sender is not None:
                self.sink.violations.append("MAIL inside a transaction")
            answer = self.sink.reply(verb, b"250 ok")
            if answer.startswith(b"2"):
                self.sender, self.recipients = argument[5:].split(" ")[0].strip("<>"), []
            return answer
        if verb == "RCPT":
            answer = self.sink.reply(verb, b"250 ok")
            if answer.startswith(b"2"):
                self.recipients.append(argument[3:].split(" ")[0].strip("<>"))
            return answer
        if verb == "RSET":
            self.sender = None
            return b"250 ok"
        if verb in ("HELO", "NOOP"):
            return self.sink.reply(verb, b"250 ok")
        self.sink.violations.append(f"command {verb!r}")
        return b"500 what?"

    def data(self):
        answer = self.sink.reply("DATA", b"354 go on")
        if answer.startswith(b"3") and not self.recipients:
            answer = b"503 no recipient"
        self.say(answer)
        if not answer.startswith(b"3"):
            return
        text = b""
        while (line := self.line()) != b".\r\n":
            if not line:
                return
            text += line[1:] if line.startswith(b".") else line
        answer = self.sink.reply("END", b"250 thanks")
        if answer.startswith(b"2"):
            self.sink.transactions.append(Transaction(self.sender, self.recipients, text))
        self.sender = None
        self.say(answer)

    def line(self):
        """One line as it was received; a CR or LF outside CRLF is a violation."""
        line = self.lines.readline()
        if line and (not line.endswith(b"\r\n") or b"\r" in line[:-2]):
            self.sink.violations.append(f"line end in {line!r}")
        return line

    def say(self, text):
        self.connection.sendall(text + b"\r\n")
