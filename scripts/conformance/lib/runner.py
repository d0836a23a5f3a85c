"""Runs suites natively and under Sockhop, compares, prints, and keeps the results."""

import concurrent.futures
import datetime
import fnmatch
import json
import platform
import re
import subprocess
import time

import suites as suite_scripts
import units

TRANSPORTS = ("ring", "plain")


class Run:
    """One run of scripts/conformance.sh."""

    def __init__(self, root, known, program, library, chosen):
        self.root = root
        self.known = known
        self.program = program
        self.library = library
        self.chosen = chosen
        self.kept = root / "target/conformance"
        self.transports = [chosen.transport] if chosen.transport else list(TRANSPORTS)

    def log(self, suite, unit, way):
        return self.kept / "logs" / suite.name / f"{re.sub(r'[^A-Za-z0-9._-]', '_', unit)[:150]}.{way}"

    def all_units(self, suite, limits, way, sockhop, jobs):
        """Outcomes by unit. The longest begin first, as far as it is known, so that none is waited for at the end."""
        outcomes = {}
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            waiting = {pool.submit(units.run_unit, suite, unit, limit, self.log(suite, unit, way), sockhop): unit
                       for unit, limit in limits.items()}
            try:
                for done in concurrent.futures.as_completed(waiting):
                    unit = waiting[done]
                    outcomes[unit] = outcome = done.result()
                    if self.chosen.verbose:
                        bad = sum(verdict not in ("PASS", "SKIP") for verdict in outcome.verdicts.values())
                        print(f"  {way:9} {unit}: {len(outcome.verdicts)} tests, {bad} bad, {outcome.seconds:.1f} s"
                              f"{', ' + outcome.ended if outcome.ended else ''}", flush=True)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                units.end_all(units.RUN)
                raise
        return outcomes

    def native(self, suite, limits):
        """What the kernel answered, by unit: {"rounds": [verdicts, verdicts], "seconds": of the longer}."""
        file = self.kept / "native" / f"{suite.name}.json"
        key = f"{suite.version}; {platform.release()}"
        kept = json.loads(file.read_text()) if file.is_file() else {}
        remembered = kept.get("units", {}) if kept.get("key") == key else {}
        asked = {unit: limit for unit, limit in limits.items() if self.chosen.renew or unit not in remembered}
        if asked:
            rounds = [self.all_units(suite, asked, f"native-{number}", None, self.chosen.jobs) for number in (1, 2)]
            for unit in asked:
                outcomes = [outcomes[unit] for outcomes in rounds]
                remembered[unit] = {"rounds": [outcome.verdicts for outcome in outcomes],
                                    "seconds": max(outcome.seconds for outcome in outcomes)}
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({"key": key, "units": remembered}, indent=1))
        return {unit: remembered[unit] for unit in limits}

    def compare(self, suite, transport, limits, native):
        """How one transport did: what failed, by name, and what failed at first and passed when it was asked alone."""
        sockhop = units.Sockhop(self.program, self.library, transport)
        order = sorted(limits, key=lambda unit: -native[unit]["seconds"])
        outcomes = self.all_units(suite, {unit: limits[unit] for unit in order}, transport, sockhop, self.chosen.jobs)
        first = {unit: missed(native[unit], outcome) for unit, outcome in outcomes.items()}
        again = {unit: limits[unit] for unit, bad in first.items() if self.unexpected(suite, transport, bad)}
        second = self.all_units(suite, again, f"{transport}-2", sockhop, 1)
        failures, unsteady = {}, {}
        for unit, bad in first.items():
            repeated = missed(native[unit], second[unit]) if unit in second else bad
            for test, verdict in bad.items():
                # What hangs or crashes once is a defect, however seldom it does.
                lasting = test in repeated or verdict in ("HANG", "CRASH")
                (failures if lasting else unsteady)[test] = verdict
        return {"failures": failures, "unsteady": unsteady, "seconds": sum(o.seconds for o in outcomes.values())}

    def unexpected(self, suite, transport, bad):
        return [test for test in bad
                if not any(entry.covers(suite.name, transport, test) for entry in self.known)]

    def suite(self, suite):
        limits = suite.units(self.chosen.quick)
        limits = {unit: limit for unit, limit in limits.items() if fnmatch.fnmatchcase(unit, self.chosen.only)}
        if not limits:
            print(f"{suite.name} {suite.version}: no unit is wanted")
            return 0, 0
        begun = time.monotonic()
        native = self.native(suite, limits)
        tests = {test for unit in native.values() for verdicts in unit["rounds"] for test in verdicts}
        passes = {test for unit in native.values() for test in steady(unit)}
        once = {test for unit in native.values() for verdicts in unit["rounds"]
                for test, verdict in verdicts.items() if verdict == "PASS"} - passes
        result = {
            "suite": suite.name, "version": suite.version, "kernel": platform.release(), "revision": revision(self.root),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
            "units": len(limits), "tests": len(tests), "native_passes": len(passes), "native_unsteady": sorted(once),
            "transports": {},
        }
        print(f"{suite.name} {suite.version}: {len(tests)} tests, {len(passes)} pass natively"
              + (f", {len(once)} only once of twice" if once else ""), flush=True)
        passed = failed = 0
        for transport in self.transports:
            outcome = self.compare(suite, transport, limits, native)
            good, bad = self.judge(suite, transport, passes, outcome)
            passed, failed = passed + good, failed + bad
            result["transports"][transport] = outcome
        result["seconds"] = round(time.monotonic() - begun)
        whole = not self.chosen.quick and self.chosen.only == "*" and not self.chosen.transport
        folder = self.kept / ("results" if whole else "partial-results")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{suite.name}.json").write_text(json.dumps(result, indent=1) + "\n")
        return passed, failed

    def judge(self, suite, transport, passes, outcome):
        """Prints the differences; how many tests are as they should be, and how many not."""
        outcome["passes"] = len(passes) - len(outcome["failures"])
        print(f"{suite.name} {transport}: {outcome['passes']} of {len(passes)} pass", flush=True)
        entries = [entry for entry in self.known if entry.suite == suite.name and entry.transport in (None, transport)]
        bad = 0
        for test, verdict in sorted(outcome["failures"].items()):
            reason = next((entry.reason for entry in entries if entry.covers(suite.name, transport, test)), None)
            bad += reason is None
            print(f"  {verdict} {test}" + (f" (known: {reason})" if reason else ""))
        for test, verdict in sorted(outcome["unsteady"].items()):
            print(f"  {verdict} at first, PASS when asked alone: {test}")
        for entry in entries:
            met = [test for test in passes if entry.covers(suite.name, transport, test)]
            stale = [test for test in met if test not in outcome["failures"] and test not in outcome["unsteady"]]
            if stale and not entry.sometimes:
                bad += len(stale)
                for test in sorted(stale):
                    print(f"  PASS {test}, which differences.toml calls a difference; take it off")
        return len(passes) - bad, bad


def steady(unit):
    """The tests that passed natively each time."""
    first, second = unit["rounds"]
    return {test for test, verdict in first.items() if verdict == "PASS" and second.get(test) == "PASS"}


def missed(unit, outcome):
    """What passed natively and did not here. A test without a verdict has failed: its unit ended too early."""
    silent = "HANG" if outcome.ended.startswith("HANG") else "FAIL"
    verdicts = {test: outcome.verdicts.get(test, silent) for test in steady(unit)}
    return {test: verdict for test, verdict in verdicts.items() if verdict != "PASS"}


def revision(root):
    done = subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip()


def run(root, wanted, known, program, library, chosen):
    """Status 0 if everything is as it should be."""
    suite_scripts.install(wanted)
    this = Run(root, known, program, library, chosen)
    passed = failed = 0
    for suite in wanted:
        suite.fetch()
        good, bad = this.suite(suite)
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1
