"""With several relay hosts the next one gets the mail when one is down or refuses the connection; and no refusal of a
relay host bounces mail."""
import contextlib
import re
import socket
import socketserver
import threading

import pytest

from conftest import needs_root
from host import wait_for
from sink import Sink

pytestmark = needs_root


class _Refusing(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            self.wfile.write(self.server.greeting)
            self.rfile.readline()


@contextlib.contextmanager
def refusing(greeting):
    """The endpoint of a server that has only this greeting; None: no server listens."""
    if greeting is None:
        with socket.socket() as bound:  # no listen(): connections are refused
            bound.bind(("127.0.0.1", 0))
            yield f"[127.0.0.1]:{bound.getsockname()[1]}"
        return
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Refusing) as server:
        server.daemon_threads = True
        server.greeting = greeting.encode() + b"\r\n"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"[127.0.0.1]:{server.server_address[1]}"
        server.shutdown()


def send(host, *recipients):
    host.run("sendmail", "-f", "alice@host.test", *recipients, input=b"Subject: hello\n\nx\n", check=True)


@pytest.mark.parametrize("greeting", [None, "554 5.7.1 not you", "421 4.3.2 going down", "garbage"])
def test_the_next_relay_host_gets_the_mail(host, greeting):
    with refusing(greeting) as first, Sink() as second:
        host.write_config(relay_host=[first, second.endpoint])
        host.start()
        send(host, "bob@a.test", "carol@b.test")
        host.wait_for_empty_queue()
        assert [to for _, to, _ in second.messages] == [("bob@a.test", "carol@b.test")]


def test_a_host_that_refuses_every_sender_for_now_is_passed_over(host):
    """Postfix without space says 452 to MAIL; here each RCPT is the sign."""
    with Sink(verdict=lambda _: "421 4.3.2 closing down") as first, Sink() as second:
        host.write_config(relay_host=f"{first.endpoint}, {second.endpoint}")
        host.start()
        send(host, "bob@a.test")
        host.wait_for_empty_queue()
        assert len(second.messages) == 1 and not first.messages


def test_relay_hosts_that_refuse_this_host_bounce_nothing(host):
    with refusing("554 5.7.1 not you") as first, refusing("554 5.7.1 nor you") as second:
        host.write_config(relay_host=[first, second], retry="1s")
        host.start()
        send(host, "bob@a.test")
        wait_for(lambda: re.search(r"deferred .*the relay host refuses this host: 554 5\.7\.1", host.log_text()),
                 what=host.log_text)
        assert " failed " not in host.log_text()
        assert [entry["recipients"][0]["address"] for entry in host.queue()] == ["bob@a.test"]
