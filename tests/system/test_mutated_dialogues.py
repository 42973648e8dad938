"""Mutated dialogues, 2,000 or 10,000 with --long, neither stop the server nor make it send a message with a line
end that some host takes for another."""
import os
import random
import re
import socket
import threading

from host import local_user, wait_for
from mutations import dialogues, mutated
from processes import helpers
from strict_sink import StrictSink

AT_A_TIME = 12
SEED = int(os.environ.get("SEED", "1"))


def converse(port, rng, text):
    """Sends the text in pieces, and reads all replies."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            if rng.random() < 0.9:
                connection.recv(4096)
            while text:
                size = rng.choice([len(text), len(text), rng.randrange(1, len(text) + 1)])
                connection.sendall(text[:size])
                text = text[size:]
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except TimeoutError:
            raise
        except OSError:  # the server has closed
            pass


def talk(port, seed, count, failures):
    rng, known = random.Random(seed), dialogues()
    for _ in range(count):
        text = mutated(rng, known)
        try:
            converse(port, rng, text)
        except Exception as why:  # the report of a failure includes the dialogue
            failures.append((why, text))
            return


def pids(host):
    return host.process.pid, helpers(host, "listener"), helpers(host, "queue runner"), helpers(host, "spawner")


def test_mutated_dialogues_leave_the_server_serving(host, is_long):
    count = 10_000 if is_long else 2000
    with StrictSink() as sink:
        host.write_config(clients="200", relay_host=f"127.0.0.1:{sink.port}", size="1m", retry="1s")
        host.start()
        before, failures = pids(host), []
        threads = [threading.Thread(target=talk, args=(host.port, f"{SEED}-{n}", count // AT_A_TIME + 1, failures))
                   for n in range(AT_A_TIME)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == [], f"SEED={SEED}"
        assert pids(host) == before
        with host.smtp() as client:
            client.sendmail("a@far.test", [f"{local_user()}@host.test", "last@elsewhere.test"],
                            "Subject: the last one\n\nx")
        host.wait_for_mail(local_user(), b"the last one")
        wait_for(lambda: any("last@elsewhere.test" in t.recipients for t in sink.transactions), 60,
                 lambda: f"the last one at the next host; log: {host.log_text()[-3000:]}")
        strange = re.findall(r".*: (?:crash|error|no-session-process|client-lost|helper-ended) .*", host.log_text())
        assert strange == [], f"SEED={SEED}: {strange[:10]}"
        assert sink.violations == [], f"SEED={SEED}"
        assert len(sink.transactions) > count // 100, "too few messages were relayed"
        print(f"\n    {count} dialogues, {len(sink.transactions)} messages sent on", end="")


# Sequences that some host takes for the end of a message.
ENDS_FOR_SOME = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r\n\0.\r\n",
                 b"\r\n.\0\r\n", b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n.\r\r\n"]
SMUGGLED = b"MAIL FROM:<smuggler@far.test>EOLRCPT TO:<victim@elsewhere.test>EOLDATAEOLSubject: smuggledEOLEOLxEOL.EOL"


def test_no_command_is_smuggled_in_a_message(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        count = 0
        for end in ENDS_FOR_SOME:
            for line_end in (b"\n", b"\r"):
                count += 1
                evil = end + SMUGGLED.replace(b"EOL", line_end)
                replies = host.dialogue("EHLO client.test", "MAIL FROM:<honest@far.test>",
                                        f"RCPT TO:<r{count}@elsewhere.test>", "DATA",
                                        b"Subject: outside\r\n\r\nfirst" + evil + b"\r\n.\r\n", "QUIT")
                # Accepted as one message or refused, and no line of it was taken for a command.
                assert replies[-2][:3] in ("250", "550", "554", "500", "521"), (end, replies)
                assert replies[-1].startswith("221"), (end, replies)
        host.wait_for_empty_queue()
        assert sink.violations == []
        senders = {t.sender for t in sink.transactions}
        assert senders <= {"honest@far.test"} and sink.transactions
        assert not any("victim" in one for t in sink.transactions for one in t.recipients)
