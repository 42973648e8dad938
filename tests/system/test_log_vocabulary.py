"""The sources write the events of postoffice-log(5), with the fields that it has for them."""
import glob
import os
import re

import log_reference
from host import TOP


def sources():
    for path in glob.glob(os.path.join(TOP, "src", "**", "*.cc"), recursive=True) + \
            glob.glob(os.path.join(TOP, "src", "**", "*.h"), recursive=True):
        with open(path) as file:
            yield path, file.read()


def calls(text):
    """What stands in the parentheses of each call that writes an event."""
    for call in re.finditer(r"\b(?:log_event|write_record|log)\(", text):
        depth, end = 1, call.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text[call.end():end - 1]


def test_each_event_of_the_manual_is_written_somewhere():
    text = "".join(text for _, text in sources())
    assert [name for name in log_reference.events() if f'"{name}"' not in text] == []


def test_a_call_has_the_fields_of_its_event_in_their_order():
    """The compiler knows the names of events and keys, but not which belong together."""
    events = log_reference.events()
    seen = 0
    for path, text in sources():
        for call in calls(text):
            names = [name for name in re.findall(r'(?<!\{)"([a-z-]+)"', call) if name in events]
            keys = re.findall(r'\{"([a-z-]+)",', call)
            for name in names:
                seen += 1
                assert keys == [key for key in events[name] if key in keys], (path, call)
    assert seen > 80, "the calls are not found"
