"""A filter that misbehaves at one stage of a session, in one of the ways that a broken filter has, and works otherwise."""
import socket
import time

from scripted_filter import ACCEPT, GO_ON, Filter, add_field, packet

STAGES = {"connect": "C", "helo": "H", "mail": "M", "rcpt": "R", "data": "T", "header": "L", "end of header": "N",
          "body": "B", "end of message": "E", "negotiation": "O"}
HALF_OF_THE_CHANGES = add_field("X-Half", "done") + packet(b"b", b"half\r\n") + packet(b"+", b"<root@host.test>\0")
PIECES = 400  # of a slow answer, which no server waits for


def wait_until_left(connection):
    while connection.recv(65536):
        pass
    raise ConnectionError("the server has left")


def say(octets):
    def misbehave(connection):
        connection.sendall(octets)
        wait_until_left(connection)
    return misbehave


def say_and_die(octets):
    def misbehave(connection):
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionError("dead")
    return misbehave


def drip(connection):
    for octet in packet(b"h", b"x" * PIECES):
        connection.sendall(bytes([octet]))
        time.sleep(0.05)


MISBEHAVIOURS = {
    "silence": say(b""),
    "garbage": say(b"220 mail.example ESMTP\r\n"),
    "an unknown answer": say(packet(b"Z")),
    "half a packet": say_and_die(b"\0\0\0\5h"),
    "a length of 0": say(b"\0\0\0\0"),
    "a length of 2^32-1": say(b"\xff\xff\xff\xffc"),
    "a change before the end": say(add_field("X-Half", "early") + packet(GO_ON)),
    "death": say_and_die(b""),
    "a slow drip": drip,
    "10,000 fields": say(add_field("X-Half", "one of many") * 10_000 + packet(GO_ON)),
}


class FailingFilter(Filter):
    """`case_of(session)`: a pair of names in STAGES and MISBEHAVIOURS, or None for a session in which the filter works:
    it adds a field, and goes on. It hears of the queue id, as the macro i, at connect."""

    def __init__(self, path, case_of):
        super().__init__(path, answers={"E": add_field("X-Filtered", "yes") + packet(GO_ON)}, macros="i")
        self.case_of = case_of

    def respond(self, connection, session):
        case = self.case_of(session)
        if case is None or session[-1][0] != STAGES[case[0]]:
            return super().respond(connection, session)
        if case[0] == "end of message":
            # A change is in its order here, unless the verdict stands in front of it.
            connection.sendall((packet(ACCEPT) if case[1] == "a change before the end" else b"") + HALF_OF_THE_CHANGES)
        MISBEHAVIOURS[case[1]](connection)
