"""Runs the tests of one unit in this process and says in a file what became of each.

Arguments: the unit, the file to write to, a file with the names of tests to leave out. Each line that is written is a
word and the name of a test: RUN before it, then PASS, FAIL or SKIP; the last line is END.
"""

import os
import sys
import traceback
import unittest


LOCAL = ("test.test_socketserver",)
# Talks to the hypervisor, and waits for ever where that one does not answer.
LEFT_OUT = "ThreadedVSOCKSocketStreamTest"


class Told(unittest.TestResult):
    def __init__(self, file):
        super().__init__()
        self.file = file
        self.process = os.getpid()
        self.bad = set()

    def tell(self, word, test=""):
        # Children of a test may come out of it by an exception, into the code of the test runner.
        if os.getpid() == self.process:
            # Opened each time: a test may count descriptors or close all of them.
            with open(self.file, "a") as out:
                out.write(f"{word} {name_of(test)}\n")

    def failed(self, test, error):
        if id(test) not in self.bad:
            self.bad.add(id(test))
            self.tell("FAIL", test)
        print(f"FAIL {name_of(test)}", "".join(traceback.format_exception(*error)), sep="\n", file=sys.__stderr__,
              flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.tell("RUN", test)

    def addSuccess(self, test):
        self.tell("PASS", test)

    def addError(self, test, error):
        self.failed(test, error)

    def addFailure(self, test, error):
        self.failed(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.failed(test, error)

    def addSkip(self, test, reason):
        if id(test) not in self.bad:
            self.tell("SKIP", test)

    def addExpectedFailure(self, test, error):
        self.tell("SKIP", test)

    def addUnexpectedSuccess(self, test):
        self.tell("FAIL", test)


def name_of(test):
    return test.id().split("\n")[0].replace(" ", "") if test else ""


def wanted(suite, left_out):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from wanted(item, left_out)
        elif name_of(item) not in left_out and LEFT_OUT not in name_of(item):
            yield item


def main():
    unit, file, done = sys.argv[1:]
    # Tests look at their arguments, and start children with them.
    del sys.argv[1:]
    import test.support
    # Nothing that reaches out to the net, needs minutes of processor time or gigabytes of disk. Modules that ask for
    # the network before their first test and stay on this machine are LOCAL.
    test.support.use_resources = ["subprocess", "walltime"] + ["network"] * unit.startswith(LOCAL)
    test.support.verbose = 0
    with open(done) as lines:
        left_out = set(lines.read().split())
    told = Told(file)
    suite = unittest.TestSuite(wanted(unittest.defaultTestLoader.loadTestsFromName(unit), left_out))
    suite.run(told)
    told.tell("END")


if __name__ == "__main__":
    main()
