"""Messages that a host has accepted, and a check that each of them arrives once."""
import os
import smtplib

import tracked
from host import wait_for


class Sender:
    """Sends messages with different tokens, and records which of them were accepted."""

    def __init__(self, host):
        self.host = host
        self.accepted = []
        self.count = 0

    def smtp(self, to="alice@host.test", size=500):
        """The code of the reply: 2yz or 4yz. Fails for 5yz and for no reply."""
        self.count += 1
        token = f"message-{self.count}"
        text = tracked.for_smtp(tracked.make(token, size, to=to))
        try:
            with self.host.smtp() as client:
                client.sendmail("sender@example.org", [to], text)
        except smtplib.SMTPRecipientsRefused as refused:
            code, reply = refused.recipients[to]
        except smtplib.SMTPResponseException as refused:
            code, reply = refused.smtp_code, refused.smtp_error
        else:
            self.accepted.append(token)
            return 250
        assert 400 <= code < 500, f"a failure of the server was reported as {code} {reply}\n{self.host.log_text()[-2000:]}"
        return code

    def sendmail(self, to="alice@host.test", size=500):
        """The exit status of sendmail -t."""
        self.count += 1
        token = f"message-{self.count}"
        done = self.host.run("sendmail", "-i", "-f", "sender@example.org", to,
                             input=tracked.make(token, size, to=to))
        if done.returncode == 0:
            self.accepted.append(token)
        else:
            assert done.returncode in (71, 73, 74, 75), (done.returncode, done.stderr)
            assert done.stderr
        return done.returncode

    def all_arrive(self, user="alice", seconds=40):
        expected = sorted(self.accepted)
        wait_for(lambda: len(self._tokens(user)) >= len(expected), seconds,
                 lambda: f"{expected}, got {sorted(self._tokens(user))}\n{self.host.log_text()[-3000:]}")
        self.host.wait_for_empty_queue()
        assert sorted(self._tokens(user)) == expected

    def all_arrive_at(self, sink, seconds=40):
        def tokens():
            return sorted(t for one in list(sink.transactions)
                          for t in tracked.complete(one.data.replace(b"\r\n", b"\n")))
        expected = sorted(self.accepted)
        wait_for(lambda: len(tokens()) >= len(expected), seconds,
                 lambda: f"{expected}, got {tokens()}\n{self.host.log_text()[-3000:]}")
        self.host.wait_for_empty_queue()
        assert tokens() == expected

    def _tokens(self, user):
        path = self.host.mailbox_path(user)
        return tracked.in_mbox(path)[0] if os.path.isfile(path) and os.path.getsize(path) else []
