"""Our parsers and policies agree with published collections of cases, except where a table gives the reason."""
import xml.etree.ElementTree

import pytest

from foreign import Asker, SuiteZone, suite

# The case: (our answer, the reason). So far there is no difference.
OTHER_SPF_RESULTS = {}


def spf_scenarios():
    yaml = pytest.importorskip("yaml", reason="NEEDS python3-yaml")
    with open(suite("rfc7208-tests.yml"), encoding="utf-8") as file:
        return [scenario for scenario in yaml.safe_load_all(file) if scenario]


def test_spf_results_agree_with_the_suite_for_rfc_7208():
    """Explanations (exp=) are checked as syntax only, since no client is refused for its SPF result."""
    different, count = [], 0
    with Asker() as ask, SuiteZone() as server:
        for scenario in spf_scenarios():
            server.load(scenario["zonedata"])
            for name, case in scenario["tests"].items():
                local_part, _, domain = case["mailfrom"].rpartition("@")
                ours = ask("spf", server.address, case["host"], case["helo"], local_part, domain)
                wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
                expected = [OTHER_SPF_RESULTS[name][0]] if name in OTHER_SPF_RESULTS else wanted
                count += 1
                if ours not in expected:
                    different.append(f"{name}: {ours}, not {' or '.join(expected)}")
    assert count > 200 and not different, "\n".join(different)


# Whether a path of SMTP and a To field with such an address are accepted, by the category of the case.
TAKEN = {
    "ISEMAIL_VALID_CATEGORY": (True, True),
    "ISEMAIL_DNSWARN": (True, True),
    "ISEMAIL_RFC5321": (True, True),
    "ISEMAIL_CFWS": (False, True),
    "ISEMAIL_DEPREC": (False, True),
    "ISEMAIL_RFC5322": (False, False),
    "ISEMAIL_ERR": (False, False),
}
UNQUALIFIED = "in a header field and on a command line a name without a domain is one of this host"
FINAL_DOT = "the dot at the end of a domain is the root of the DNS"
EMPTY = "an empty name would be taken for the null path, and no mailbox has one"
QUOTED_PARTS = "quotes around a part of a name change nothing (RFC 5322 section 4.4), also in the envelope"
CONTROL = "control characters, which only the obsolete syntax has, are refused everywhere"
LENGTH = "the limit is for the name as it is sent on, without needless backslashes"
ONE_GROUP = "\"::\" for a single group is an address for inet_pton(3) and for RFC 4291"
LINE_ENDS = "the body of a field comes as it was folded: line ends count as blanks, wherever they stand"
UTF8 = "characters beyond ASCII may stand in names (RFC 6531, RFC 6532)"
# The number of the case: (path, field, the reason).
OTHER_ADDRESSES = {
    2: (False, True, UNQUALIFIED),
    18: (False, True, UNQUALIFIED),
    35: (True, True, FINAL_DOT),
    43: (False, False, EMPTY),
    54: (True, True, QUOTED_PARTS),
    56: (True, True, QUOTED_PARTS),
    60: (True, True, LENGTH),
    71: (True, True, ONE_GROUP),
    160: (True, True, UTF8),
    **{number: (False, False, CONTROL) for number in (58, 124, 125, 134, 138, 139)},
    **{number: (False, True, LINE_ENDS) for number in (99, 127, 128, 129, 130, 131, 132, 135, 141, 142, 143, 145, 146, 147,
                                                       150, 151, 152, 154, 155, 156)},
}


def isemail_cases():
    tree = xml.etree.ElementTree.parse(suite("isemail-tests.xml"))
    for case in tree.getroot().iter("test"):
        text = case.findtext("address") or ""
        # U+2400 and the characters after it stand for control characters, which XML cannot have.
        octets = "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) < 0x2420 else c for c in text).encode()
        yield int(case.get("id")), case.findtext("category"), octets


def test_addresses_agree_with_the_isemail_collection():
    different, count = [], 0
    with Asker() as ask:
        for number, category, text in isemail_cases():
            ours = tuple(ask(question, text).startswith("ok ") for question in ("path", "field"))
            expected = OTHER_ADDRESSES[number][:2] if number in OTHER_ADDRESSES else TAKEN[category]
            count += 1
            if ours != expected:
                answers = [ask(question, text) for question in ("path", "field")]
                different.append(f"{number} {category} {text!r}: {ours}, not {expected}: {answers}")
            # A lenient reading always gives a single address, and writes it in the standard form.
            lenient = ask("lenient", text)
            if lenient.startswith("ok "):
                again = ask("path", lenient.removeprefix("ok "))
                if again != lenient:
                    different.append(f"{number} {text!r}: {lenient}, and then {again}")
    assert count > 150 and not different, "\n".join(different)
