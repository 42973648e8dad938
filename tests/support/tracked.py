"""Messages with a token, which a test can find and check to the last octet."""
import hashlib
import mailbox
import random
import re

_TRACKED = re.compile(rb"^BEGIN (\S+)\n(.*?)^END \1 ([0-9a-f]{40})\n", re.MULTILINE | re.DOTALL)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_BEGIN = re.compile(rb"^BEGIN \S+\n", re.MULTILINE)
_END = re.compile(rb"^END \S+ [0-9a-f]{40}\n", re.MULTILINE)
#: Lines of messages are parts of it, since random octets take long to make.
_TEXT = bytes(random.Random(0).choices(b"abcdefghijklmnopqrstuvwxyz ", k=1 << 16))


def make(token, size=500, to="recipient", sender="sender@example.org"):
    """A message with LF line ends whose body has about `size` octets, with lines that mailboxes and SMTP must
    escape."""
    lines = [b"From here on: " + token.encode(), b".", b"..", b">From there", b""]
    choice = random.Random(token)
    length = 0
    while length < size:
        start = choice.randrange(len(_TEXT) - 900)
        lines.append(_TEXT[start:start + choice.randrange(20, 900)].strip())
        length += len(lines[-1])
    filler = b"".join(line + b"\n" for line in lines)
    checksum = hashlib.sha1(filler).hexdigest()
    return (f"From: {sender}\nTo: {to}\nSubject: {token}\nX-Token: {token}\n\nBEGIN {token}\n".encode() + filler
            + f"END {token} {checksum}\n".encode())


def for_smtp(text):
    return text.replace(b"\n", b"\r\n")


def complete(text):
    """The tokens of the complete messages in the text. It must not contain the end of a message without its
    beginning."""
    found = []
    for match in _TRACKED.finditer(text):
        if not _is_filler(match[2], match[3]) and not _is_filler(_QUOTED_FROM.sub(rb"\1", match[2]), match[3]):
            raise AssertionError(f"damaged on its way: {match[1]!r}: {match[0][:500]!r}…")
        found.append(match[1].decode())
    return found


def _is_filler(text, checksum):
    return hashlib.sha1(text).hexdigest() == checksum.decode()


class Tokens:
    """Tokens of the complete messages in a list of texts that grows; each text is checked once."""

    def __init__(self):
        self._found = []

    def of(self, texts):
        """A list of tokens for each text."""
        for text in texts[len(self._found):]:
            self._found.append(complete(text))
        return self._found


def in_mbox(path):
    """(token of each complete message, number of partial messages) as a mail reader sees the mailbox.

    A crash in the middle of an append leaves a partial message. It must stand alone: a mail reader that splits the
    file must find all other messages whole, and no part of them in the partial one.
    """
    tokens, partial = [], 0
    box = mailbox.mbox(path, create=False)
    for key in box.keys():
        text = box.get_bytes(key, from_=False).replace(b"\r\n", b"\n")
        text = text if text.endswith(b"\n") else text + b"\n"
        found = complete(text)
        begun, ended = len(_BEGIN.findall(text)), len(_END.findall(text))
        assert len(found) <= 1 and begun <= 1, f"one message swallowed another: {text[:300]!r}"
        assert len(found) == ended, f"the end of another message: {text[-300:]!r}"
        tokens += found
        partial += not found
    box.close()
    return tokens, partial
