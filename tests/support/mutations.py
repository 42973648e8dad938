"""Mutated dialogues: the client's side of tests/dialogue and of real clients, changed at random, but always the same
for the same seed."""
import glob
import os
import re

from host import TOP

REAL = [
    b"EHLO client.test\r\nMAIL FROM:<alice@far.test> SIZE=200 BODY=8BITMIME\r\nRCPT TO:<bob@elsewhere.test>\r\n"
    b"DATA\r\nFrom: alice@far.test\r\nTo: bob@elsewhere.test\r\nSubject: relayed\r\n\r\n..dot\r\nline\r\n.\r\nQUIT\r\n",
    b"HELO client.test\r\nMAIL FROM:<>\r\nRCPT TO:<alice@host.test>\r\nDATA\r\nSubject: here\r\n\r\nhello\r\n.\r\n"
    b"MAIL FROM:<a@far.test>\r\nRCPT TO:<bob@host.test>\r\nRCPT TO:<carol@elsewhere.test>\r\n"
    b"DATA\r\n\r\nx\r\n.\r\nQUIT\r\n",
    b"EHLO [192.0.2.7]\r\nMAIL FROM:<a@far.test>\r\nRCPT TO:<b@elsewhere.test>\r\nDATA\r\nSubject: s\r\n\r\n"
    b"first\n.\nMAIL FROM:<smuggler@far.test>\nRCPT TO:<victim@elsewhere.test>\nDATA\nSubject: smuggled\n\nx\n.\n"
    b"\r\n.\r\n",
    b"EHLO c\r\nRSET\r\nNOOP\r\nVRFY alice\r\nHELP\r\nMAIL FROM:<\"a b\"@far.test>\r\n"
    b"RCPT TO:<@x,@y:z@elsewhere.test>\r\nRCPT TO:<postmaster>\r\nDATA\r\n\xff\xfe\0\r\n.\r\nQUIT\r\n",
]
LINE_ENDS = [b"\r", b"\n", b"\r\n", b"\r\r\n", b"\n\r", b"\r\n.\r\n", b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r"]
PIECES = LINE_ENDS + [b"\0", b"\xff", b" ", b"<", b">", b"@", b":", b"\"", b"\\", b"%", b"!", b",", b";", b"\t",
                      b"a" * 600, b"a" * 3000, b"9" * 30, b"DATA\r\n", b"RSET\r\n", b"QUIT\r\n", b"MAIL FROM:<>\r\n",
                      b"RCPT TO:<bob@elsewhere.test>\r\n", b"EHLO x\r\n"]


def _unescaped(text):
    text = re.sub(r"\{(.*?)\*(\d+)\}", lambda m: m[1] * int(m[2]), text)
    return text.encode("latin-1", "replace").decode("unicode_escape").encode("latin-1")


def dialogues():
    """The client's side of each dialogue."""
    found = list(REAL)
    for path in sorted(glob.glob(os.path.join(TOP, "tests", "dialogue", "*.txt"))):
        said = b""
        with open(path, encoding="utf-8") as file:
            for line in file.read().splitlines():
                if line.startswith("C:"):
                    said += _unescaped(line[3:]) + b"\r\n"
                elif line.startswith("c:"):
                    said += _unescaped(line[3:])
        if said:
            found.append(said[:20_000])
    return found


def _flip(rng, text):
    at = rng.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << rng.randrange(8))]) + text[at + 1:]


def _insert(rng, text):
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(PIECES) + text[at:]


def _remove(rng, text):
    at = rng.randrange(len(text))
    return text[:at] + text[at + rng.randrange(1, 20):]


def _line_end(rng, text):
    ends = [match.start() for match in re.finditer(rb"\r\n", text)]
    if not ends:
        return text
    at = rng.choice(ends)
    return text[:at] + rng.choice(LINE_ENDS) + text[at + 2:]


def _shuffle(rng, text):
    lines = text.splitlines(True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _cut(rng, text):
    return text[:rng.randrange(len(text)) + 1]


def mutated(rng, known):
    text = rng.choice(known)
    if rng.random() < 0.2:
        text = text[:rng.randrange(len(text))] + rng.choice(known)
    for _ in range(rng.randrange(6)):
        if text:
            text = rng.choice([_flip, _insert, _insert, _remove, _line_end, _line_end, _shuffle, _cut])(rng, text)
    return text
