"""The vocabulary of the log, as postoffice-log(5) has it, and whether lines accord with it."""
import json
import os
import re

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "man", "postoffice-log.5")
FIXED = {"time", "tag", "pid", "level", "id", "event"}
VALUE = r'(?:"[^"]*"|[^" =]*)'
LINE = re.compile(rf"\S+ \S+?\[\d+\]: (?:(?P<id>\w+): )?(?P<event>[a-z-]+)(?P<fields>(?: [a-z-]+={VALUE})*)")


def events(levels=None):
    """Each event with its keys in order; with `levels`, those that have one of them."""
    with open(PAGE) as page:
        items = re.findall(r"^\.It Ic (\S+) Pq (\w+)(?: : Cm (.*))?$", page.read(), re.M)
    return {name: keys.split() for name, level, keys in items if not levels or level in levels}


def parse(line):
    """The fields of a line of either form in order, its id as "id" and its event as "event"; None for what is neither."""
    if line.startswith("{"):
        return json.loads(line)
    parts = LINE.fullmatch(line)
    if not parts:
        return None
    fields = {key: value.strip('"') for key, value in re.findall(rf" ([a-z-]+)=({VALUE})", parts["fields"])}
    return {**fields, "event": parts["event"], **({"id": parts["id"]} if parts["id"] else {})}


def strange_lines(text):
    """Those that are not as the manual says. Records of mailaudit(5) are not looked at, nor a line that is being written."""
    known = events()
    found = []
    for line in text.split("\n")[:-1]:
        if ": AUDIT:" in line:
            continue
        parsed = parse(line)
        if parsed is None or [key for key in parsed if key not in FIXED] != \
                [key for key in known.get(parsed["event"], []) if key in parsed]:
            found.append(line)
    return found
