"""Files in the homes of the accounts of the tests."""
import os
import shutil

import pytest

from accounts import PEOPLE

UIDS = {name: uid for name, uid, _ in PEOPLE if name != "postoffice"}


def home_file(user, name, text, mode=0o600, owner=None):
    """Writes a file that belongs to the user, or to `owner`; its path."""
    path = f"/home/{user}/{name}"
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    uid = UIDS[owner or user]
    os.chown(path, uid, uid)
    return path


def content(path):
    """The octets of a file; none if it does not exist, or is no regular file (a FIFO would block)."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def clear_homes():
    """Homes are empty again, with their owner and mode."""
    for user, uid in UIDS.items():
        home = f"/home/{user}"
        os.chmod(home, 0o750)
        os.chown(home, uid, uid)
        for entry in os.scandir(home):
            _remove(entry.path)


def names_in_homes():
    """{home: names in it}."""
    return {home: set(os.listdir(home)) for home in (f"/home/{user}" for user in UIDS)}


def remove_from_homes(kept):
    """Removes all whose names are not in `kept`, which is of names_in_homes()."""
    for home, names in names_in_homes().items():
        for name in names - kept[home]:
            _remove(os.path.join(home, name))


def _remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


@pytest.fixture(autouse=True)
def clean_homes():
    """For each test of a module that imports it."""
    yield
    clear_homes()
