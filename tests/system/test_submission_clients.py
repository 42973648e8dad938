"""Mail programs of users submit mail: dialogues of programs as documented, from first command to QUIT, and programs
that run here, with TLS and AUTH."""
import base64
import os
import subprocess

import pytest

from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from login_host import login_host  # noqa: F401
from talk import Talk, trusting

pytestmark = [needs_root, needs_tls]


def b64(text):
    return base64.b64encode(text.encode()).decode()


USER, PASSWORD = "vera@virtual.test", "v pass"
PLAIN, NAME, WORD = b64(f"\0{USER}\0{PASSWORD}"), b64(USER), b64(PASSWORD)
WRONG = b64(f"\0{USER}\0wrong")

#: (command, code of the reply) up to AUTH, of each program
LOGINS = {
    # Thunderbird uses its own address in EHLO, and sends the initial response.
    "thunderbird": [("EHLO [192.168.1.17]", 250), ("AUTH PLAIN " + PLAIN, 235)],
    # Thunderbird with "password, transmitted insecurely", after PLAIN has failed.
    "thunderbird-login": [("EHLO [192.168.1.17]", 250), ("AUTH PLAIN " + WRONG, 535), ("AUTH LOGIN", 334), (NAME, 334),
                          (WORD, 235)],
    "thunderbird-v6": [("EHLO [IPv6:2001:db8::17]", 250), ("AUTH PLAIN " + PLAIN, 235)],
    # Mail of iOS and macOS waits for the empty challenge.
    "ios": [("EHLO [192.168.1.23]", 250), ("AUTH PLAIN", 334), (PLAIN, 235)],
    "ios-new": [("EHLO smtpclient.apple", 250), ("AUTH PLAIN", 334), (PLAIN, 235)],
    # K-9, FairEmail and other users of JavaMail.
    "android": [("EHLO [127.0.0.1]", 250), ("AUTH PLAIN " + PLAIN, 235)],
    "android-login": [("EHLO localhost", 250), ("AUTH LOGIN " + NAME, 334), (WORD, 235)],
    # Outlook uses a name that is no domain, and supports only LOGIN.
    "outlook": [("EHLO DESKTOP-A1B2C3D", 250), ("AUTH LOGIN", 334), (NAME, 334), (WORD, 235)],
    "outlook-lower-case": [("ehlo DESKTOP_A1B2C3D", 250), ("auth login", 334), (NAME, 334), (WORD, 235)],
}
MAILS = {
    "thunderbird": ("MAIL FROM:<%s> BODY=8BITMIME SIZE=461", "RCPT TO:<%s>"),
    "ios": ("MAIL FROM:<%s>", "RCPT TO:<%s>"),
    "outlook": ("MAIL FROM: <%s>", "RCPT TO: <%s>"),
}


@pytest.mark.parametrize("tls", ["STARTTLS", "from the beginning"])
@pytest.mark.parametrize("client", LOGINS)
def test_a_documented_dialogue_is_accepted(login_host, client, tls):
    first_words = LOGINS[client][0]
    mail, rcpt = MAILS.get(client.partition("-")[0], MAILS["ios"])
    at_once = tls != "STARTTLS"
    port = login_host.submissions_port if at_once else login_host.submission_port
    with Talk("127.0.0.1", port, tls=trusting() if at_once else None) as talk:
        def says(line, code):
            reply = talk.say(line)
            assert reply.startswith(str(code)), (line, reply)
            return reply
        if not at_once:
            offer = says(*first_words)
            assert "STARTTLS" in offer
            says("STARTTLS", 220)
            talk.begin_tls(trusting())
        for line, code in LOGINS[client]:
            reply = says(line, code)
            if line.upper().startswith("EHLO"):
                assert "AUTH PLAIN LOGIN" in reply and "STARTTLS" not in reply
            if line.upper() == "AUTH LOGIN":
                assert reply == "334 " + b64("Username:")
        says(mail % USER, 250)
        says(rcpt % "alice@host.test", 250)
        says("DATA", 354)
        says(f"From: {USER}\r\nTo: alice@host.test\r\nSubject: from {client}\r\n\r\n..\r\n.".encode() + b"\r\n", 250)
        says("QUIT", 221)
    box = login_host.wait_for_mail("alice", f"Subject: from {client}".encode())
    assert b"with ESMTPSA id" in box


def test_one_connection_for_several_messages(login_host):
    # Mail of iOS keeps the connection, and sends RSET after an error.
    with Talk("127.0.0.1", login_host.submissions_port, tls=trusting()) as talk:
        for line, code in LOGINS["ios"]:
            assert talk.say(line).startswith(str(code))
        for n in range(3):
            assert talk.say(f"MAIL FROM:<{USER}>").startswith("250")
            assert talk.say("RCPT TO:<nobody-there@host.test>").startswith("550")
            assert talk.say("RSET").startswith("250")
            assert talk.send_mail(USER, "alice@host.test", text=f"Subject: number {n}\n\nx\n").startswith("250")
    for n in range(3):
        login_host.wait_for_mail("alice", f"Subject: number {n}".encode())


# -- programs that run here

@pytest.mark.parametrize("port, tls", [("submission_port", ["--tls-starttls=on"]), ("submissions_port", ["--tls-starttls=off"])])
@pytest.mark.parametrize("auth", ["on", "plain", "login"])
def test_msmtp_submits(login_host, authority, port, tls, auth):
    subprocess.run(["msmtp", "--host=127.0.0.1", f"--port={getattr(login_host, port)}", "--tls=on", *tls,
                    f"--tls-trust-file={authority.certificate}", "--tls-host-override=host.test", f"--auth={auth}",
                    f"--user={USER}", f"--passwordeval=echo {PASSWORD}", f"--from={USER}", "alice@host.test"],
                   input=b"Subject: from msmtp\n\nx\n", check=True, timeout=60)
    assert b"with ESMTPSA id" in login_host.wait_for_mail("alice", b"Subject: from msmtp")


@pytest.mark.parametrize("scheme, port", [("smtp", "submission_port"), ("smtps", "submissions_port")])
@pytest.mark.parametrize("how", [[], ["--sasl-ir"], ["--login-options", "AUTH=PLAIN"], ["--login-options", "AUTH=LOGIN"]],
                         ids=lambda how: " ".join(how) or "as it likes")
def test_curl_submits(login_host, authority, folder, scheme, port, how):
    path = os.path.join(folder, "mail")
    with open(path, "w") as file:
        file.write("Subject: from curl\r\n\r\nx\r\n")
    number = getattr(login_host, port)
    subprocess.run(["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", authority.certificate, "--resolve",
                    f"host.test:{number}:127.0.0.1", "--url", f"{scheme}://host.test:{number}", *how, "--user",
                    f"{USER}:{PASSWORD}", "--mail-from", USER, "--mail-rcpt", "alice@host.test", "--upload-file", path],
                   check=True, timeout=60)
    assert b"with ESMTPSA id" in login_host.wait_for_mail("alice", b"Subject: from curl")
