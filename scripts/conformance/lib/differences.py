"""The list of known differences, scripts/conformance/differences.toml, whose head says what an entry holds."""

import fnmatch
import tomllib

import suites

FIELDS = {"suite", "tests", "transport", "owner", "reason", "sometimes"}


class Difference:
    def __init__(self, entry):
        self.suite = entry["suite"]
        self.tests = entry["tests"]
        self.transport = entry.get("transport")
        self.owner = entry["owner"]
        self.reason = entry["reason"]
        self.sometimes = entry.get("sometimes", False)

    def covers(self, suite, transport, test):
        return (self.suite == suite and self.transport in (None, transport)
                and any(fnmatch.fnmatchcase(test, pattern) for pattern in self.tests))


def load(root):
    file = root / "scripts/conformance/differences.toml"
    try:
        entries = tomllib.loads(file.read_text()).get("difference", [])
    except (OSError, tomllib.TOMLDecodeError) as problem:
        raise suites.Problem(f"{file}: {problem}") from None
    for number, entry in enumerate(entries, 1):
        lacking = {"suite", "tests", "owner", "reason"} - entry.keys()
        if lacking or entry.keys() - FIELDS:
            wrong = ", ".join(sorted(lacking or entry.keys() - FIELDS))
            raise suites.Problem(f"{file}: entry {number}: {'lacks' if lacking else 'does not know'} {wrong}")
        if not (root / entry["owner"]).is_file():
            raise suites.Problem(f"{file}: entry {number}: there is no file {entry['owner']}")
    return [Difference(entry) for entry in entries]
