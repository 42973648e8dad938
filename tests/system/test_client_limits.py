"""One client, or one network, takes a limited number of connections, processes and minutes, and leaves room for
others."""
import base64
import select
import smtplib
import socket
import time

import pytest

from certificates import Authority
from conftest import needs_root
from host import wait_for
from outsiders import CROWD, CROWD6, SERVER, outsiders  # noqa: F401
from own_network import own_network
from processes import helpers, with_title
from smtp_clients import in_a_transaction


def test_rates_of_connections_survive_a_reload(outsiders):
    host = outsiders.start(rate_connections="3/1h")
    for _ in range(3):
        outsiders.greeted(CROWD[0]).close()
    refused = outsiders.call(CROWD[0])
    assert refused.rest().startswith(b"421 4.7.1 Too many connections from you: 3 in 1h")
    outsiders.greeted(CROWD[1])
    host.reload()
    assert outsiders.call(CROWD[0]).rest().startswith(b"421 4.7.1")
    for _ in range(5):
        outsiders.greeted("127.0.0.1", address="127.0.0.1", machine=outsiders.server)


def test_trusted_addresses_have_no_rates(outsiders):
    outsiders.start(rate_connections="2/1h", client_connections="2", trusted=f"[{CROWD[0]}]")
    for _ in range(6):
        outsiders.greeted(CROWD[0])


def test_an_ipv6_network_is_one_client(outsiders):
    outsiders.start(client_connections="2")
    for source in CROWD6:
        outsiders.greeted(source)
    assert outsiders.call(CROWD6[0]).rest().startswith(b"421 4.7.0")
    outsiders.greeted(CROWD[0])


def test_many_refusals_give_few_log_lines(outsiders):
    host = outsiders.start(client_connections="1")
    outsiders.greeted(CROWD[0])
    for _ in range(200):
        assert outsiders.call(CROWD[0]).rest().startswith(b"421")
    outsiders.hang_up()
    time.sleep(1)
    outsiders.greeted(CROWD[0])
    outsiders.call(CROWD[0]).rest()
    wait_for(lambda: "clients-refused more=" in host.log_text(), what="the sum of the rest")
    assert host.log_text().count("client-refused ") < 100


def are_parked(host, count):
    """There are so many clients, and no session process has one."""
    return with_title(host, f"listener, {count} clients") and not with_title(host, "SMTP ")


def find_replaced(seated):
    """Takes the one client that was disconnected off the list."""
    heard = select.select([line.socket for line in seated], [], [], 20)[0]
    gone = [line for line in seated if line.socket in heard]
    assert len(gone) == 1
    assert gone[0].rest().startswith(b"421 4.3.2 Others need your place")
    seated.remove(gone[0])


def test_an_idle_client_gives_its_place_to_a_new_one(outsiders):
    """Not at once; clients of this host do not wait for it."""
    host = outsiders.start(clients="4")
    seated = outsiders.seated(*CROWD[:4])
    wait_for(lambda: are_parked(host, 4), what="parked clients")
    assert outsiders.call(CROWD[5]).rest().startswith(b"421 4.3.2 Too many clients")
    outsiders.greeted("127.0.0.1", address="127.0.0.1", machine=outsiders.server).close()
    find_replaced(seated)
    wait_for(lambda: outsiders.call(CROWD[6]).reply().startswith(b"220"), what="the place that was given back")
    assert outsiders.call(CROWD[7]).rest().startswith(b"421 4.3.2 Too many clients")
    wait_for(lambda: outsiders.call(CROWD[8]).reply().startswith(b"220"),
             what=lambda: f"room after ten seconds; log: {host.log_text()}")
    find_replaced(seated)
    assert all(line.ask("NOOP").startswith(b"250") for line in seated), "the other sessions continue"


def test_an_address_has_a_limit_of_failed_logins(outsiders):
    outsiders.start(auth_plaintext=1, auth_failures="2", tarpit="0")
    wrong = "AUTH PLAIN " + base64.b64encode(b"\0nobody-there\0wrong").decode()
    line = outsiders.greeted(CROWD[0])
    assert [line.ask(wrong)[:3] for _ in range(3)] == [b"535", b"535", b"421"]
    assert outsiders.greeted(CROWD[0]).ask(wrong).startswith(b"421")
    assert outsiders.greeted(CROWD[1]).ask(wrong).startswith(b"535"), "another address is another client"


@pytest.mark.parametrize("port", [25, 465], ids=["STARTTLS", "TLS from the first octet"])
def test_a_stalled_handshake_gives_its_place_to_a_new_client(outsiders, tmp_path, port):
    """A client that may begin TLS, and does not, has no process and is replaced like an idle client."""
    host = outsiders.start(clients="4", listen=[":25", ":465,tls"],
                           tls_certificate=Authority(str(tmp_path)).issue("host.test", "host.pem"))

    def stall(source):
        with outsiders.outside.inside():
            connection = socket.create_connection((SERVER, port), timeout=60, source_address=(source, 0))
        line = outsiders.keep(connection)
        if port == 25:
            assert line.reply().startswith(b"220")
            assert line.ask("STARTTLS").startswith(b"220")
        return line

    outsiders.greeted(CROWD[0]).close()
    wait_for(lambda: with_title(host, "listener, 0 clients"), what="free places")
    stalled = [stall(source) for source in CROWD[:4]]
    wait_for(lambda: are_parked(host, 4), what="parked clients")
    outsiders.greeted("127.0.0.1", address="127.0.0.1", machine=outsiders.server).close()
    wait_for(lambda: host.log_text().count("client-made-room") == 1, what="a client that was replaced")
    wait_for(lambda: outsiders.call(CROWD[8]).reply().startswith(b"220"), what="a place for a new client")
    heard = [line.rest() for line in stalled if line.has_ended()]
    assert heard and set(heard) == {b""}, "nothing in the clear where TLS is expected"


def test_a_handshake_has_a_time_limit(outsiders, tmp_path):
    host = outsiders.start(clients="2", tls_certificate=Authority(str(tmp_path)).issue("host.test", "host.pem"))
    for line in outsiders.seated(*CROWD[:2]):
        assert line.ask("STARTTLS").startswith(b"220")
        line.say(b"\x16\x03\x01\x00\xc8\x01")
    wait_for(lambda: outsiders.call(CROWD[3]).reply().startswith(b"220"),
             what=lambda: f"room after the handshakes; log: {host.log_text()}")
    assert "tls-failed" in host.log_text()


@pytest.mark.parametrize("octets, settings", [(1, {}), (500, {"data_rate": "10k"})], ids=["default", "data-rate"])
def test_slow_messages_have_less_time_when_all_places_are_taken(outsiders, octets, settings):
    """A message has a minute to become fast enough; with all places taken, ten seconds."""
    host = outsiders.start(clients="2", **settings)
    slow = outsiders.seated(*CROWD[:2])
    for line in slow:
        line.say(b"MAIL FROM:<a@far.test>\r\nRCPT TO:<postmaster@host.test>\r\nDATA\r\n")
        assert [line.reply()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
    start = time.monotonic()
    while "comes too slowly" not in host.log_text():
        assert time.monotonic() - start < 50, "the slow client is still served"
        for line in slow:
            try:
                line.say(b"x" * octets + b"\r\n")
            except OSError:
                pass
        time.sleep(0.5)
    wait_for(lambda: outsiders.call(CROWD[3]).reply().startswith(b"220"), what="a free place")
    assert "crash" not in host.log_text()


def test_a_client_with_a_refused_sender_has_a_tenth_of_the_timeout(outsiders):
    host = outsiders.start(timeout="20s")
    line = outsiders.greeted()
    assert line.ask("MAIL FROM:<broken").startswith(b"501")
    start = time.monotonic()
    assert line.rest().startswith(b"421 4.4.2")
    assert time.monotonic() - start < 20
    assert "client-silent" in host.log_text() or "timeout" in host.log_text()


def listener_of(host):
    return helpers(host, "listener")[0]


def test_the_descriptor_limit_is_raised_for_all_clients(outsiders):
    host = outsiders.start(clients="5000")
    with open(f"/proc/{listener_of(host)}/limits") as file:
        soft = next(int(line.split()[3]) for line in file if line.startswith("Max open files"))
    assert soft >= 10000
    assert "few-descriptors" not in host.log_text()


def test_with_few_descriptors_there_are_few_places(outsiders):
    outsiders.server.prefix += ["setpriv", "--bounding-set=-sys_resource", "prlimit", "--nofile=80:80"]
    host = outsiders.start(clients="1000", client_connections="1000", rate_connections="0")
    pid = listener_of(host)
    assert "few-descriptors limit=80 needed=2048 clients=17" in host.log_text()
    crowd = [outsiders.call(CROWD[n % len(CROWD)]) for n in range(100)]
    answers = [line.reply()[:9] for line in crowd]
    assert answers.count(b"421 4.3.2") == 83
    for line in crowd:
        line.close()
    wait_for(lambda: outsiders.call(CROWD[-1]).reply().startswith(b"220"), what="free places")
    assert listener_of(host) == pid
    assert "accept-failed" not in host.log_text() and "client-lost" not in host.log_text()


def test_clients_above_the_limit_get_421(host):
    host.write_config(clients="3")
    host.start()
    seated = [in_a_transaction(host) for _ in range(3)]
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        host.smtp()
    assert refused.value.smtp_code == 421 and refused.value.smtp_error.startswith(b"4.3.2")
    seated.pop().quit()
    wait_for(lambda: host.answers(), what="a free place")
    for client in seated:
        client.quit()


@needs_root
def test_one_address_does_not_take_all_places(host):
    with own_network("192.0.2.1", "192.0.2.2"):
        host.write_config(listen=f":{host.port}", client_connections="2")
        host.start()

        def greeting(source):
            connection = socket.create_connection(("192.0.2.1", host.port), 30, source_address=(source, 0))
            return connection, connection.recv(100)

        seated = [greeting("192.0.2.2") for _ in range(2)]
        assert all(text.startswith(b"220") for _, text in seated)
        late, text = greeting("192.0.2.2")
        assert text.startswith(b"421 4.7.0")
        other, text = greeting("192.0.2.1")
        assert text.startswith(b"220")
        for connection in [late, other, *(one for one, _ in seated)]:
            connection.close()
        host.stop()
