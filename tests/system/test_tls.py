"""TLS at the server works with real clients, offers only strong versions and ciphers, and protects the session from
the first octet."""
import os
import smtplib
import socket
import ssl
import subprocess

import pytest

from certificates import Authority, authority  # noqa: F401
from conftest import needs_tls
import tls_hello as hello
from host import free_port, local_user, wait_for

pytestmark = needs_tls

MESSAGE = b"From: sender@example.org\r\nSubject: over tls\r\n\r\nhello\r\n"


@pytest.fixture
def tls_host(make_host, authority):
    certificate = authority.issue("host.test", "host.pem")
    host = make_host("host", tls_certificate=certificate)
    host.tls_port, host.submission_port = free_port(), free_port()
    host.write_config(listen=[f"127.0.0.1:{host.port}", f"127.0.0.1:{host.tls_port},tls",
                              f"127.0.0.1:{host.submission_port},submission"])
    return host.start()


def context(authority):
    return ssl.create_default_context(cafile=authority.certificate)


def client(host, authority):
    smtp = smtplib.SMTP(timeout=30, local_hostname="client.test")
    smtp._host = "host.test"  # the name in the certificate
    smtp.connect("127.0.0.1", host.port)
    smtp._host = "host.test"
    smtp.starttls(context=context(authority))
    return smtp


def s_client(host, *arguments, port=None, talk=b"QUIT\r\n"):
    start = [] if port else ["-starttls", "smtp"]
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port or host.port}", *start, "-ign_eof",
                           *arguments], input=talk, capture_output=True, timeout=30)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def test_a_message_by_starttls_arrives(tls_host, authority):
    user = local_user()
    with client(tls_host, authority) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("starttls"), "TLS within TLS"
        smtp.sendmail("sender@example.org", [f"{user}@host.test"], MESSAGE)
    box = tls_host.wait_for_mail(user, b"Subject: over tls")
    assert b"with ESMTPS id" in box and b"(TLSv1.3 " in box


def test_tls_from_the_first_octet(tls_host, authority):
    user = local_user()
    with socket.create_connection(("127.0.0.1", tls_host.tls_port), timeout=30) as plain:
        with context(authority).wrap_socket(plain, server_hostname="host.test") as stream:
            file = stream.makefile("rwb")
            for command, code in ((None, b"220"), (b"EHLO client.test", b"250"), (b"MAIL FROM:<a@example.org>", b"250"),
                                  (f"RCPT TO:<{user}@host.test>".encode(), b"250"), (b"DATA", b"354"),
                                  (MESSAGE + b".", b"250"), (b"QUIT", b"221")):
                if command:
                    file.write(command + b"\r\n")
                    file.flush()
                line = file.readline()
                while line[3:4] == b"-":
                    line = file.readline()
                assert line.startswith(code), (command, line)
            assert file.read() == b"", "close_notify is sent"
    tls_host.wait_for_mail(user, b"Subject: over tls")


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(tls_host, version):
    status, text = s_client(tls_host, version, "-cipher", "ALL:@SECLEVEL=0")
    assert status != 0 and "Cipher is (NONE)" in text, text


@pytest.mark.parametrize("version, name", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_tls_1_2_and_1_3_work(tls_host, version, name):
    status, text = s_client(tls_host, version)
    assert f"New, {name}, Cipher is" in text and "221 " in text, text
    assert "Compression: NONE" in text


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "ADH-AES256-SHA",
                                    "NULL-SHA256", "PSK-AES128-CBC-SHA"])
def test_weak_ciphers_are_refused(tls_host, cipher):
    _, text = s_client(tls_host, "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0")
    assert "Cipher is (NONE)" in text, text


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_is_resumed_by_another_process(tls_host, folder, version):
    session = os.path.join(folder, "session")
    _, first = s_client(tls_host, version, "-sess_out", session, talk=b"NOOP\r\nQUIT\r\n")
    assert "New, TLS" in first
    _, second = s_client(tls_host, version, "-sess_in", session)
    assert "Reused, TLS" in second, second


# -- versions and ciphers that no current library offers, but checkers try

#: ECDHE with a certificate of its kind, AES-GCM, ChaCha20, and AES-CBC with SHA-2. RFC 5289, RFC 7905.
ECDSA_CIPHERS = {0xC02B, 0xC02C, 0xC023, 0xC024, 0xCCA9}
RSA_CIPHERS = {0xC02F, 0xC030, 0xC027, 0xC028, 0xCCA8, 0x009E, 0x009F}  # DHE, too
ALL_CIPHERS = sorted({*range(0x0000, 0x0100), *range(0xC001, 0xC0B4), *range(0xCC13, 0xCC16), *range(0xCCA8, 0xCCAF),
                      *range(0xD001, 0xD006), *range(0xFEFE, 0xFF00)} - {hello.SCSV, 0x5600})


@pytest.mark.parametrize("version", [hello.SSL3, hello.TLS1, hello.TLS1_1], ids=["SSL 3", "TLS 1.0", "TLS 1.1"])
@pytest.mark.parametrize("extensions", [True, False])
def test_a_hello_of_an_old_version_is_refused(tls_host, version, extensions):
    said = hello.answer(tls_host.tls_port, hello.client_hello(version, ALL_CIPHERS, extensions=extensions))
    assert said[0] == "alert" and said[1] in (70, 40), "protocol_version or handshake_failure"


def test_a_hello_of_ssl_2_is_refused(tls_host):
    assert hello.answer(tls_host.tls_port, hello.ssl2_hello())[0] in ("alert", "closed")


@pytest.mark.parametrize("kind, expected", [("ec", ECDSA_CIPHERS), ("rsa", RSA_CIPHERS)])
def test_the_ciphers_of_tls_1_2(tls_host, folder, kind, expected):
    if kind == "rsa":
        path = os.path.join(folder, "rsa.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=host.test",
                        "-keyout", path, "-out", path + ".crt"], check=True, capture_output=True)
        with open(path, "a") as file, open(path + ".crt") as certificate:
            file.write(certificate.read())
        tls_host.write_config(tls_certificate=path)
        tls_host.reload()
    found = hello.accepted_ciphers(tls_host.tls_port, hello.TLS1_2, ALL_CIPHERS)
    # None without authentication or forward secrecy, no export ciphers, no RC4, DES, 3DES, IDEA, CAMELLIA, ARIA or MD5.
    assert set(found) == expected, [hex(one) for one in found]
    assert len(found) == len(expected)
    left = sorted(set(ALL_CIPHERS) - expected)
    assert hello.answer(tls_host.tls_port, hello.client_hello(hello.TLS1_2, left)) == ("alert", 40), "handshake_failure"


def test_nothing_is_compressed(tls_host):
    said = hello.answer(tls_host.tls_port, hello.client_hello(hello.TLS1_2, ALL_CIPHERS, compression=b"\x01\0"))
    assert said[0] == "hello" and said[3] == 0
    assert hello.answer(tls_host.tls_port, hello.client_hello(hello.TLS1_2, ALL_CIPHERS, b"\x01"))[0] == "alert"


def test_secure_renegotiation_is_announced(tls_host):
    _, text = s_client(tls_host, "-tls1_2")
    assert "Secure Renegotiation IS supported" in text, "the extension of RFC 5746 is in the reply"


def test_renegotiation_is_refused(tls_host):
    # "R" alone on a line makes s_client renegotiate.
    process = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{tls_host.tls_port}", "-tls1_2"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    line = b""
    while not line.startswith(b"220"):
        line = process.stdout.readline()
        assert line
    process.stdin.write(b"R\n")
    process.stdin.flush()
    wait_for(lambda: process.poll() is not None, what="the end of s_client")
    out = process.stdout.read()
    assert b"RENEGOTIATING" in out and b"no renegotiation" in out, out


def test_the_session_starts_again_after_starttls(tls_host, authority):
    with client(tls_host, authority) as smtp:
        code, text = smtp.docmd("MAIL", "FROM:<a@example.org>")
        assert code in (250, 503)
        assert smtp.docmd("RCPT", "TO:<nobody-there@host.test>")[0] in (503, 550)
    replies = tls_host.dialogue("EHLO before.test", "MAIL FROM:<a@example.org>", "STARTTLS")
    assert replies[-1].startswith("220 ")


def test_commands_sent_with_starttls_in_the_clear_end_the_session(tls_host):
    with socket.create_connection(("127.0.0.1", tls_host.port), timeout=30) as s:
        s.recv(500)
        s.sendall(b"EHLO client.test\r\n")
        wait_for(lambda: b"250 " in s.recv(2000))
        s.sendall(b"STARTTLS\r\nMAIL FROM:<injected@example.org>\r\n")
        reply = s.recv(500)
        assert reply.startswith(b"554 "), reply
        assert s.recv(500) == b""
    assert "injected" not in tls_host.log_text()


def test_garbage_instead_of_a_handshake(tls_host, authority):
    for port in (tls_host.tls_port, tls_host.port):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            if port == tls_host.port:
                s.recv(500)
                s.sendall(b"STARTTLS\r\n")
                assert s.recv(500).startswith(b"220")
            s.sendall(b"EHLO this is no handshake\r\n" * 3)
            try:
                while s.recv(500):
                    pass
            except ConnectionResetError:
                pass
    with client(tls_host, authority) as smtp:
        assert smtp.noop()[0] == 250


def test_a_missing_handshake_times_out_like_a_command(tls_host, authority):
    tls_host.write_config(timeout="1s")
    tls_host.reload()
    with socket.create_connection(("127.0.0.1", tls_host.tls_port), timeout=30) as s:
        assert s.recv(500) == b""
    wait_for(lambda: "client-silent" in tls_host.log_text(), what="the timeout in the log")


def test_submission_requires_tls_and_auth(tls_host):
    with smtplib.SMTP("127.0.0.1", tls_host.submission_port, timeout=30) as smtp:
        smtp.ehlo("client.test")
        code, text = smtp.docmd("MAIL", "FROM:<a@example.org>")
        assert code == 530 and b"STARTTLS" in text
        insecure = ssl.create_default_context()
        insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
        smtp.starttls(context=insecure)
        smtp.ehlo("client.test")
        code, text = smtp.docmd("MAIL", "FROM:<a@example.org>")
        assert code == 530 and b"uthentication" in text


def test_a_reload_uses_a_new_certificate_and_keeps_sessions(tls_host, authority):
    before = client(tls_host, authority)
    other = Authority(os.path.dirname(authority.issue("unused.test", "unused.pem")))
    new = other.issue("host.test", "host.pem")
    tls_host.write_config(tls_certificate=new)
    tls_host.reload()
    assert before.noop()[0] == 250
    before.quit()
    with client(tls_host, other) as smtp:
        assert smtp.noop()[0] == 250


@pytest.mark.parametrize("what", ["missing", "not a key", "another key"])
def test_an_unusable_key_prevents_the_start_and_a_reload_keeps_the_old_key(make_host, authority, folder, what):
    good = authority.issue("host.test", "good.pem")
    bad = os.path.join(folder, "bad.pem")
    if what == "not a key":
        with open(bad, "w") as file:
            file.write("this is no key\n")
    elif what == "another key":
        bad = authority.issue("other.test", "other.pem")
    host = make_host("host", tls_certificate=good, tls_key=bad)
    done = subprocess.run([host.command("smtpd"), "-C", host.config, "-bD"], capture_output=True, timeout=30)
    assert done.returncode != 0 and bad.encode() in done.stderr, done
    host.write_config(tls_key=good)
    host.start()
    host.write_config(tls_key=bad)
    host.reload()
    assert "reload-refused" in host.log_text()
    with client(host, authority) as smtp:
        assert smtp.noop()[0] == 250


@pytest.mark.parametrize("mode, owner, readers", [
    (0o644, (0, 0), "everybody"), (0o640, (0, 7901), "group alice"), (0o400, (7901, 0), "alice"),
    (0o640, (0, 0), None), (0o600, (0, 0), None)])
def test_a_key_that_others_can_read_is_a_warning(make_host, authority, mode, owner, readers):
    if os.geteuid() != 0:
        pytest.skip("NEEDS ROOT: gives files away")
    path = authority.issue("host.test", "shown.pem")
    os.chmod(path, mode)
    os.chown(path, *owner)
    host = make_host("host", tls_certificate=path).start()
    warning = f"{path}: the key in it can be read by {readers}"
    done = subprocess.run([host.command("sendmail"), "-C", host.config, "-bC"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, "it is permitted"
    if readers:
        assert warning in host.log_text() and warning + " (a notice)" in done.stderr
    else:
        assert "can be read" not in host.log_text() + done.stderr


def test_swaks_sends_by_starttls(tls_host):
    user = local_user()
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{tls_host.port}", "--tls", "--from", "a@example.org",
                           "--to", f"{user}@host.test", "--h-Subject", "from swaks"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout
    tls_host.wait_for_mail(user, b"Subject: from swaks")
