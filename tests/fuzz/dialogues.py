"""Random dialogues with a whole server: plain, over TLS, and on a submission port. In the end it must still serve, and
no process of it may have crashed or been stopped by a sanitizer.

usage: dialogues.py BINARY SECONDS [SEED]
SECONDS for each of the three kinds. BINARY was built with sanitizers, which report into the server's folder."""
import contextlib
import glob
import os
import random
import shutil
import socket
import ssl
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from certificates import Authority  # noqa: E402
from host import Host, free_port  # noqa: E402

PATIENCE = 5  # seconds for one reply
WORDS = [b"EHLO client.test", b"HELO [192.0.2.1]", b"MAIL FROM:<a@far.test>", b"MAIL FROM:<> BODY=8BITMIME SIZE=100",
         b"MAIL FROM:<a@far.test> SMTPUTF8 RET=HDRS ENVID=x", b"RCPT TO:<postmaster@host.test>", b"RCPT TO:<postmaster>",
         b"RCPT TO:<nobody-here@host.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2B@b", b"DATA", b"BDAT 10", b"BDAT 0 LAST",
         b"RSET", b"NOOP", b"VRFY postmaster", b"EXPN list", b"HELP", b"ETRN far.test", b"STARTTLS", b"QUIT", b".", b"",
         b"AUTH PLAIN AGEAYg==", b"AUTH LOGIN", b"AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9cm9wcg==", b"*", b"AUTH PLAIN",
         b"Subject: x", b"Delivered-To: postmaster@host.test", b"Received: from a by b; now", b" folded", b"From a@b now",
         b"DEBUG", b"GET / HTTP/1.0", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2"]
OCTETS = [b"\0", b"\r", b"\n", b"\r\n", b"\x9b", b"\xff", b"\xc3\xbc", b"<", b">", b"@", b":", b"\\", b'"', b"%s", b"=",
          b"\x16\x03\x01\x00\xc8\x01"]


def line(rng):
    """Mostly a line that is right, so that the next one meets a state worth having."""
    text = rng.choice(WORDS)
    kind = rng.random()
    if kind < 0.15:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(OCTETS) * rng.choice([1, 1, 1, 2, 1000]) + text[at + rng.choice([0, 1, 3]):]
    elif kind < 0.2:
        text = rng.randbytes(rng.randrange(300))
    return text + rng.choice([b"\r\n"] * 12 + [b"\n", b"\r", b""])


def hear(connection):
    with contextlib.suppress(TimeoutError, ssl.SSLError):
        return connection.recv(65536)
    return b"?"


def talk(rng, port, context, starts_tls):
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    with contextlib.closing(connection):
        if rng.random() > 0.1:
            hear(connection)
        if starts_tls and rng.random() < 0.9:
            connection.sendall(b"EHLO client.test\r\n")
            hear(connection)
            connection.sendall(b"STARTTLS\r\n")
            hear(connection)
            if rng.random() < 0.1:
                return connection.sendall(rng.randbytes(rng.randrange(1, 500)))
            connection = context.wrap_socket(connection)
        connection.settimeout(0.05)  # what gets no reply is within a message
        for _ in range(rng.randrange(1, 25)):
            connection.sendall(b"".join(line(rng) for _ in range(rng.choice([1, 1, 1, 2, 5]))))
            if rng.random() < 0.8 and not hear(connection):
                return None
        return None


def complaints(host):
    """What the log, standard error and the sanitizers have to say against the server."""
    found = [text for text in host.log_text().splitlines() if " crash " in text or "helper-ended" in text]
    for path in glob.glob(os.path.join(host.folder, "reports", "*")) + [os.path.join(host.folder, "stderr")]:
        with open(path, errors="replace") as file:
            text = file.read()
        if "Sanitizer" in text or "runtime error" in text:
            found.append(f"{path}: {text[:3000]}")
    return found


def fuzz(host, port, seconds, rng, context, starts_tls):
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
            talk(rng, port, context, starts_tls)
        count += 1
        if count % 50 == 0 and complaints(host):
            break
    return count


def main(binary, seconds, seed):
    print(f"dialogues: seed {seed}", flush=True)
    rng = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="postoffice-fuzz-")
    os.chmod(folder, 0o755)
    os.mkdir(os.path.join(folder, "reports"))
    os.chmod(os.path.join(folder, "reports"), 0o1777)  # of processes of several accounts
    os.environ["ASAN_OPTIONS"] = f"log_path={folder}/reports/of:detect_leaks=0"
    os.environ["UBSAN_OPTIONS"] = "print_stacktrace=1"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    ports = [free_port() for _ in range(2)]
    host = Host(folder, binary=binary, tls_certificate=Authority(folder).issue("host.test", "host.pem"),
                user="nobody" if os.geteuid() == 0 else None, rate_connections="0", rate_messages="0", tarpit="0",
                errors="1000", load="1000000", auth_failures="1000000")
    try:
        host.write_aliases("postmaster: /dev/null\nlist: postmaster\n")
        host.write_config(listen=[f"127.0.0.1:{host.port}", f"127.0.0.1:{ports[0]},submission"])
        host.start()
        for name, port, starts_tls in (("plain", host.port, False), ("TLS", host.port, True), ("submission", ports[0], True)):
            count = fuzz(host, port, seconds, rng, context, starts_tls)
            print(f"dialogues: {count} of kind {name}", flush=True)
            if not host.answers():
                print("dialogues: it answers no more")
                return 1
        found = complaints(host)
        print("\n".join(found) if found else "dialogues: nothing to complain about")
        return 1 if found else 0
    finally:
        host.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), int(sys.argv[2]),
                  int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)))
