"""A crash at any step does not change a message twice, or half: filters see a submission, or what a client sends again, as it
was."""
import os

import pytest

from faults import KILL
from scripted_filter import ACCEPT, Filter, add_field, insert_field, packet
from test_faults import bench, disturb, long_way, submission  # noqa: F401

FIELDS = (b"\nX-Above: once\n", b"\nX-Below: once\n")


@pytest.mark.parametrize("way", [submission, long_way])
def test_a_message_is_changed_once_wherever_a_crash_falls(bench, folder, way):  # noqa: F811
    asked = Filter(os.path.join(folder, "filter"),
                   answers={"E": insert_field(1, "X-Above", "once") + add_field("X-Below", "once") + packet(ACCEPT)})
    made = bench(filter=asked.path)
    made.traces = False
    made.host.start()
    steps, _ = disturb(made, way, 500, KILL)
    assert steps >= 3, "the faults are at other steps than expected"
    texts = [b"\n" + text.replace(b"\r\n", b"\n") for _, _, text in made.sink.messages]
    if way is submission:
        texts = [b"\n" + text for text in made.host.mailbox(made.user).split(b"\nFrom ")]
    assert len(texts) >= steps
    for text in texts:
        assert [text.count(field) for field in FIELDS] == [1, 1], text
    asked.close()
