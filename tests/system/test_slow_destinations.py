"""A domain with slow name servers or mail hosts delays only mail for that domain."""
import os
import socket
import threading

from host import free_port, local_user, wait_for
from processes import is_alive, wait_for_title
from sick_nameserver import A, MX, SickNameServer, endless, record
from sink import Sink
from strict_sink import StrictSink
from udp_name_server import UdpNameServer, question, reply


def submit(host, *recipients, subject="one"):
    host.run("sendmail", "-i", *recipients, input=f"Subject: {subject}\n\n".encode(), check=True)


def test_a_domain_with_endless_aliases_takes_few_questions(host):
    """Twenty mail hosts, each an alias of an alias of an alias."""
    with SickNameServer("endless") as server:
        host.write_config(nameserver=server.address)
        host.start()
        submit(host, "a@endless.test")
        wait_for(lambda: "too many questions to DNS" in host.log_text(), what=lambda: host.log_text()[-2000:])
        assert 20 < server.asked <= 41


def test_all_questions_of_an_attempt_have_one_deadline(host):
    """The name server never answers: the first question alone would take ten seconds."""
    with SickNameServer("silent") as server:
        host.write_config(nameserver=server.address, lookup_timeout="1s")
        host.start()
        submit(host, "a@silent.test")
        wait_for(lambda: ": deferred to=<a@silent.test>" in host.log_text(), what=lambda: host.log_text()[-2000:])
        assert server.asked == 1


class SilentAfterMx(UdpNameServer):
    """Answers for domains below good.test with an address, for others with twenty mail hosts, and no question about
    those."""

    def __init__(self, address):
        self.good = address
        super().__init__()

    def answer(self, query):
        name, kind = question(query)
        if name.endswith("good.test"):
            return reply(query, 0, [record(A, socket.inet_aton(self.good))] if kind == A else [])
        return reply(query, 0, endless(MX)) if kind == MX else None


def test_slow_destinations_do_not_take_all_processes(host):
    """Each slow one takes a minute, so a few messages would take all processes. A destination that was quick before
    gets a process at once, a new one when destinations that turned out to be slow give theirs back."""
    port = free_port()
    with SilentAfterMx("127.0.0.2") as server, Sink("127.0.0.2", port) as sink:
        host.write_config(nameserver=server.address, remote_port=port, agents="5", lookup_timeout="1m")
        host.start()
        submit(host, "a@known.good.test")
        wait_for(lambda: len(sink.messages) == 1, what="the first message at its host")
        for i in range(12):
            submit(host, f"a@slow{i}.test")
        wait_for(lambda: len(host.queue()) == 12, what="the slow ones in the queue")
        submit(host, "b@known.good.test")
        wait_for(lambda: len(sink.messages) == 2, what="the message for the known host")
        submit(host, "c@fresh.good.test")
        wait_for(lambda: len(sink.messages) == 3, seconds=50, what=lambda: host.log_text()[-3000:])
        assert "deferred" not in host.log_text(), "no slow destination had finished by then"


def test_a_client_with_mail_for_many_slow_destinations_delays_no_others(host, is_long):
    """More messages than may be in delivery at a time. Mail of other clients for this host, for a known host and for
    a new one goes out meanwhile."""
    port = free_port()
    with SilentAfterMx("127.0.0.2") as server, Sink("127.0.0.2", port) as sink:
        host.write_config(nameserver=server.address, remote_port=port, agents="20", lookup_timeout="2m",
                          trusted="127.0.0.1")
        host.write_aliases(f'program: "|cat >>{host.folder}/taken/it"\n')
        os.mkdir(os.path.join(host.folder, "taken"))
        os.chmod(os.path.join(host.folder, "taken"), 0o777)
        host.start()
        submit(host, "a@known.good.test")
        wait_for(lambda: len(sink.messages) == 1, what="the first message at its host")
        with host.smtp() as client:
            for i in range(5000 if is_long else 700):
                client.sendmail("a@many.test", [f"a@slow{i}.test"], b"Subject: slow\r\n\r\n")
        submit(host, local_user(), "program", subject="here")
        submit(host, "b@known.good.test")
        host.wait_for_mail(local_user(), b"Subject: here")
        wait_for(lambda: os.path.exists(os.path.join(host.folder, "taken", "it")), what=lambda: host.log_text()[-3000:])
        wait_for(lambda: len(sink.messages) == 2, what="the message for the known host")
        submit(host, "c@fresh.good.test")
        wait_for(lambda: len(sink.messages) == 3, seconds=60, what=lambda: host.log_text()[-3000:])
        assert "deferred" not in host.log_text(), "no slow destination had finished by then"


def test_a_delivery_without_greeting_ends_with_the_server(host):
    with StrictSink(silent=True) as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        submit(host, "a@elsewhere.test")
        agent, = wait_for_title(host, "delivering ")
        host.stop()
        wait_for(lambda: not is_alive(agent), what="its end")
        assert "deferred" not in host.log_text(), "this does not count as an attempt"
        assert len(host.queue()) == 1


def test_a_stop_waits_for_the_reply_to_a_complete_message(host):
    """The server is stopped between the final dot and the reply."""
    stopping = threading.Event()
    with Sink(on_message=lambda: stopping.wait(20)) as sink:
        host.write_config(relay_host=sink.endpoint)
        host.start()
        submit(host, "a@elsewhere.test")
        wait_for(lambda: sink.messages, what="the message at its host")
        agent, = wait_for_title(host, "delivering ")
        host.process.terminate()
        wait_for(lambda: "stopping" in host.log_text(), what="the stop")
        stopping.set()
        assert host.process.wait(30) == 0
        host.process = None
        wait_for(lambda: not is_alive(agent), what="the end of its dialogue")
        assert not host.spool_files(), "the delivery is recorded"
        assert len(sink.messages) == 1
