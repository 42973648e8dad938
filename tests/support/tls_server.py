"""A mail server with TLS as a test wants it: a scripted one, by Python's ssl."""
import socket
import ssl
import threading


def context(certificate, newest=None, tls_1_0=False):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    if tls_1_0:
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1
    if newest:
        made.maximum_version = newest
    return made


class TlsServer:
    """Takes mail, under TLS if `context` is given and the client begins it. `sabotage` is called in place of the answer
    to STARTTLS, with the socket; if it gives no socket, the connection ends.

    messages: (text, TLS version or None); resumed: for each connection with TLS, whether the session was resumed."""

    def __init__(self, address="127.0.0.1", port=0, context=None, sabotage=None, offer=("STARTTLS",), under_tls=()):
        self.context, self.sabotage, self.offer, self.under_tls = context, sabotage, offer, under_tls
        self.messages, self.resumed, self.said = [], [], []
        self.connections = 0
        self._socket = socket.create_server((address, port))
        self.address, self.port = self._socket.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self):
        return f"[{self.address}]:{self.port}"

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            client.settimeout(50)
            client.sendall(b"220 tls.test ESMTP\r\n")
            self._talk(client, client.makefile("rb"))
        except OSError:
            pass  # the client left
        finally:
            client.close()

    def _talk(self, client, stream, version=None):
        def reply(text):
            client.sendall(text.encode() + b"\r\n")
        while line := stream.readline():
            verb = line[:4].upper()
            self.said.append((line.decode().strip(), version))
            if verb == b"EHLO":
                offered = ["tls.test", *(self.under_tls if version else self.offer), "HELP"]
                reply("\r\n".join(f"250{' ' if one == 'HELP' else '-'}{one}" for one in offered))
            elif verb == b"STAR" and self.sabotage:
                client = self.sabotage(client)
                if client is None:
                    return
                stream = client.makefile("rb")
            elif verb == b"STAR" and self.context:
                reply("220 go")
                client = self.context.wrap_socket(client, server_side=True)
                self.resumed.append(client.session_reused)
                return self._talk(client, client.makefile("rb"), client.version())
            elif verb == b"DATA":
                reply("354 go")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += stream.readline()
                self.messages.append((text, version))
                reply("250 2.0.0 kept")
            elif verb == b"QUIT":
                return reply("221 bye")
            else:
                reply("250 2.0.0 OK")
