"""A client logs in by SCRAM: it proves that it knows the password, and the server proves the same; a replayed, forged
or malformed proof is refused."""
import os
import select
import smtplib
import socket
import ssl
import subprocess
import threading

import pytest

import scram
from accounts import hash_of, password_of
from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from host import free_port

pytestmark = [needs_root, needs_tls]


@pytest.fixture
def scram_host(make_host, authority, folder):
    for domain, users in (("virtual.test", f"sally:{scram.stored_by_dovecot('s pass')}\ncarl:{hash_of('c pass')}\n"
                                           f"broken:{{SCRAM-SHA-256}}4096,AAAA,BBBB,CCCC\n"),
                          ("slow.test", f"simon:{scram.stored('s pass', iterations=10_000, salt=os.urandom(24))}\n")):
        path = os.path.join(folder, "vhosts", domain, "passwd")
        os.makedirs(os.path.dirname(path))
        with open(path, "w") as file:
            file.write(users)
        os.chmod(path, 0o600)
    with open(os.path.join(folder, "vhosts", "domains.cf"), "w") as file:
        file.write("root:virtual.test:1:for logins\nroot:slow.test:1:for logins\n")
    host = make_host("host", tls_certificate=authority.issue("localhost", "host.pem"), auth_scram="1",
                     vhost_dir=os.path.join(folder, "vhosts"), auth_failures="100", tarpit="0")
    host.submission_port = free_port()
    host.write_config(listen=[f"127.0.0.1:{host.port}", f"127.0.0.1:{host.submission_port},submission"])
    return host.start()


def submission(host, newest=ssl.TLSVersion.TLSv1_3):
    smtp = smtplib.SMTP("127.0.0.1", host.submission_port, timeout=60, local_hostname="[127.0.0.1]")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode, context.maximum_version = False, ssl.CERT_NONE, newest
    smtp.starttls(context=context)
    smtp.ehlo()
    return smtp


@pytest.mark.parametrize("user, password, name", [
    ("sally@virtual.test", "s pass", "sally@virtual.test"), ("Sally@Virtual.TEST", "s pass", "sally@virtual.test"),
    ("simon@slow.test", "s pass", "simon@slow.test")])
def test_a_client_with_the_password_may_send(scram_host, user, password, name):
    with submission(scram_host) as smtp:
        assert scram.log_in(smtp, user, password) == 235
        smtp.sendmail(name, ["alice@host.test"], b"Subject: proved\r\n\r\nx\r\n")
    assert b"with ESMTPSA id" in scram_host.wait_for_mail("alice", b"Subject: proved")
    assert f" login={name}\n" in scram_host.log_text()


@pytest.mark.parametrize("user, password", [
    ("sally@virtual.test", "wrong"), ("carl@virtual.test", "c pass"), ("broken@virtual.test", "x"),
    ("nobody@virtual.test", "x"), ("sally@nowhere.test", "s pass"), ("alice", password_of("alice")), ("root", "x"),
    ("x" * 300 + "@virtual.test", "x"), ("sally@../vhosts/virtual.test", "s pass")])
def test_a_client_without_the_password_may_not(scram_host, user, password):
    with submission(scram_host) as smtp:
        exchange = scram.Exchange(smtp, user)
        assert exchange.begin()[0] == 334, "no reply about the name before the proof"
        assert exchange.end(password) == 535
        assert smtp.docmd("MAIL", "FROM:<a@virtual.test>")[0] == 530


def test_replies_do_not_disclose_which_users_exist(scram_host):
    def challenge(user):
        with submission(scram_host) as smtp:
            _, challenge = scram.Exchange(smtp, user).begin()
            smtp.docmd("*")
            return challenge
    for domain, real in (("virtual.test", "sally"), ("slow.test", "simon")):
        there, absent = challenge(f"{real}@{domain}"), challenge(f"nobody@{domain}")
        assert (there["i"], len(there["s"]), len(there["r"])) == (absent["i"], len(absent["s"]), len(absent["r"]))
        assert challenge(f"nobody@{domain}")["s"] == challenge(f"Nobody@{domain}")["s"] == absent["s"]
        assert challenge(f"noone@{domain}")["s"] != absent["s"]
    before = challenge("nobody@virtual.test")["s"]
    scram_host.stop()
    scram_host.start()
    assert challenge("nobody@virtual.test")["s"] == before


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("user, password", [("sally@virtual.test", "s pass"), ("carl@virtual.test", "c pass"),
                                            ("simon@slow.test", "s pass")])
def test_plain_and_login_accept_the_same_password(scram_host, user, password, mechanism):
    with submission(scram_host) as smtp:
        smtp.user, smtp.password = user, password + "!"
        how = smtp.auth_plain if mechanism == "PLAIN" else smtp.auth_login
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.auth(mechanism, how)
        smtp.password = password
        assert smtp.auth(mechanism, how)[0] == 235


def test_a_replayed_proof_is_refused(scram_host):
    with submission(scram_host) as smtp:
        first = scram.Exchange(smtp, "sally@virtual.test")
        first.begin()
        proof = first.final("s pass")
        assert smtp.docmd("*")[0] == 501
        second = scram.Exchange(smtp, "sally@virtual.test")
        second.nonce, second.bare = first.nonce, first.bare
        second.begin()
        assert second.challenge["r"] != first.challenge["r"]
        assert smtp.docmd(scram.b64(proof.encode()))[0] == 501, "the nonce is a new one"
        third = scram.Exchange(smtp, "sally@virtual.test")
        third.nonce, third.bare = first.nonce, first.bare
        third.begin()
        own = third.final("wrong").rpartition(",p=")[0] + "," + proof.rpartition(",")[2]
        assert third.end("s pass", own) == 535


def test_the_client_may_cancel_at_the_last_step(scram_host):
    with submission(scram_host) as smtp:
        exchange = scram.Exchange(smtp, "sally@virtual.test")
        exchange.begin()
        assert smtp.docmd(scram.b64(exchange.final("s pass").encode()))[0] == 334
        assert smtp.docmd("*")[0] == 501
        assert smtp.docmd("MAIL", "FROM:<sally@virtual.test>")[0] == 530


@pytest.mark.parametrize("message", [
    b"", b"n", b"n,,", b"n,,n=sally@virtual.test", b"n,,r=abc", b"n,,n=,r=abc", b"n,,n=a,r=", b"x,,n=a,r=b",
    b"p=,,n=a,r=b", b"n,a=other,n=a,r=b", b"n,other,n=a,r=b", b"n,,m=x,n=a,r=b", b"n,,n=a=,r=b", b"n,,n=a=2c,r=b",
    b"n,,n=a\0b,r=b", b"n,,n=a,r=b\0c", b"n,,n=a,r=" + b"b" * 300, b"\xff" * 50])
def test_a_malformed_first_message_is_refused(scram_host, message):
    with submission(scram_host) as smtp:
        assert smtp.docmd("AUTH", "SCRAM-SHA-256 " + (scram.b64(message) or "="))[0] == 501
        assert scram.log_in(smtp, "sally@virtual.test", "s pass") == 235


@pytest.mark.parametrize("final, code", [
    ("", 501), ("c=biws", 501), ("c=biws,r=NONCE", 501), ("c=biws,r=NONCE,p=", 501), ("c=biws,r=NONCE,p=AAAA", 501),
    ("c=biws,r=other,p=" + "A" * 43 + "=", 501), ("r=NONCE,c=biws,p=" + "A" * 43 + "=", 501),
    ("c=eSws,r=NONCE,p=" + "A" * 43 + "=", 535), ("c=biws,r=NONCE,p=" + "A" * 43 + "=", 535),
    ("c=biws,r=NONCE,x=" + "y" * 2000 + ",p=" + "A" * 43 + "=", 501)])
def test_a_malformed_final_message_is_refused(scram_host, final, code):
    with submission(scram_host) as smtp:
        exchange = scram.Exchange(smtp, "sally@virtual.test")
        exchange.begin()
        assert exchange.end("s pass", final.replace("NONCE", exchange.challenge["r"]) or ",") == code
        assert scram.log_in(smtp, "sally@virtual.test", "s pass") == 235


def test_an_escaped_name_logs_in_as_itself(scram_host, folder):
    with open(os.path.join(folder, "vhosts", "virtual.test", "passwd"), "a") as file:
        file.write(f"b=c:{scram.stored('p')}\n")
    with submission(scram_host) as smtp:
        assert scram.log_in(smtp, "b=3Dc@virtual.test", "p", binding="n,a=b=3Dc@virtual.test,") == 235


def test_scram_is_offered_only_where_it_can_work(scram_host):
    def offered(newest=ssl.TLSVersion.TLSv1_3):
        with submission(scram_host, newest) as smtp:
            return set(smtp.esmtp_features["auth"].split())
    assert offered() == {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
    assert offered(ssl.TLSVersion.TLSv1_2) == {"PLAIN", "LOGIN", "SCRAM-SHA-256"}
    for changes in ({"auth_scram": "0"}, {"auth_scram": "1", "vhost_dir": None}):
        scram_host.write_config(**changes)
        scram_host.reload()
        assert offered() == {"PLAIN", "LOGIN"}
        with submission(scram_host) as smtp:
            assert scram.Exchange(smtp, "sally@virtual.test").begin()[0] == 504


# -- channel binding

def end_point(path):
    """tls-server-end-point: the hash of the certificate, which is signed with SHA-256."""
    der = subprocess.run(["openssl", "x509", "-in", path, "-outform", "DER"], check=True, capture_output=True).stdout
    return subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der, check=True,
                          capture_output=True).stdout


def test_the_channel_is_bound_to_the_certificate(scram_host, authority):
    plus = {"mechanism": "SCRAM-SHA-256-PLUS", "binding": "p=tls-server-end-point,,"}
    with submission(scram_host) as smtp:
        assert scram.log_in(smtp, "sally@virtual.test", "s pass", data=os.urandom(32), **plus) == 535
        assert "bound to another channel" in scram_host.log_text()
        data = end_point(scram_host.settings["tls-certificate"])
        assert scram.log_in(smtp, "sally@virtual.test", "s pass", data=data, **plus) == 235


@pytest.mark.parametrize("mechanism, binding", [
    ("SCRAM-SHA-256-PLUS", "n,,"), ("SCRAM-SHA-256-PLUS", "y,,"), ("SCRAM-SHA-256-PLUS", "p=tls-unique,,"),
    ("SCRAM-SHA-256", "p=tls-exporter,,"), ("SCRAM-SHA-256", "y,,")])
def test_a_wrong_or_hidden_channel_binding_is_refused(scram_host, mechanism, binding):
    with submission(scram_host) as smtp:
        assert scram.log_in(smtp, "sally@virtual.test", "s pass", mechanism=mechanism, binding=binding) == 535


def test_a_client_may_say_that_it_supports_channel_binding(scram_host):
    with submission(scram_host, ssl.TLSVersion.TLSv1_2) as smtp:
        assert scram.Exchange(smtp, "x", mechanism="SCRAM-SHA-256-PLUS").begin()[0] == 504
        assert scram.log_in(smtp, "sally@virtual.test", "s pass", binding="y,,") == 235


# -- other clients

def test_msmtp_logs_in(scram_host):
    command = ["msmtp", "--host=127.0.0.1", f"--port={scram_host.submission_port}", "--tls=on", "--tls-starttls=on",
               "--tls-certcheck=off", "--auth=scram-sha-256", "--user=sally@virtual.test",
               "--from=sally@virtual.test", "alice@host.test"]
    done = subprocess.run([*command, "--passwordeval=echo wrong"], input=b"Subject: no\n\nx\n", capture_output=True,
                          timeout=60)
    assert done.returncode != 0 and b"535" in done.stderr, done
    subprocess.run([*command, "--passwordeval=echo s pass"], input=b"Subject: from msmtp\n\nx\n", check=True, timeout=60)
    scram_host.wait_for_mail("alice", b"Subject: from msmtp")


class OneLineGreeting(threading.Thread):
    """A proxy before the host for a client that cannot read a greeting of several lines."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        client, server = self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.target), timeout=60)
        self.listener.close()
        with client, server:
            line = b"220-"
            with server.makefile("rb", buffering=0) as greeting:
                while line.startswith(b"220-"):
                    line = greeting.readline()
            client.sendall(line)
            ends = {client: server, server: client}
            while True:
                for end in select.select(list(ends), [], [], 60)[0]:
                    try:
                        octets = end.recv(65536)
                    except ConnectionResetError:
                        return
                    if not octets:
                        return
                    ends[end].sendall(octets)


@pytest.mark.parametrize("mechanism, without", [("SCRAM-SHA-256", ["--no-cb"]), ("SCRAM-SHA-256-PLUS", [])])
@pytest.mark.parametrize("password, code", [("s pass", b"235 "), ("wrong", b"535 ")])
def test_gsasl_logs_in(scram_host, authority, mechanism, without, password, code):
    # Its channel binding uses exported keys of TLS, from another library than ours.
    port = OneLineGreeting(scram_host.submission_port).port
    done = subprocess.run(["gsasl", "--smtp", *without, f"--mechanism={mechanism}", "--starttls",
                           f"--x509-ca-file={authority.certificate}", f"--connect=localhost:{port}",
                           "--authentication-id=sally@virtual.test", "--authorization-id=sally@virtual.test", f"--password={password}"],
                          input=b"", capture_output=True, timeout=60)
    assert code in done.stdout, done


@pytest.mark.parametrize("password", ["s pass", "wrong"])
def test_this_host_binds_its_own_login_to_the_channel(scram_host, make_host, folder, password):
    secrets = os.path.join(folder, "secrets")
    with open(secrets, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"127.0.0.1:{scram_host.submission_port} sally@virtual.test:{password}\n")
    client = make_host("client", hostname="client.test", relay_host=f"127.0.0.1:{scram_host.submission_port}",
                       relay_password_file=secrets).start()
    said = client.run("sendmail", "-v", "-f", "sally@virtual.test", "alice@host.test", input=b"Subject: bound\n\nx\n")
    said = (said.stdout + said.stderr).decode()
    assert "AUTH SCRAM-SHA-256-PLUS" in said, said
    if password == "wrong":
        assert " 535 " in said and "alice@host.test: deferred" in said, said
    else:
        assert b"with ESMTPSA id" in scram_host.wait_for_mail("alice", b"Subject: bound")
