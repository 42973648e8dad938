"""Each destination gets its turn in the queue, however much mail others have and however slow they are."""
import contextlib
import re
import threading

from host import free_port, wait_for
from sink import Sink


def submit(host, *recipients, subject="one"):
    host.run("sendmail", "-i", *recipients, input=f"Subject: {subject}\n\n".encode(), check=True)


def test_a_destination_that_waited_for_a_process_gets_one(host):
    """Another destination uses all of agents= when the mail arrives, and no other event comes after that."""
    port = free_port()
    busy = threading.Event()
    go_on = threading.Event()

    def slow(address):
        busy.set()
        go_on.wait(30)
        return "250 2.1.5 OK"

    host.write_config(agents="1", remote_port=port)
    with Sink("127.0.0.2", port, slow) as first, Sink("127.0.0.3", port) as second:
        host.start()
        submit(host, "a@[127.0.0.2]")
        assert busy.wait(20)
        submit(host, "b@[127.0.0.3]")
        wait_for(lambda: len(host.queue()) == 2, what="the second message in the queue")
        go_on.set()
        wait_for(lambda: first.messages, what="the first message at its host")
        wait_for(lambda: second.messages, what=lambda: "the second message at its host; " + host.log_text()[-2000:])
        host.wait_for_empty_queue()


def test_a_destination_with_much_mail_does_not_delay_others(host):
    """One process for all, and a hundred messages for one host: a later message for another host does not wait for
    all of them."""
    port = free_port()
    host.write_config(agents="1", remote_port=port)
    go_on = threading.Event()
    before = []  # how many messages the first host had when the second got its own
    with (Sink("127.0.0.2", port, lambda address: go_on.wait(30) and "250 2.1.5 OK") as first,
          Sink("127.0.0.3", port, lambda address: before.append(len(first.messages)) or "250 2.1.5 OK")):
        host.start()
        for i in range(100):
            submit(host, "a@[127.0.0.2]", subject=str(i))
        submit(host, "b@[127.0.0.3]")
        wait_for(lambda: len(host.queue()) == 101, what="all in the queue")
        go_on.set()
        host.wait_for_empty_queue()
        assert len(first.messages) == 100
        assert before and before[0] < 100


def test_one_process_delivers_to_many_hosts(host):
    """A process that has nothing to do takes the mail of another destination; each host gets its own."""
    port = free_port()
    addresses = [f"127.0.0.{n}" for n in range(2, 8)]
    host.write_config(agents="1", remote_port=port)
    with contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(Sink(address, port)) for address in addresses]
        host.start()
        for subject in ("one", "two"):
            for address in addresses:
                submit(host, f"bob@[{address}]", subject=subject)
        host.wait_for_empty_queue()
        for address, sink in zip(addresses, sinks):
            assert [to for _, to, _ in sink.messages] == [(f"bob@[{address}]",)] * 2
    processes = set(re.findall(r"postoffice\[(\d+)\]: \S+ delivered ", host.log_text()))
    assert len(processes) == 1, processes
