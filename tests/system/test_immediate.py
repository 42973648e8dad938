"""With immediate=0, mail for other hosts waits for a queue run, and local mail does not wait."""
import os

from host import local_user, wait_for
from smtp_clients import send
from strict_sink import StrictSink


def test_mail_for_other_hosts_waits_for_a_queue_run(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", immediate="0")
        host.start()
        send(host, b"waits", "you@elsewhere.test")
        # Mail that comes later and is delivered shows that the daemon had time for the first.
        host.run("sendmail", local_user(), input=b"Subject: local\n\n", check=True)
        host.wait_for_mail(local_user(), b"Subject: local")
        assert len(host.queue()) == 1 and not sink.transactions
        host.run("runq", check=True)
        wait_for(lambda: sink.transactions, what="delivery by the queue run")
        host.wait_for_empty_queue()


def test_local_recipients_of_the_same_message_do_not_wait(host):
    with StrictSink() as sink:
        path = os.path.join(host.folder, "open", "kept")
        os.mkdir(os.path.dirname(path))
        os.chmod(os.path.dirname(path), 0o1777)
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", immediate="0")
        host.write_aliases(f'tool: "|cat >{path}"\n')
        host.start()
        host.run("sendmail", local_user(), "tool", "you@elsewhere.test", input=b"Subject: for all\n\n", check=True)
        host.wait_for_mail(local_user(), b"Subject: for all")
        wait_for(lambda: os.path.exists(path), what=host.log_text)
        wait_for(lambda: [entry["queue_name"] for entry in host.queue()] == ["incoming"], what="the rest in the queue")
        assert not sink.transactions
        assert b"next with the next queue run" in host.run("mailq", "-v").stdout
        host.run("runq", check=True)
        wait_for(lambda: sink.transactions, what="delivery by the queue run")
        host.wait_for_empty_queue()
        assert host.mailbox(local_user()).count(b"Subject: for all") == 1


def test_one_message_can_be_sent_by_its_id(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", immediate="0")
        host.start()
        for number in range(2):
            send(host, b"waits", f"you{number}@elsewhere.test")
        chosen = host.queue()[1]["queue_id"]
        host.run("sendmail", "-M", chosen, check=True)
        wait_for(lambda: len(host.queue()) == 1, what=host.log_text)
        assert host.queue()[0]["queue_id"] != chosen and len(sink.transactions) == 1


def test_the_daemon_runs_the_queue_at_the_interval_of_q(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", immediate="0")
        host.start("-q1s")
        send(host, b"waits", "you@elsewhere.test")
        wait_for(lambda: sink.transactions, what="delivery by the queue run")
        host.wait_for_empty_queue()
