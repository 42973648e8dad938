"""Mail to users with delivery files: sent by SMTP, refused at RCPT, or in a file that a delivery file names."""
import smtplib

import pytest

from homes import content
from host import wait_for

TEXT = b"From: sender@example.org\r\nSubject: %s\r\n\r\nFrom here on\r\nthe end\r\n"


def send(host, to, subject=b"hello", sender="sender@example.org"):
    with host.smtp() as client:
        return client.sendmail(sender, to if isinstance(to, list) else [to], TEXT % subject)


def refusal(host, to):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(host, to)
    return next(iter(refused.value.recipients.values()))


def waits(host, path, text):
    return wait_for(lambda: text in content(path) and content(path), 20,
                    lambda: f"{text!r} in {path}: {content(path)!r}\n{host.log_text()[-3000:]}")
