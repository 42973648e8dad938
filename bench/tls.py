"""TLS at our server and at Debian's Postfix, measured in one run: the CPU that one session with one message costs the
server, its delivery into a mailbox included.

Each session is a connection of its own with STARTTLS and a whole handshake, of TLS 1.3 and with the same key at both;
KEY=rsa takes RSA of 2048 bits in place of P-256. The sides alternate, in RUNS rounds; the client's CPU does not count.
For what TLS adds, the same sessions are measured without it.
"""
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare  # noqa: E402
from compare import accounts, hosts  # noqa: E402

RUNS = int(os.environ.get("RUNS", "3"))
SESSIONS = int(os.environ.get("SESSIONS", "2000"))
KEY = os.environ.get("KEY", "ec")
AT_A_TIME = 4
TEXT = b"From: a@example.org\r\nSubject: bench\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 55 + b".\r\n"


def certificate(folder):
    """Key and certificate, in one file."""
    path = os.path.join(folder, "tls.pem")
    kind = ["rsa:2048"] if KEY == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-days", "2", "-subj", "/CN=host.test", "-keyout",
                    path, "-out", path + ".crt"], check=True, capture_output=True)
    with open(path, "a") as both, open(path + ".crt") as one:
        both.write(one.read())
    return path


class Client:
    def __init__(self, port, to, tls):
        self.port, self.to = port, to
        self.context = None
        if tls:
            self.context = ssl.create_default_context()
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
            self.context.minimum_version = ssl.TLSVersion.TLSv1_3

    def session(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        stream = connection.makefile("rb")

        def expect(code):
            line = stream.readline()
            while line[3:4] == b"-":
                line = stream.readline()
            if not line.startswith(code):
                sys.exit(f"bench/tls.py: {line} instead of {code}")

        def say(line, code):
            connection.sendall(line)
            expect(code)
        expect(b"220")
        say(b"EHLO client.test\r\n", b"250")
        if self.context:
            say(b"STARTTLS\r\n", b"220")
            connection = self.context.wrap_socket(connection, server_hostname="host.test")
            stream = connection.makefile("rb")
            say(b"EHLO client.test\r\n", b"250")
        say(b"MAIL FROM:<a@example.org>\r\n", b"250")
        say(f"RCPT TO:<{self.to}>\r\n".encode(), b"250")
        say(b"DATA\r\n", b"354")
        say(TEXT, b"250")
        say(b"QUIT\r\n", b"221")
        stream.close()
        connection.close()

    def run(self, count):
        threads = [threading.Thread(target=lambda: [self.session() for _ in range(count // AT_A_TIME)])
                   for _ in range(AT_A_TIME)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def cpu_of_one(side, tls):
    """Milliseconds of the server's CPU for a session."""
    client = Client(side.port, f"alice@{side.domain}", tls)
    client.run(40)
    compare.settle(side)
    before = compare.cpu_seconds(side.pid)
    client.run(SESSIONS)
    compare.settle(side)
    return (compare.cpu_seconds(side.pid) - before) * 1000 / SESSIONS


def main():
    if os.geteuid() != 0:
        sys.exit("make bench: needs root, to run Postfix in a mount namespace of its own")
    accounts.enter_private_machine()
    folder = tempfile.mkdtemp(prefix="postoffice-bench-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    pem = certificate(folder)
    sink_port = hosts.free_port()  # nothing is relayed
    sides = []
    try:
        sides.append(compare.Ours(folder, sink_port, tls_certificate=pem, rate_connections="0", rate_messages="0"))
        sides.append(compare.Postfix(folder, sink_port, "smtpd_tls_security_level=may", f"smtpd_tls_chain_files={pem}",
                                     "smtpd_client_connection_rate_limit=0"))
        results = {(side.name, tls): [] for side in sides for tls in (True, False)}
        for _ in range(RUNS):
            for side in sides:
                for tls in (True, False):
                    results[side.name, tls].append(cpu_of_one(side, tls))
                os.truncate(side.box, 0)
        ours, theirs = (side.name for side in sides)
        key = "RSA 2048" if KEY == "rsa" else "P-256"
        print(f"\n{SESSIONS} sessions of one message of 4 KB each, {AT_A_TIME} at a time, key {key}; medians of {RUNS} runs")
        print(f"{'':<52} {ours:>10} {theirs:>10}")
        for tls, title in ((True, "under TLS: CPU of one session"), (False, "in the clear: CPU of one session")):
            compare.show(title, *(statistics.median(results[name, tls]) for name in (ours, theirs)), "ms", False)
    finally:
        for side in sides:
            side.stop()
        compare.unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
