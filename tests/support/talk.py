"""An SMTP client that sends any text."""
import re
import socket
import ssl


def trusting():
    """A TLS context that accepts any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Talk:
    """`address`: a connected socket, or where to connect."""

    def __init__(self, address, port=25, timeout=60, tls=None):
        self._socket = socket.create_connection((address, port), timeout=timeout)
        self._stream = self._socket.makefile("rb")
        if tls:
            self.begin_tls(tls)
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()
        self._socket.close()

    def begin_tls(self, context):
        self._stream.close()
        self._socket = context.wrap_socket(self._socket, server_hostname="host.test")
        self._stream = self._socket.makefile("rb")

    def reply(self):
        """All lines of the next reply as one, "554 5.7.1 the text"; "" after the server has closed."""
        code, texts = "", []
        while line := self._stream.readline().decode(errors="replace").rstrip("\r\n"):
            code, status, text = re.fullmatch(r"(\d{3})[ -](?:(\d\.\d+\.\d+) )?(.*)", line).groups()
            texts.append(text)
            if line[3:4] != "-":
                return " ".join([code, *([status] if status else []), *texts])
        return ""

    def say(self, command):
        self._socket.sendall(command if isinstance(command, bytes) else command.encode() + b"\r\n")
        return self.reply()

    def send_mail(self, sender, *recipients, text="Subject: hello\n\n", parameters=""):
        """The first reply that is no success, or the reply to the message."""
        commands = [f"MAIL FROM:<{sender}>{parameters}", *(f"RCPT TO:<{one}>" for one in recipients), "DATA"]
        for command in commands:
            reply = self.say(command)
            if reply[0] not in "23":
                return reply
        return self.say(text.replace("\n", "\r\n").encode() + b".\r\n")
