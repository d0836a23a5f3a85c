#!/usr/bin/env python3
"""Runs the scripts in this directory natively and under Sockhop in turn; see scripts/programs.sh --help."""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
JSON = ROOT / "docs" / "programs.json"

# Seconds for one run of a script.
LIMIT_QUICK, LIMIT = 60, 100
ARMS = ("native", "sockhop")


def arguments():
    p = argparse.ArgumentParser(prog="scripts/programs.sh")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--figures", action="store_true")
    p.add_argument("--checks", action="store_true")
    p.add_argument("--only", action="append", default=[])
    p.add_argument("--pairs", type=int, default=3)
    p.add_argument("--readme", action="store_true")
    p.add_argument("--through", type=shlex.split, default=[])
    p.add_argument("--keep", action="store_true")
    p.add_argument("--native", action="store_true")
    p.add_argument("--no-install", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("--jobs", action="store_true")
    a = p.parse_args()
    if a.pairs < 1:
        p.error("--pairs: at least 1")
    return a


def scripts(only):
    """{name: path} of the programs that are asked for."""
    known = {path.stem: path for path in sorted(HERE.glob("*.sh")) if path.stem != "lib"}
    for name in only:
        if name not in known:
            sys.exit(f"programs: no program {name}; --list shows them")
    return {name: path for name, path in known.items() if not only or name in only}


def ask(path, verb):
    """What a script says to `packages` or `version`; empty when it fails."""
    done = subprocess.run([str(path), verb], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def missing(packages):
    """Those of Debian's packages that are not installed."""
    absent = []
    for package in packages:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package],
                              capture_output=True, text=True, check=False)
        if not done.stdout.startswith("ii"):
            absent.append(package)
    return absent


def install(packages):
    """Whether they are there afterwards."""
    if not shutil.which("apt-get"):
        print(f"programs: there is no apt-get here; not installed: {' '.join(packages)}", file=sys.stderr)
        return False
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and not shutil.which("sudo"):
        print(f"programs: this needs root or sudo: {' '.join(packages)}", file=sys.stderr)
        return False
    print(f"programs: installing {' '.join(packages)}", flush=True)
    # Their servers are for these scripts to start, not for the machine: policy-rc.d says so to the packages.
    policy = Path("/usr/sbin/policy-rc.d")
    own_policy = os.geteuid() == 0 and not policy.exists()
    if own_policy:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        env = as_root + ["env", "DEBIAN_FRONTEND=noninteractive"]
        for limit, command in ((300, ["update"]), (900, ["-y", "--no-install-recommends", "install", *packages])):
            try:
                done = subprocess.run([*env, "apt-get", "-qq", *command], capture_output=True, text=True, timeout=limit,
                                      check=False)
            except subprocess.TimeoutExpired:
                print(f"programs: apt-get {command[0]} took more than {limit} s", file=sys.stderr)
                return False
            if done.returncode != 0:
                print(f"programs: apt-get {command[0]} failed: {done.stderr.strip()[-300:]}", file=sys.stderr)
                return False
        return True
    finally:
        if own_policy:
            policy.unlink(missing_ok=True)


class Network:
    """A private directory with one network for everything that is started with `wrap`."""

    def __init__(self, command):
        self.command = command
        shm = Path("/dev/shm")
        self.directory = tempfile.mkdtemp(prefix="programs-", dir=shm if os.access(shm, os.W_OK) else None)
        self.wrap = f"{command} run --net programs --"

    def close(self):
        # The scripts make others beside it, for other users.
        for directory in Path(self.directory).parent.glob(Path(self.directory).name + "*"):
            shutil.rmtree(directory, ignore_errors=True)


def environment(network):
    kept = {k: v for k, v in os.environ.items()
            if not k.lower().endswith("_proxy") and k != "LD_PRELOAD"
            and (not k.startswith("SOCKHOP_") or k in ("SOCKHOP_LIB", "SOCKHOP_TRANSPORT"))}
    if network:
        kept.update(SOCKHOP_DIR=network.directory, WRAP=network.wrap)
    else:
        kept.pop("WRAP", None)
        kept.pop("SOCKHOP_LIB", None)
        kept.pop("SOCKHOP_TRANSPORT", None)
    return kept


def marked(mark):
    """The processes that still have this run's mark in their environment."""
    wanted = f"PROGRAMS_MARK={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((int(entry.name), (entry / "comm").read_text().strip()))
            except OSError:
                pass
    return found


def kill_rest(mark):
    """Kills what the run left behind and returns the names."""
    deadline = time.monotonic() + 3
    left = marked(mark)
    # Workers may take a moment to see that their server is gone.
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = marked(mark)
    for pid, _ in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return sorted({name for _, name in left})


LINE = re.compile(r"check (\S+) (ok|failed)(?:: ?(.*))?$|figure (\S+) (\S+) (\S+) better=(higher|lower)(?: goal=(\S+))?$")


def parse(output):
    """({check: None or why it failed}, {figure: {...}}, [lines that are neither])"""
    checks, figures, strange = {}, {}, []
    for line in output.splitlines():
        m = LINE.match(line.strip())
        if not m:
            if line.startswith(("check ", "figure ")):
                strange.append(line)
            continue
        if m[1]:
            # One that failed once has failed.
            checks[m[1]] = checks.get(m[1]) or (None if m[2] == "ok" else m[3] or "no reason given")
        else:
            figures[m[4]] = {"value": float(m[5]), "unit": m[6], "better": m[7], "goal": float(m[8]) if m[8] else None}
    return checks, figures, strange


def run_once(name, path, network, args):
    """One run of a script: (checks, figures)."""
    directory = Path(tempfile.mkdtemp(prefix=f"programs-{name}-"))
    # Programs that give up root have to get in.
    directory.chmod(0o755)
    mark = uuid.uuid4().hex
    env = environment(network)
    env["PROGRAMS_MARK"] = mark
    part = ["--quick"] if args.quick or args.checks else ["--figures"] if args.figures else []
    command = [*args.through, str(path), "run", *part]
    limit = LIMIT_QUICK if args.quick else LIMIT
    process = subprocess.Popen(command, cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    why = None
    try:
        # Waiting for the machine does not count.
        out, err = process.communicate(timeout=limit + (3600 if args.through else 0))
    except subprocess.TimeoutExpired:
        why = f"killed after {limit} s"
        os.killpg(process.pid, signal.SIGKILL)
        kill_rest(mark)
        out, err = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        kill_rest(mark)
        raise
    checks, figures, strange = parse(out)
    left = kill_rest(mark)
    if why is None and left:
        checks["nothing-left-running"] = "left running: " + ", ".join(left)
    if why is None and strange:
        why = f"does not follow the form: {strange[0]}"
    if why is None and process.returncode != 0 and not any(checks.values()):
        last = err.strip().splitlines()
        why = f"exit status {process.returncode}" + (f": {last[-1][:200]}" if last else "")
    checks["whole-run"] = why
    if args.keep:
        (directory / "stdout").write_text(out)
        (directory / "stderr").write_text(err)
        print(f"    {'sockhop' if network else 'native'}: {directory}", flush=True)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return checks, figures


def merge(runs):
    """The checks of several runs (a failure anywhere is a failure) and the medians of their figures."""
    checks, figures = {}, {}
    for run_checks, run_figures in runs:
        for name, why in run_checks.items():
            checks[name] = checks.get(name) or why
        for name, figure in run_figures.items():
            figures.setdefault(name, {**figure, "runs": []})["runs"].append(figure["value"])
    for figure in figures.values():
        figure["value"] = statistics.median(figure["runs"])
    return checks, figures


def compare(name, version, arms):
    """One program's entry of the JSON document."""
    (native_checks, native), (our_checks, ours) = arms["native"], arms["sockhop"]
    entry = {"program": name, "version": version, "checks": {}, "figures": {}}
    for check in dict.fromkeys([*native_checks, *our_checks]):
        # What never came to be asked under Sockhop has not passed; some are only named where they fail.
        entry["checks"][check] = {"native": native_checks.get(check), "sockhop": our_checks.get(check, "not reached")}
    for figure in dict.fromkeys([*native, *ours]):
        a, b = native.get(figure), ours.get(figure)
        row = {key: (b or a)[key] for key in ("unit", "better", "goal")}
        row["native"], row["native_runs"] = (a["value"], a["runs"]) if a else (None, [])
        row["sockhop"], row["sockhop_runs"] = (b["value"], b["runs"]) if b else (None, [])
        if a and b:
            row["ratio"] = b["value"] / a["value"] if row["better"] == "higher" else a["value"] / b["value"]
            row["met"] = row["ratio"] >= (row["goal"] or table.FLOOR)
        entry["figures"][figure] = row
    return entry


def tell(entry):
    """Prints what differs; returns (passed, failed)."""
    passed = failed = 0
    for check, result in entry["checks"].items():
        if result["sockhop"] is None:
            passed += 1
        elif result["native"] is None:
            failed += 1
            print(f"    FAIL {check}: {result['sockhop']}")
        else:
            print(f"    natively, too: {check}: {result['native']}")
        if result["sockhop"] is None and result["native"] is not None:
            print(f"    natively only: {check}: {result['native']}")
    return passed, failed


def keep(done, args):
    """Puts what was found into the file, which another run may have changed meanwhile."""
    document = table.load(JSON)
    if not args.native:
        table.update(document, done, args.pairs)
        table.save(document, JSON)
    return document


def list_them(found, with_jobs):
    last = {e["program"]: e for e in table.load(JSON)["programs"]}
    for name, path in found.items():
        print(f"{name:12} {ask(path, 'version') or '-':16} {ask(path, 'packages')}")
        if with_jobs and name in last:
            for what in ("checks", "figures"):
                if last[name][what]:
                    print(f"    {what}: {' '.join(last[name][what])}")


def main():
    args = arguments()
    found = scripts(args.only)
    if args.list or args.jobs:
        list_them(found, args.jobs)
        return 0
    command = Path(os.environ.get("SOCKHOP") or ROOT / "target" / "release" / "sockhop").resolve()
    if not os.access(command, os.X_OK):
        sys.exit(f"programs: {command} is not there; cargo build --release makes it")
    wanted = {name: ask(path, "packages").split() for name, path in found.items()}
    absent = missing(sorted({p for packages in wanted.values() for p in packages}))
    if absent and not args.no_install and not install(absent):
        return 1
    absent = set(missing(absent))

    document = table.load(JSON)
    done, passed, failed = [], 0, 0
    network = None if args.native else Network(command)
    try:
        for name, path in found.items():
            lacking = absent.intersection(wanted[name])
            if lacking:
                print(f"--- {name}: left out, not installed: {' '.join(sorted(lacking))}", flush=True)
                continue
            version = ask(path, "version") or "-"
            print(f"--- {name} {version}", flush=True)
            begun = time.monotonic()
            runs = {arm: [] for arm in ARMS}
            for turn in range(1 if args.quick or args.checks else args.pairs):
                # The order turns round as well, so that no arm is always the one after the other.
                for arm in ARMS if turn % 2 == 0 and not args.quick else ARMS[::-1]:
                    if args.quick and arm == "native" and not any(runs["sockhop"][0][0].values()):
                        # All is well, so there is nothing to compare with.
                        continue
                    runs[arm].append(run_once(name, path, network if arm == "sockhop" else None, args))
            entry = compare(name, version, {arm: merge(r) for arm, r in runs.items()})
            before = next((e for e in document["programs"] if e["program"] == name), None)
            if args.figures and before:
                # What went wrong is told; what was checked is what the last whole run checked.
                good, bad = tell(entry)
                entry["checks"] = before["checks"]
            else:
                good, bad = tell(entry)
                if args.checks and before:
                    entry["figures"] = before["figures"]
            passed, failed = passed + good, failed + bad
            print(f"    {good} checks passed, {bad} failed, {time.monotonic() - begun:.0f} s", flush=True)
            done.append(entry)
            if args.through and not args.quick:
                # What was measured is kept whatever becomes of the rest.
                keep(done, args)
    finally:
        if network:
            network.close()
    if any(entry["figures"] for entry in done) and not args.checks:
        table.show(done)
    if not args.quick and not args.native:
        document = keep(done, args)
        table.draw(document, JSON.with_suffix(".svg"))
        if args.readme:
            table.into_readme(document, ROOT / "README.md")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not done else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
