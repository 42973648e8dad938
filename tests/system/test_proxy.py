"""A trusted front end tells the client's address by the PROXY protocol; other clients cannot."""
import contextlib
import os
import shutil
import socket
import subprocess

import pytest

from conftest import needs_root
from host import wait_for
from outsiders import CROWD, SERVER, Line, outsiders  # noqa: F401
from proxy_header import SIGNATURE, proxy_header

pytestmark = needs_root

FRONT_END = CROWD[0]
MESSAGE = b"Subject: by way of a front end\r\n\r\nHello.\r\n.\r\n"


def by_front_end(outsiders, client, **options):
    line = outsiders.call(FRONT_END)
    line.say(proxy_header(client, **options))
    return line


@pytest.mark.parametrize("client", ["203.0.113.9", "2001:db8:9::9"])
def test_the_client_is_that_of_the_header(outsiders, client):
    host = outsiders.start(proxy=FRONT_END)
    line = by_front_end(outsiders, client, tlv=b"\x05\0\x04abcd")
    assert f"[{client}]".encode() in line.reply()
    line.ask("EHLO client.test")
    assert line.ask("MAIL FROM:<a@far.test>").startswith(b"250")
    assert line.ask("RCPT TO:<bob@far.test>").startswith(b"550")
    assert line.ask("RCPT TO:<alice@host.test>").startswith(b"250")
    assert line.ask("DATA").startswith(b"354")
    assert line.ask(MESSAGE).startswith(b"250")
    assert client.encode() in host.wait_for_mail("alice", b"by way of a front end")
    assert FRONT_END not in host.log_text()


def test_limits_are_for_the_client_and_not_for_the_front_end(outsiders):
    outsiders.start(proxy=FRONT_END, client_connections="2", rate_connections="4/1h")
    for _ in range(2):
        assert by_front_end(outsiders, "203.0.113.9").reply().startswith(b"220")
    assert by_front_end(outsiders, "203.0.113.9").reply().startswith(b"421 4.7.0")
    for n in range(10, 16):
        assert by_front_end(outsiders, f"203.0.113.{n}").reply().startswith(b"220")
    outsiders.hang_up()

    def gets_a_place():
        return by_front_end(outsiders, "203.0.113.9").reply().startswith(b"220")
    wait_for(gets_a_place, what="a free place")
    assert gets_a_place()
    outsiders.hang_up()
    wait_for(lambda: by_front_end(outsiders, "203.0.113.9").reply().startswith(b"421 4.7.1"),
             what="the end of the interval")


def test_a_front_end_must_send_the_header_and_no_other_client_may(outsiders):
    host = outsiders.start(proxy=FRONT_END)
    line = outsiders.call(FRONT_END)
    line.say("EHLO client.test and some more octets")
    assert line.rest() == b""
    assert "proxy-header-refused" in host.log_text()
    for bad in (proxy_header("203.0.113.9")[:-1], SIGNATURE + b"\x21\x11\xff\xff", proxy_header("127.0.0.1"), b"PROXY TCP4 ",
                # Without an address, the client would have the rights of the front end.
                SIGNATURE + b"\x21\0\0\0", SIGNATURE + b"\x21\x31\0\xd8" + bytes(216), b"PROXY UNKNOWN\r\n  "):
        line = outsiders.call(FRONT_END)
        line.say(bad)
        with contextlib.suppress(OSError):  # octets that cannot become a header are refused before their end
            line.socket.shutdown(1)
        assert line.rest() == b"", bad
    other = outsiders.call(CROWD[1])
    other.say(proxy_header("203.0.113.9"))
    assert b"203.0.113.9" not in other.rest()


def test_a_health_check_of_a_front_end_is_answered(outsiders):
    outsiders.start(proxy=FRONT_END)
    line = outsiders.call(FRONT_END)
    line.say(SIGNATURE + b"\x20\0\0\0")
    assert f"[{FRONT_END}]".encode() in line.reply()
    assert line.ask("QUIT").startswith(b"221")


def test_a_health_check_need_not_wait_for_the_greeting(outsiders):
    host = outsiders.start(proxy=FRONT_END)
    for _ in range(20):
        line = outsiders.call(FRONT_END)
        line.say(SIGNATURE + b"\x20\0\0\0" + b"HELO haproxy.test\r\n")
        assert line.reply().startswith(b"220 ") and line.reply().startswith(b"250 ")
    # Clients behind it have to wait.
    line = outsiders.call(FRONT_END)
    line.say(proxy_header("203.0.113.9") + b"HELO hasty.test\r\n")
    assert line.reply().startswith(b"554 5.5.0")
    assert host.log_text().count('reason="spoke before the greeting"') == 1


def test_a_silent_front_end_delays_no_client(outsiders):
    host = outsiders.start(proxy=FRONT_END, clients="4")
    wait_for(lambda: any("listener, 0 clients" in title for title in host.processes().values()), what="the place of the probe")
    for _ in range(3):
        outsiders.call(FRONT_END)
    assert by_front_end(outsiders, "203.0.113.9").reply().startswith(b"220")
    wait_for(lambda: by_front_end(outsiders, "203.0.113.10").reply().startswith(b"220"), seconds=40,
             what="the places of connections without a header")


HAPROXY = """
global
    log stderr local0
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen smtp
    bind {front_end}:2525
    option smtpchk HELO haproxy.test
    server ours {server}:25 source {front_end} send-proxy-v2 check check-send-proxy inter 100ms
"""


@pytest.mark.skipif(not shutil.which("haproxy"), reason="NEEDS haproxy")
def test_haproxy_serves_and_checks(outsiders, folder):
    host = outsiders.start(proxy=FRONT_END, audit="1")
    config = os.path.join(folder, "haproxy.cfg")
    with open(config, "w") as file:
        file.write(HAPROXY.format(front_end=FRONT_END, server=SERVER))
    with open(os.path.join(folder, "haproxy.log"), "w") as log:
        front = subprocess.Popen([*outsiders.outside.prefix, "haproxy", "-db", "-f", config], stdout=log, stderr=log)
    try:
        def greeting():
            with outsiders.outside.inside():
                try:
                    connection = socket.create_connection((FRONT_END, 2525), 20, source_address=(CROWD[7], 0))
                except OSError:
                    return None
            line = Line(connection)
            text = line.reply()
            line.close()
            return text
        text = wait_for(greeting, what="haproxy")
        assert f"[{CROWD[7]}]".encode() in text, (text, host.log_text())
        # Its check says HELO without waiting for the greeting.
        wait_for(lambda: host.log_text().count(f":{FRONT_END}:HELO:250:") >= 10, what="ten checks of haproxy")
        assert "spoke before the greeting" not in host.log_text()
    finally:
        front.terminate()
        front.wait(20)
