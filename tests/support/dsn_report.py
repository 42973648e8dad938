"""A parser for delivery status notifications (RFC 3464)."""
import email


class Notice:
    """A report of a failure, a delay or a success."""

    def __init__(self, raw):
        self.message = email.message_from_bytes(raw)
        assert self.message.get_content_type() == "multipart/report", raw
        self.text, self.status, self.original = self.message.get_payload()
        assert self.status.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        self.host, *self.recipients = self._groups()

    def _groups(self):
        payload = self.status.get_payload()
        if self.status.get_content_type() == "message/delivery-status":
            return payload
        # The library does not know the type, and parses it as a message: header and body.
        return [email.message_from_string(group) for group in payload[0].as_string().strip().split("\n\n")]

    def actions(self):
        """Final recipient -> action."""
        return {one["Final-Recipient"].split("; ", 1)[1]: one["Action"] for one in self.recipients}

    def of(self, recipient):
        return next(one for one in self.recipients if one["Final-Recipient"].endswith(f"; {recipient}"))
