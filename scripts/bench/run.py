#!/usr/bin/env python3
"""Measures what goals.toml lists, in turn on the kernel's sockets and under the library, and compares the medians."""

import argparse
import fnmatch
import json
import os
import platform
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "scripts" / "bench"
PROGRAMS = ROOT / "benches" / "c"
OUT = ROOT / "target" / "bench"
RELEASE = ROOT / "target" / "release"

# A measure that went wrong this often in one arm is not tried again in the rounds that remain.
PATIENCE = 2


def say(text, end="\n"):
    print(text, end=end, file=sys.stderr, flush=True)


def arguments():
    p = argparse.ArgumentParser(
        prog="scripts/bench.sh",
        description="Runs the benchmarks, prints a table of figures against their goals, and writes JSON and a picture.",
        epilog="Ends with 1 when a run hung or failed. A goal that is not met is reported, not an error.",
    )
    p.add_argument("--quick", action="store_true", help="3 rounds of 0.3 s instead of 5 of 1 s")
    p.add_argument("--only", metavar="NAME", action="append", default=[],
                   help="only figures or measures whose name is NAME or matches the pattern NAME; may be repeated")
    p.add_argument("--json", metavar="FILE", type=Path,
                   help="where the figures go, the picture beside it (docs/bench.json; target/bench/bench.json for a run "
                        "that is quick, native or only a part)")
    p.add_argument("--add", action="store_true",
                   help="with --only: put the figures among those that the file has, docs/bench.json if none is named, "
                        "so that a long run can be made in pieces")
    p.add_argument("--no-picture", action="store_true", help="draw nothing")
    p.add_argument("--no-build", action="store_true", help="take the library and the command as they are")
    p.add_argument("--native", action="store_true",
                   help="run both arms without the library: shows how far the ratios scatter by themselves")
    p.add_argument("--rounds", metavar="N", type=int, help="rounds")
    p.add_argument("--seconds", metavar="S", type=float, help="length of one measured window")
    p.add_argument("--timeout", metavar="S", type=float, default=30, help="kill a run after this long (30)")
    p.add_argument("--list", action="store_true", help="list the figures and their goals")
    a = p.parse_args()
    a.rounds = a.rounds or (3 if a.quick else 5)
    a.seconds = a.seconds or (0.3 if a.quick else 1.0)
    if a.json is None:
        part = a.quick or a.native or a.only and not a.add
        a.json = (OUT if part else ROOT / "docs") / "bench.json"
    return a


def load(only):
    """The figures that are asked for and the measures that they need."""
    with open(HERE / "goals.toml", "rb") as f:
        data = tomllib.load(f)
    measures, figures = data["measure"], data["figure"]
    for name, figure in figures.items():
        figure["measure"], figure["metric"] = figure["from"].split()
        figure.setdefault("arm", "ours")
        if figure["measure"] not in measures:
            sys.exit(f"goals.toml: figure {name} takes from an unknown measure")
    if only:
        figures = {n: f for n, f in figures.items()
                   if any(fnmatch.fnmatch(n, p) or fnmatch.fnmatch(f["measure"], p) for p in only)}
        if not figures:
            sys.exit("no figure of that name; --list shows them")
    wanted = {f["measure"] for f in figures.values()} | {f["of"].split()[0] for f in figures.values() if "of" in f}
    return {n: m for n, m in measures.items() if n in wanted}, figures


def compile_programs(measures):
    OUT.mkdir(parents=True, exist_ok=True)
    programs = {shlex.split(m["run"])[0] for m in measures.values()}
    for program in sorted(programs):
        if program.endswith(".sh"):
            continue
        command = [os.environ.get("CC", "gcc"), "-O2", "-g", "-Wall", "-Wextra", "-pthread",
                   "-o", str(OUT / program), str(PROGRAMS / f"{program}.c")]
        if subprocess.run(command, check=False).returncode != 0:
            sys.exit(f"{program}.c does not compile")


class Launcher:
    """How a program is started in each arm."""

    def __init__(self, native):
        command, library = RELEASE / "sockhop", RELEASE / "libsockhop.so"
        self.prefix, self.preload = [], None
        if native:
            self.how = "without the library"
        elif command.exists():
            self.prefix, self.how = [str(command), "run", "--fresh", "--"], "sockhop run --fresh"
        elif library.exists():
            self.preload, self.how = str(library), "LD_PRELOAD=libsockhop.so"
        else:
            sys.exit("neither sockhop nor libsockhop.so in target/release: build them, or use --native")

    def run(self, arm, command, timeout):
        """Returns ({name: (value, unit)}, None) or (None, what went wrong)."""
        env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD" and not k.startswith("SOCKHOP_")}
        network = None
        if arm != "kernel":
            command = self.prefix + command
            if self.preload:
                network = tempfile.mkdtemp(prefix="sockhop-bench-")
                env.update(LD_PRELOAD=self.preload, SOCKHOP_DIR=network)
            if arm == "nospin":
                env["SOCKHOP_SPIN_US"] = "0"
        try:
            return self.watch(command, env, timeout)
        finally:
            if network:
                shutil.rmtree(network, ignore_errors=True)

    @staticmethod
    def watch(command, env, timeout):
        # A session of its own, so that a run that hangs can be killed with everything that it started.
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            kill_group(process)
            return None, f"hang: killed after {timeout:g} s"
        except BaseException:
            kill_group(process)
            raise
        if process.returncode != 0:
            status = process.returncode
            reason = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
            last = err.strip().splitlines()
            return None, "failed: " + reason + (f": {last[-1][:160]}" if last else "")
        values = {}
        for line in out.splitlines():
            words = line.split()
            if len(words) == 3:
                try:
                    values[words[0]] = (float(words[1]), words[2])
                except ValueError:
                    pass
        return (values, None) if values else (None, "failed: no figures in the output")


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.communicate()


def take(measures, args, launcher):
    """Runs everything. Returns {measure: {arm: {"runs": [...], "errors": [...]}}}; a skipped measure is a text."""
    results = {}
    for at, (name, measure) in enumerate(measures.items(), 1):
        needs = measure.get("needs")
        if needs and not shutil.which(needs):
            results[name] = f"skipped: {needs} is not installed"
            say(f"[{at}/{len(measures)}] {name}: {results[name]}")
            continue
        program, *rest = shlex.split(measure["run"])
        path = HERE / program if program.endswith(".sh") else OUT / program
        command = [str(path), *rest, "-t", f"{args.seconds * measure.get('share', 1):g}"]
        arms = measure.get("arms", ["kernel", "ours"])
        results[name] = {arm: {"runs": [], "errors": []} for arm in arms}
        say(f"[{at}/{len(measures)}] {name} ", end="")
        for turn in range(args.rounds):
            # The order turns round as well, so that no arm is always the one after the other.
            for arm in arms if turn % 2 == 0 else arms[::-1]:
                result = results[name][arm]
                if len(result["errors"]) >= PATIENCE:
                    continue
                values, error = launcher.run(arm, command, args.timeout)
                if error:
                    result["errors"].append(error)
                    say(f"({arm} {error}) ", end="")
                else:
                    result["runs"].append(values)
            say(".", end="")
        say("")
    return results


def median(results, measure, arm, metric):
    """(value, unit, all values) or a text that says why there is none."""
    result = results[measure]
    if isinstance(result, str):
        return result
    values = [run[metric] for run in result[arm]["runs"] if metric in run]
    if not values:
        return (result[arm]["errors"] or [f"failed: no line {metric} in the output"])[0]
    numbers = [v for v, _ in values]
    return statistics.median(numbers), values[0][1], numbers


def ratio_of(compare, ours, other):
    match compare:
        case "shorter":
            return other / ours
        case "more" | "share" | "part":
            return ours / other
        case "added":
            return ours - other
        case "value":
            return ours
    sys.exit(f"goals.toml: unknown compare {compare}")


def evaluate(name, figure, results):
    row = {key: figure[key] for key in ("group", "title", "compare", "goal")}
    row.update(name=name, arm=figure["arm"], status="measured", met=False)
    measure, metric, compare = figure["measure"], figure["metric"], figure["compare"]
    ours = median(results, measure, figure["arm"], metric)
    kernel = median(results, measure, "kernel", metric)
    other = median(results, figure["of"].split()[0], "kernel", figure["of"].split()[1]) if compare == "part" else kernel
    for side, found in (("ours", ours), ("kernel", kernel)):
        if not isinstance(found, str):
            row[side], row["unit"], row[side + "_runs"] = found
    if compare == "part" and not isinstance(other, str):
        row["part_of"], row["part_of_runs"] = other[0], other[2]
    bad = next((found for found in (ours, other) if isinstance(found, str)), None)
    if bad:
        row.update(status=bad)
        return row
    row["ratio"] = ratio_of(compare, ours[0], other[0])
    row["met"] = row["ratio"] >= figure["goal"] if compare in ("shorter", "more", "part") else row["ratio"] <= figure["goal"]
    # A hang in some of the runs is no goal met, whatever the others say.
    errors = results[measure][figure["arm"]]["errors"]
    if errors:
        row.update(met=False, status=f"{errors[0]} (in {len(errors)} of {len(errors) + len(ours[2])} runs)")
    return row


def quantity(value, unit):
    if value is None:
        return "-"
    if unit == "/s":
        for size, letter in ((1e6, "M"), (1e3, "k")):
            if value >= size:
                return f"{value / size:.3g} {letter}/s"
        return f"{value:.3g} /s"
    unit = "µs" if unit == "us" else unit
    number = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} ×" if unit == "x" else f"{number} {unit}"


def ratio_text(row, value):
    compare = row["compare"]
    if value is None:
        return "-"
    if compare in ("shorter", "more"):
        return f"{value:.0f} ×" if value >= 100 else f"{value:.3g} ×"
    if compare == "part":
        return f"{value * 100:.0f} %"
    if compare == "share":
        return f"{value:.3g}"
    text = quantity(value, row.get("unit", ""))
    return f"+{text}" if compare == "added" and value >= 0 else text


def table(rows):
    lines = [("figure", "ours", "kernel", "ratio", "goal", "met")]
    for row in rows:
        beside = f"(copy {quantity(row.get('part_of'), 'GB/s')})" if row["compare"] == "part" else None
        bound = "≥" if row["compare"] in ("shorter", "more", "part") else "≤"
        met = "yes" if row["met"] else "no" if row["status"] == "measured" else row["status"].split(":")[0]
        lines.append((row["title"], quantity(row.get("ours"), row.get("unit")),
                      beside or quantity(row.get("kernel"), row.get("unit")), ratio_text(row, row.get("ratio")),
                      f"{bound} {ratio_text(row, row['goal'])}", met))
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    for i, line in enumerate(lines):
        cells = [line[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(line[1:5], widths[1:5])] + [line[5]]
        print("  ".join(cells))
        if i == 0:
            print("  ".join("-" * w for w in widths))
    met = sum(row["met"] for row in rows)
    print(f"\n{met} of {len(rows)} goals met.")
    for row in rows:
        if row["status"] != "measured":
            print(f"{row['title']}: {row['status']}")


def machine():
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cpu": model or platform.machine(), "cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release().split("-")[0], "load": round(os.getloadavg()[0], 2)}


def main():
    args = arguments()
    measures, figures = load(args.only)
    if args.list:
        for name, figure in figures.items():
            row = {**figure, "unit": {"startup": "us", "write": "ns", "memory": "B", "memory-used": "B"}.get(name, "x")}
            bound = "≥" if figure["compare"] in ("shorter", "more", "part") else "≤"
            print(f"{name:26} {bound} {ratio_text(row, figure['goal']):9} {figure['title']}")
        return 0
    launcher = Launcher(args.native)
    compile_programs(measures)
    host = machine()
    if host["cores"] < 2:
        say("warning: one core only; the figures that are for two cores will fail")
    if host["load"] > 0.5:
        say(f"warning: the machine is busy (load {host['load']}); the figures will scatter")
    begin = time.monotonic()
    results = take(measures, args, launcher)
    rows = [evaluate(name, figure, results) for name, figure in figures.items()]
    table(rows)
    raw = {name: result if isinstance(result, str) else
           {arm: {"runs": [{n: v for n, (v, _) in run.items()} for run in r["runs"]], "errors": r["errors"]}
            for arm, r in result.items()} for name, result in results.items()}
    if args.add and args.json.exists():
        before = json.loads(args.json.read_text())
        fresh = {row["name"]: row for row in rows}
        kept = {row["name"]: row for row in before["figures"]} | fresh
        rows = [kept[name] for name in load([])[1] if name in kept]
        raw = before["measures"] | raw
    args.json.parent.mkdir(parents=True, exist_ok=True)
    document = {"date": time.strftime("%Y-%m-%d"), "machine": host, "ours": launcher.how, "rounds": args.rounds,
                "seconds": args.seconds, "figures": rows, "measures": raw}
    args.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    say(f"{time.monotonic() - begin:.0f} s; figures in {os.path.relpath(args.json)}")
    if not args.no_picture:
        picture = args.json.with_suffix(".svg")
        if subprocess.run([sys.executable, str(HERE / "draw.py"), str(args.json), str(picture)], check=False).returncode == 0:
            say(f"picture in {os.path.relpath(picture)}")
        else:
            say("no picture was drawn")
    return 1 if any(row["status"].startswith(("hang", "failed")) for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
