"""The suites: one scripts/conformance/NAME.sh each, with the verbs packages, fetch, list and run."""

import os
import shutil
import subprocess

# Seconds that a unit has when its suite names no limit.
UNIT_LIMIT = 60


class Problem(Exception):
    """What stands in the way, in one line that says what to do."""


class Suite:
    def __init__(self, root, script):
        self.root = root
        self.script = script
        self.name = script.stem
        self.directory = root / "target/conformance/suites" / self.name
        self.version = None

    def ask(self, *verb, limit=60):
        """Standard output of a verb of the suite's script."""
        try:
            done = subprocess.run([self.script, *verb], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                  timeout=limit, cwd=self.root)
        except subprocess.TimeoutExpired:
            raise Problem(f"{self.name}: '{verb[0]}' took more than {limit} s") from None
        if done.returncode != 0:
            raise Problem(f"{self.name}: '{verb[0]}' failed with status {done.returncode}")
        return done.stdout

    def packages(self):
        return self.ask("packages").split()

    def fetch(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.version = self.ask("fetch", self.directory, limit=900).strip().splitlines()[-1]

    def units(self, quick):
        """Names of units and the seconds that each may take."""
        lines = self.ask("list", self.directory, *(["--quick"] if quick else [])).splitlines()
        split = [line.split("\t") for line in lines if line]
        return {fields[0]: int(fields[1]) if len(fields) > 1 else UNIT_LIMIT for fields in split}


def find(root):
    return [Suite(root, script) for script in sorted((root / "scripts/conformance").glob("*.sh"))]


def install(suites):
    """Debian packages of the suites that are not there yet."""
    needed = sorted({package for suite in suites for package in suite.packages()})
    missing = [package for package in needed if not installed(package)]
    if not missing:
        return
    names = " ".join(missing)
    if not shutil.which("apt-get"):
        raise Problem(f"there is no apt-get here; please install: {names}")
    as_root = []
    if os.getuid() != 0:
        if not shutil.which("sudo"):
            raise Problem(f"this needs root or sudo; please install: {names}")
        as_root = ["sudo"]
    print(f"conformance: installing {names}", flush=True)
    apt = as_root + ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    steps = [(apt + ["update"], 300), (apt + ["-y", "--no-install-recommends", "install", *missing], 600)]
    for step, limit in steps:
        try:
            subprocess.run(step, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=limit, check=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            raise Problem(f"apt-get did not succeed; please install: {names}") from None


def installed(package):
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    try:
        done = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=30)
    except FileNotFoundError:
        raise Problem("there is no dpkg-query here; the suites come as packages of Debian or Ubuntu") from None
    return done.stdout == "installed"
