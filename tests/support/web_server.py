"""A web server of the standard library under TLS, as a program: it serves the files of a folder for each host name.

Started as: web_server.py ADDRESS FOLDER CERTIFICATE LOG. The file FOLDER/HOST/status, if there is one, has the status of
each answer instead of 200, and FOLDER/HOST/location where a redirection leads. Each request is a line of LOG."""
import http.server
import os
import ssl
import sys


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        folder = os.path.join(self.server.folder, self.headers["Host"].partition(":")[0])
        with open(self.server.log, "a") as log:
            log.write(f"{self.headers['Host']}{self.path}\n")
        try:
            text = _read(os.path.join(folder, os.path.basename(self.path)))
            status = int(_read(os.path.join(folder, "status")) or 200)
            location = _read(os.path.join(folder, "location")).decode()
        except FileNotFoundError:
            return self.send_error(404)
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


def _read(path):
    """The octets of a file; of one beside the text that is not there, none."""
    if not os.path.exists(path) and os.path.basename(path) in ("status", "location"):
        return b""
    with open(path, "rb") as file:
        return file.read()


def _serve(address, folder, certificate, log):
    server = http.server.ThreadingHTTPServer((address, 443), _Handler)
    server.folder, server.log = folder, log
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    open(log, "w").close()
    server.serve_forever()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
