"""No octets that a terminal takes for commands reach the log, mailq or the trace, whichever way they come in."""
import socket
import subprocess

import pytest

from host import wait_for
from strict_sink import StrictSink

#: ESC, CSI as one octet, CSI and a line separator in UTF-8, an overlong form, and half a character.
COMMANDS = [b"\x1b[31m", b"\x9b31m", b"\xc2\x9b31m", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xc1\x9b31m", b"\xc2"]


def is_clean(text):
    """Whether the text is UTF-8 without control characters except line ends."""
    return all(c == "\n" or (c >= " " and not "\x7f" <= c <= "\x9f" and c not in "\u2028\u202e\ufffd")
               for c in text.decode("utf-8", "replace"))


def log_of(host):
    with open(host.log, "rb") as file:
        return file.read()


@pytest.mark.parametrize("octets", COMMANDS, ids=ascii)
def test_commands_of_a_client_are_escaped(make_host, octets):
    host = make_host("host", audit=1).start()
    with socket.create_connection(("127.0.0.1", host.port), timeout=60) as connection:
        replies = connection.makefile("rb")
        assert replies.readline().startswith(b"220")
        for line in [b"EHLO " + octets, octets, b"NOOP " + octets, b"VRFY " + octets, b"MAIL FROM:<a" + octets + b"@far.test>",
                     b"MAIL FROM:<a@far.test> X=" + octets, b"MAIL FROM:<a@far.test> SMTPUTF8",
                     b"RCPT TO:<b" + octets + b"@host.test>", b"AUTH " + octets]:
            connection.sendall(line + b"\r\n")
            while (reply := replies.readline())[3:4] == b"-":
                assert is_clean(reply.replace(b"\r\n", b"\n")), reply
            assert is_clean(reply.replace(b"\r\n", b"\n")), reply
    wait_for(lambda: b"lost-connection" in log_of(host), what="the end of the session")
    assert is_clean(log_of(host)), log_of(host)


@pytest.mark.parametrize("octets", COMMANDS, ids=ascii)
def test_replies_of_another_host_are_escaped(make_host, octets):
    reply = b"451 4.3.0 later " + octets + b" please"
    with StrictSink(replies={"MAIL": reply}) as sink:
        host = make_host("host", relay_host=f"127.0.0.1:{sink.port}").start()
        host.run("sendmail", "-f", "alice@host.test", "bob@far.test", input=b"Subject: x\n\nhello\n")
        wait_for(lambda: b"deferred" in log_of(host), what="an attempt")
        assert is_clean(log_of(host)), log_of(host)
        for arguments in (["mailq"], ["mailq", "-v"], ["mailq", "--json"]):
            shown = host.run(*arguments).stdout
            assert b"far.test" in shown and is_clean(shown), shown
        run = subprocess.run([*host.prefix, host.command("runq"), "-C", host.config, "-v"], capture_output=True, timeout=60)
        assert is_clean(run.stdout + run.stderr), run
