"""A reload puts a correct configuration into force, interrupts no session, and leaves the old configuration in force
if the new one has a mistake."""
import os
import re
import smtplib
import socket

import pytest

from host import free_port, local_user, wait_for
from processes import helpers, is_alive, with_title
from smtp_clients import in_a_transaction, message, refuses_connections, send
from strict_sink import StrictSink


def test_a_reload_changes_options_and_interrupts_no_session(host):
    host.start()
    client = in_a_transaction(host)
    host.write_config(size="20k")
    host.reload()
    assert "reloaded file=" in host.log_text()
    assert "\n250-SIZE 20480" in "\n" + host.dialogue("EHLO new.test")[1]
    code, _ = client.data(message(b"begun before") + b"x" * 30000)
    assert code == 250  # by the configuration at its start
    client.quit()
    host.wait_for_mail(local_user(), b"begun before")
    for helper in ("listener", "queue runner", "spawner"):
        wait_for(lambda: len(helpers(host, helper)) == 1, what=f"the end of the old {helper}")


def test_a_file_with_a_mistake_changes_nothing(host):
    host.start()
    client = in_a_transaction(host)
    with open(host.config, "a") as file:
        file.write("szie=20k\n")
    host.reload()
    assert re.search(r"reload-refused reason=.*postoffice\.cf:\d+: .*size", host.log_text())
    assert client.data(message(b"all is as it was"))[0] == 250
    send(host, b"for others, too")
    client.quit()


def test_a_reload_adds_and_removes_ports(host):
    host.start()
    first, second = host.port, free_port()
    host.write_config(listen=[f"127.0.0.1:{first}", f"127.0.0.1:{second}"])
    host.reload()
    for port in (first, second):
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            assert client.noop()[0] == 250
    host.write_config(listen=f"127.0.0.1:{second}")
    host.reload()
    wait_for(lambda: refuses_connections(first), what="the first port to close")
    host.port = second
    send(host, b"by the second port")


def test_a_reload_changes_the_addresses_of_a_port(host):
    """Wider and narrower. The sockets of the server do not block its own change; they block those of other programs."""
    host.start()
    for n, listen in enumerate((f":{host.port}", f"127.0.0.1:{host.port}", f"0.0.0.0:{host.port}", f"127.0.0.1:{host.port}")):
        host.write_config(listen=listen)
        host.reload()
        assert "reload-refused" not in host.log_text()
        send(host, b"by address %d" % n)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", host.port))
            other.listen()


def test_a_change_that_needs_a_start_is_refused(host):
    host.start()
    host.write_config(queue_dir=os.path.join(host.folder, "elsewhere"))
    host.reload()
    assert "reload-refused" in host.log_text() and "queue-dir" in host.log_text()
    send(host, b"as before")


def test_mail_of_a_session_from_before_the_reload_goes_out_at_once(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        client = host.smtp()
        client.ehlo()
        client.mail("a@example.org")
        client.rcpt("you@elsewhere.test")
        host.reload()
        wait_for(lambda: len(helpers(host, "queue runner")) == 1, what="one runner")
        assert client.data(message(b"queued late"))[0] == 250
        client.quit()
        wait_for(lambda: sink.transactions, what="delivery to the sink")
        host.wait_for_empty_queue()


def test_a_reload_keeps_idle_clients(host):
    """The new listener takes them over with the state of their sessions, and the old listener ends."""
    host.write_config(clients="600")
    host.start()
    old_listener, = with_title(host, "postoffice: listener")
    silent = [host.smtp() for _ in range(300)]
    for number, client in enumerate(silent):
        client.putcmd(f"EHLO silent{number}.example")
    for client in silent:
        assert client.getreply()[0] == 250
    host.write_config(size="7777777")
    host.reload()
    wait_for(lambda: not is_alive(old_listener), what="the end of the old listener")
    user = local_user()
    for number, client in enumerate(silent):
        assert client.mail("a@example.org")[0] == 250  # EHLO still counts
        if number % 100 == 0:
            client.rcpt(user)
            assert client.data(message(b"hello"))[0] == 250
            host.wait_for_mail(user, b"silent%d.example" % number)
        else:
            client.rset()
    silent[0].ehlo()
    assert silent[0].esmtp_features["size"] == "7777777"
    for client in silent:
        client.close()


def test_many_reloads_keep_idle_clients(host):
    host.start()
    silent = [host.smtp() for _ in range(20)]
    for client in silent:
        client.ehlo()
    for _ in range(5):
        host.reload()
    wait_for(lambda: len(with_title(host, "postoffice: listener")) == 1, what="the end of the old listeners")
    for client in silent:
        assert client.noop()[0] == 250
        client.quit()
    assert host.stop() == 0
