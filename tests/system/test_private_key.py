"""The private key of the host is in the memory of one process, which signs for all others."""
import os
import re
import signal
import smtplib
import ssl
import subprocess

import pytest

from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from host import wait_for
from processes import wait_for_title

pytestmark = needs_tls


def handshake(host, authority, version=None):
    """Makes a handshake and returns facts about the connection; raises if it fails."""
    context = ssl.create_default_context(cafile=authority.certificate)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    smtp = smtplib.SMTP(timeout=30, local_hostname="client.test")
    smtp.connect("127.0.0.1", host.port)
    smtp._host = "host.test"
    try:
        assert smtp.starttls(context=context)[0] == 220
        assert smtp.ehlo()[0] == 250
        return smtp.sock.version()
    finally:
        smtp.close()


def secrets_in(key_file):
    """The secret numbers of the key, as octets in either order, since OpenSSL's memory has both."""
    text = subprocess.run(["openssl", "pkey", "-in", key_file, "-noout", "-text"], capture_output=True, text=True,
                          check=True).stdout
    found = re.findall(r"^(?:priv|prime1|prime2|privateExponent):\n((?:    [0-9a-f:]+\n)+)", text, re.M)
    assert found
    octets = [bytes.fromhex(one.replace(":", "").replace(" ", "").replace("\n", "")).lstrip(b"\0") for one in found]
    return [form for one in octets for form in (one, one[::-1])]


def memory_of(pid):
    try:
        with open(f"/proc/{pid}/maps") as maps:
            regions = [line.split()[0].split("-") for line in maps if " rw" in line]
        memory = open(f"/proc/{pid}/mem", "rb")
    except FileNotFoundError:
        return  # the process has ended
    with memory:
        for start, end in regions:
            try:
                memory.seek(int(start, 16))
                yield memory.read(int(end, 16) - int(start, 16))
            except (OSError, ValueError):
                pass  # [vvar] and the like


def holds(pid, secrets):
    return any(secret in region for region in memory_of(pid) for secret in secrets)


@needs_root
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_one_process_holds_the_key(make_host, authority, kind):
    path = authority.issue("host.test", f"held-{kind}.pem", kind)
    host = make_host("host", tls_certificate=path).start()
    secrets = secrets_in(path)
    assert handshake(host, authority)
    host.reload()
    assert handshake(host, authority)
    keepers = wait_for_title(host, "postoffice: key keeper")
    assert all(holds(pid, secrets) for pid in keepers)
    others = [pid for pid in [host.process.pid, *host.processes()] if pid not in keepers]
    assert len(others) >= 6
    assert [host.processes().get(pid, "master") for pid in others if holds(pid, secrets)] == []


@pytest.mark.parametrize("kind", ["ec", "ec-521", "rsa", "rsa-4096", "ed25519"])
def test_each_kind_of_key_works(make_host, authority, kind):
    """A key of Ed25519 can only be used in the process that has it."""
    host = make_host("host", tls_certificate=authority.issue("host.test", f"{kind}.pem", kind)).start()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for _ in range(3):
            assert handshake(host, authority, version) == version.name.replace("v1_", "v1.")
    keepers = [title for title in host.processes().values() if "key keeper" in title]
    assert len(keepers) == (0 if kind == "ed25519" else 1)


def test_a_key_keeper_that_ends_is_replaced(make_host, authority):
    path = authority.issue("host.test", "replaced.pem")
    host = make_host("host", tls_certificate=path).start()
    assert handshake(host, authority)
    keeper, = wait_for_title(host, "postoffice: key keeper")
    os.remove(path)  # the next key keeper inherits these
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: [pid for pid in wait_for_title(host, "postoffice: key keeper") if pid != keeper],
             what="another key keeper")

    def works():
        try:
            return handshake(host, authority)
        except (ssl.SSLError, OSError, smtplib.SMTPException):
            return None  # sessions with the pipes of the old key keeper end one by one
    wait_for(works, what="a handshake with the new key keeper")
    assert "helper-ended process=\"key keeper\"" in host.log_text()
