"""Speaks SMTP with a server and shows both sides: os/dialogue.py ADDRESS PORT, the client's lines on standard input.

A command goes out when the reply to the one before is there, as RFC 5321 has it; what follows DATA goes out as one
message, up to a line with a single dot. Exit status 0 if the dialogue came to its end, whatever the replies were.
"""
import os
import socket
import sys

IN_COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb"


def show(side, text, colour):
    print(f"    \033[{colour}m{side}\033[0m {text}" if IN_COLOUR else f"    {side} {text}", flush=True)


def read_reply(stream):
    while True:
        line = stream.readline().decode(errors="replace").rstrip("\r\n")
        if not line:
            sys.exit("the server hung up")
        show("S:", line, 32 if line[0] in "23" else 31)
        if line[3:4] != "-":
            return line


def main():
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30) as connection:
        stream = connection.makefile("rb")
        read_reply(stream)
        in_message = False
        for line in sys.stdin.read().splitlines():
            show("C:", line, 36)
            connection.sendall(line.encode() + b"\r\n")
            if in_message and line != ".":
                continue
            in_message = read_reply(stream).startswith("354")


main()
