"""The owner of a domain chooses how slow its name servers and mail hosts are. Mail for it waits; mail for others does not."""
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


def test_a_domain_that_leads_on_and_on_is_asked_for_a_limited_number_of_times(host):
    """Twenty mail hosts, each an alias of an alias of an alias."""
    with SickNameServer("endless") as server:
        host.write_config(nameserver=server.address)
        host.start()
        submit(host, "a@endless.test")
        wait_for(lambda: "too many questions to DNS" in host.log_text(), what=lambda: host.log_text()[-2000:])
        assert 20 < server.asked <= 41


def test_all_questions_of_an_attempt_have_one_deadline(host):
    """A name server that never answers: the first question alone would take ten seconds."""
    with SickNameServer("silent") as server:
        host.write_config(nameserver=server.address, lookup_timeout="1s")
        host.start()
        submit(host, "a@silent.test")
        wait_for(lambda: "deferred to=<a@silent.test>" in host.log_text(), what=lambda: host.log_text()[-2000:])
        assert server.asked == 1


class Liar(UdpNameServer):
    """Domains below good.test have an address; of the others it names twenty mail hosts, and then says no more."""

    def __init__(self, address):
        self.good = address
        super().__init__()

    def answer(self, query):
        name, kind = question(query)
        if name.endswith("good.test"):
            return reply(query, 0, [record(A, socket.inet_aton(self.good))] if kind == A else [])
        return reply(query, 0, endless(MX)) if kind == MX else None


def test_slow_destinations_leave_processes_to_others(host):
    """Each of the slow ones takes a minute: half a dozen small messages would hold all processes for it. A destination
    that was quick before has one at once, a new one after those that turned out to be slow have given theirs back."""
    port = free_port()
    with Liar("127.0.0.2") as server, Sink("127.0.0.2", port) as sink:
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
        assert "deferred" not in host.log_text(), "no slow destination had come to its end by then"


def test_a_client_with_mail_for_many_slow_destinations_delays_no_others(host, is_long):
    """More messages than may be under way at a time. Mail of others for this host, for a host that is known and for one that
    is not goes out meanwhile."""
    port = free_port()
    with Liar("127.0.0.2") as server, Sink("127.0.0.2", port) as sink:
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
        assert "deferred" not in host.log_text(), "no slow destination had come to its end by then"


def test_a_delivery_that_got_nowhere_ends_with_the_server(host):
    with StrictSink(silent=True) as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        submit(host, "a@elsewhere.test")
        agent, = wait_for_title(host, "delivering ")
        host.stop()
        wait_for(lambda: not is_alive(agent), what="its end")
        assert "deferred" not in host.log_text(), "that is no attempt"
        assert len(host.queue()) == 1


def test_a_message_that_its_host_may_have_is_waited_for(host):
    """The server is stopped between the final dot and its answer, which comes after that."""
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
        assert not host.spool_files(), "it is noted that it was delivered"
        assert len(sink.messages) == 1
