"""Filters of Debian do their work through postoffice: OpenDKIM's signature is whole at the next host, which shows that
nothing is changed behind the filters."""
import os

import pytest

from conftest import needs_root
from host import local_user
from opendkim import SigningKey, signer, verifier

pytestmark = needs_root

USER = local_user()


@pytest.fixture
def signing_hosts(make_host, folder):
    """a.test signs what it sends to b.test, which verifies."""
    made, daemons = {}, []
    key_folder = os.path.join(folder, "key")
    os.mkdir(key_folder)
    key = SigningKey(key_folder, "a.test")
    for name, daemon in (("b", verifier), ("a", signer)):
        path = os.path.join(folder, "filter-" + name)
        os.mkdir(path, 0o755)
        daemons.append(daemon(path, key))
        settings = {"hostname": f"{name}.test", "filter": daemons[-1].socket}
        if name == "a":
            settings["relay_host"] = f"127.0.0.1:{made['b'].port}"
        made[name] = make_host(name, **settings).start()
    yield made
    for daemon in daemons:
        daemon.close()


def test_a_signature_of_opendkim_is_verified_at_the_next_host(signing_hosts):
    a, b = signing_hosts["a"], signing_hosts["b"]
    long_line = b"x" * 900
    a.run("sendmail", "-f", f"{USER}@a.test", f"{USER}@b.test", check=True,
          input=b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\n folded\nX-Odd:no blank\n\n.dot\n\n" + long_line + b"\n \n\n\n")
    text = b.wait_for_mail(USER, b"folded")
    assert b"DKIM-Signature:" in text
    assert b"dkim=pass" in text.replace(b"\n\t", b" "), text


def test_a_message_that_a_client_sends_is_signed_too(signing_hosts):
    a, b = signing_hosts["a"], signing_hosts["b"]
    with a.smtp() as client:
        client.sendmail(f"{USER}@a.test", [f"{USER}@b.test"],
                        f"From: {USER}@a.test\r\nSubject: by SMTP\r\n\r\n..dots\r\nbody\r\n")
    assert b"dkim=pass" in b.wait_for_mail(USER, b"by SMTP")


def test_a_forged_signature_is_found(signing_hosts):
    a, b = signing_hosts["a"], signing_hosts["b"]
    a.run("sendmail", "-f", f"{USER}@a.test", f"{USER}@b.test", input=b"Subject: one\n\nbody\n", check=True)
    signed = b.wait_for_mail(USER, b"Subject: one").split(b"\n\n")[0]
    field = signed[signed.index(b"DKIM-Signature:"):]
    field = field[:field.index(b"\nReceived:")] if b"\nReceived:" in field else field
    with b.smtp() as client:
        client.sendmail(f"{USER}@a.test", [f"{USER}@b.test"], field + b"\nSubject: forged\n\nanother body\n")
    assert b"dkim=fail" in b.wait_for_mail(USER, b"Subject: forged")
