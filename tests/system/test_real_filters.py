"""Filters of Debian do their work through postoffice. OpenDKIM's signature is whole at the next host, which shows that
nothing is changed behind the filters."""
import os
import re
import smtplib
import subprocess
import sys

import pytest

import scripted_filter
from clamav import VIRUS, ClamAv
from conftest import needs_root
from host import local_user, wait_for
from opendkim import SigningKey, dmarc, signer, verifier
from rspamd import MARKED, REFUSED, Rspamd
from spamassassin import SpamAssassin

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


def started(command, folder, ready):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=open(os.path.join(folder, "filter.err"), "w"))
    wait_for(lambda: os.path.exists(ready) or process.poll() is not None, what=f"{command[0]}")
    assert process.poll() is None, open(os.path.join(folder, "filter.err")).read()
    os.chmod(ready, 0o777)
    return process


@pytest.fixture
def edited_host(host, folder):
    """A started host with the filter of python3-milter."""
    pytest.importorskip("Milter", reason="NEEDS python3-milter (./configure.sh --get-deps=check installs it)")
    socket = os.path.join(folder, "editor.sock")
    script = os.path.join(os.path.dirname(scripted_filter.__file__), "py_milter.py")
    process = started([sys.executable, script, socket], folder, socket)
    host.write_aliases(f"postmaster: {USER}\nroot: {USER}\nrefuse: {USER}\n")
    host.write_config(filter=f"unix:{socket}")
    yield host.start()
    process.kill()
    process.wait()
    assert "filter-failed" not in host.log_text()


def test_libmilter_makes_each_change(edited_host):
    with edited_host.smtp() as client:
        client.mail("ann@far.test")
        assert client.rcpt("refuse@host.test") == (550, b"5.7.1 not 100% welcome\n5.7.1 on two lines")
        client.rcpt("root@host.test")
        assert client.data(b"Subject: change\nX-Gone: 1\n\n" + b"x" * 200_000 + b"\n")[0] == 250
    text = edited_host.wait_for_mail(USER, b"the end")
    header, body = text.split(b"\n\n", 1)
    assert header.startswith(b"From new@far.test ") and b"X-Gone" not in header
    for field in (b"Subject: changed", b"X-Client: 127.0.0.1", b"X-Headers: 5"):
        assert b"\n" + field in header, header
    assert b"X-Id: " in header and b"X-Id: none" not in header
    assert body.startswith(b"line one\nline one\n") and body.count(b"line one") == 20000


def test_libmilter_serves_clients_one_after_the_other_on_its_connection(edited_host):
    for number in range(9):
        with edited_host.smtp() as client:
            client.sendmail("plain@far.test", ["root@host.test"], f"Subject: plain {number}\n\nbody\n")
        wait_for(lambda: not any(title.startswith("SMTP ") for title in edited_host.processes().values()),
                 what="an idle process, which then gets the next client")
    text = edited_host.wait_for_mail(USER, b"Subject: plain 8")
    served = [tuple(map(int, counts)) for counts in re.findall(rb"X-Served: (\d+) clients on (\d+) connections", text)]
    assert [clients for clients, _ in served] == list(range(1, 10))
    assert served[-1][1] <= 4  # one, but for clients that came so late that the server had said goodbye


def test_opendmarc_sees_what_opendkim_found(make_host, folder):
    key_folder = os.path.join(folder, "key")
    os.mkdir(key_folder)
    daemons = [verifier(folder, SigningKey(key_folder, "a.test")), dmarc(folder)]
    host = make_host("b", hostname="b.test", filter=[daemon.socket for daemon in daemons]).start()
    try:
        with host.smtp() as client:
            client.sendmail("ann@a.test", [f"{USER}@b.test"], b"From: ann@a.test\n\nbody\n")
        text = host.wait_for_mail(USER, b"body")
        assert b"dmarc=" in text
        assert "filter-failed" not in host.log_text()
    finally:
        for daemon in daemons:
            daemon.close()


def test_clamav_refuses_a_virus_and_marks_other_mail(host, folder):
    clamav = ClamAv(folder)
    try:
        host.write_config(filter=f"{clamav.socket}, on-failure=tempfail")
        host.start()
        with host.smtp() as client:
            client.sendmail("ann@far.test", [USER], b"Subject: clean\n\nbody\n")
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("ann@far.test", [USER], b"Subject: infected\n\n" + b"x" * 70_000 + VIRUS + b"\n")
        assert refused.value.smtp_code == 550 and b"Of.The.Tests" in refused.value.smtp_error
        assert b"X-Virus-Status: Clean" in host.wait_for_mail(USER, b"Subject: clean")
    finally:
        clamav.close()


def test_rspamd_refuses_marks_and_lets_pass(host, folder):
    rspamd = Rspamd(folder)
    try:
        host.write_config(filter=f"{rspamd.socket}, on-failure=tempfail")
        host.start()
        with host.smtp() as client:
            client.sendmail("ann@far.test", [USER], b"Subject: wanted\n\nbody\n")
            client.sendmail("bea@far.test", [USER], b"X-Spam: no\nSubject: doubtful\n\n" + MARKED + b"\n")
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("eve@far.test", [USER], b"Subject: spam\n\n" + REFUSED + b"\n")
        assert refused.value.smtp_code == 554 and b"Gtube pattern" in refused.value.smtp_error
        wanted, _, doubtful = host.wait_for_mail(USER, MARKED).partition(b"\nFrom bea@far.test ")
        assert b"Subject: wanted" in wanted and b"X-Spam" not in wanted
        assert b"\nX-Spam: Yes\n" in doubtful
        assert b"\nX-Spam: no\n" not in doubtful
        wait_for(lambda: len(rspamd.seen()) == 3, what=rspamd.seen)
        assert [entry[1:] for entry in rspamd.seen()] == [
            ("127.0.0.1", f"{name}@far.test", f"{USER}@host.test") for name in ("ann", "bea", "eve")]
        for id, *_ in rspamd.seen():
            assert id and id in host.log_text()
    finally:
        rspamd.close()
    assert "filter-failed" not in host.log_text()


def test_what_rspamd_refuses_goes_to_the_folder_for_spam(host, folder):
    rspamd = Rspamd(folder)
    try:
        host.write_config(filter=f"{rspamd.socket}, on-failure=tempfail, refusal=spam", spam="folder:junk")
        host.start()
        with host.smtp() as client:
            client.sendmail("eve@far.test", [USER], b"X-Spam: no\nSubject: by SMTP\n\n" + REFUSED + b"\n")
        text = host.wait_for_mail(f"{USER}:junk", b"Subject: by SMTP")
        assert b"\nX-Spam: Gtube pattern\n" in text and b"\nX-Spam-Original: no\n" in text
        host.run("sendmail", "-f", f"{USER}@host.test", USER, input=b"Subject: by hand\n\n" + REFUSED + b"\n", check=True)
        assert b"\nX-Spam: Gtube pattern\n" in host.wait_for_mail(f"{USER}:junk", b"Subject: by hand")
    finally:
        rspamd.close()
    assert "mark=SPAM" in host.log_text() and "filter-failed" not in host.log_text()


@pytest.mark.parametrize("refuses", [False, True])
def test_spamassassin_marks_or_refuses_spam(host, folder, refuses):
    spamassassin = SpamAssassin(folder, refuses)
    try:
        host.write_config(filter=f"{spamassassin.socket}, timeout=20s, on-failure=tempfail")
        host.start()
        spam = b"From: ann@far.test\nSubject: an offer of the tests\n\nbody\n"
        with host.smtp() as client:
            client.sendmail("ann@far.test", [USER], b"From: ann@far.test\nSubject: good\n\nbody\n")
            if refuses:
                with pytest.raises(smtplib.SMTPDataError) as refused:
                    client.sendmail("ann@far.test", [USER], spam)
                assert refused.value.smtp_code == 550
            else:
                client.sendmail("ann@far.test", [USER], spam)
                assert b"X-Spam-Status: Yes, score=20" in host.wait_for_mail(USER, b"an offer")
        assert b"X-Spam-Status: No" in host.wait_for_mail(USER, b"Subject: good")
        assert "filter-failed" not in host.log_text()
    finally:
        spamassassin.close()
