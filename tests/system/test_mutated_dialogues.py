"""Ten thousand dialogues that went wrong leave a server that serves; and nothing that they make us send on has a line
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

DIALOGUES = 10_000
AT_A_TIME = 12
SEED = int(os.environ.get("SEED", "1"))


def converse(port, rng, text):
    """Says all of it, in some pieces, and hears what there is to hear."""
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
        except Exception as why:  # whatever it is, the dialogue belongs to it
            failures.append((why, text))
            return


def pids(host):
    return host.process.pid, helpers(host, "listener"), helpers(host, "queue runner"), helpers(host, "spawner")


def test_dialogues_that_went_wrong(host):
    with StrictSink() as sink:
        host.write_config(clients="200", relay_host=f"127.0.0.1:{sink.port}", size="1m", retry="1s")
        host.start()
        before, failures = pids(host), []
        threads = [threading.Thread(target=talk, args=(host.port, f"{SEED}-{n}", DIALOGUES // AT_A_TIME + 1, failures))
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
        assert len(sink.transactions) > 100, "hardly anything was sent on"
        print(f"\n    {DIALOGUES} dialogues, {len(sink.transactions)} messages sent on", end="")


# What some host or other has taken for the end of a message.
ENDS_FOR_SOME = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r\n\0.\r\n",
                 b"\r\n.\0\r\n", b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n.\r\r\n"]
SMUGGLED = b"MAIL FROM:<smuggler@far.test>EOLRCPT TO:<victim@elsewhere.test>EOLDATAEOLSubject: smuggledEOLEOLxEOL.EOL"


def test_nothing_is_smuggled_through(host):
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
                # Taken as one message or not at all, and nothing in it was a command.
                assert replies[-2][:3] in ("250", "550", "554", "500", "521"), (end, replies)
                assert replies[-1].startswith("221"), (end, replies)
        host.wait_for_empty_queue()
        assert sink.violations == []
        senders = {t.sender for t in sink.transactions}
        assert senders <= {"honest@far.test"} and sink.transactions
        assert not any("victim" in one for t in sink.transactions for one in t.recipients)
