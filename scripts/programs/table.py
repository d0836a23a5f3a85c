"""The table of programs: as text, as docs/programs.json, in README.md, and as a picture."""

import json
import os
import platform
import sys
import time
from pathlib import Path

# What a figure without a goal of its own has to reach.
FLOOR = 0.95
BEGIN, END = "<!-- programs: begin -->", "<!-- programs: end -->"


def load(path):
    if path.exists():
        return json.loads(path.read_text())
    return {"programs": []}


def machine():
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release().split("-")[0]}


def update(document, entries, pairs):
    """Puts the new entries in the place of the old ones."""
    programs = {e["program"]: e for e in document["programs"]}
    for entry in entries:
        programs[entry["program"]] = {**entry, "date": time.strftime("%Y-%m-%d"), "pairs": pairs, "machine": machine()}
    document["programs"] = [programs[name] for name in sorted(programs)]


def save(document, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def quantity(value, unit):
    if value is None:
        return "-"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit in ("/s", "bit/s", "B/s") and value >= size:
            return f"{value / size:.3g} {letter}{unit}"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def times(ratio):
    return "-" if ratio is None else f"{ratio:.0f} ×" if ratio >= 100 else f"{ratio:.2g} ×" if ratio >= 10 else f"{ratio:.2f} ×"


def title(name):
    return name.replace("-", " ").replace("_", " ")


def rows(entries):
    """(program, version, job, native, under Sockhop, ratio, goal)"""
    for entry in entries:
        checks = [c for name, c in entry["checks"].items() if name != "whole-run"]
        good = {arm: sum(c[arm] is None for c in checks) for arm in ("native", "sockhop")}
        yield (entry["program"], entry["version"], f"{len(checks)} checks", f"{good['native']} pass",
               f"{good['sockhop']} pass", "", "")
        for name, figure in entry["figures"].items():
            goal = f"{figure['goal']:g} ×" if figure["goal"] else f"{FLOOR} ×"
            met = "" if "met" not in figure else ", met" if figure["met"] else ", missed"
            yield (entry["program"], entry["version"], title(name), quantity(figure["native"], figure["unit"]),
                   quantity(figure["sockhop"], figure["unit"]), times(figure.get("ratio")), goal + met)


HEAD = ("program", "version", "job", "native", "under Sockhop", "times better", "goal")


def show(entries):
    lines = [HEAD, *rows(entries)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    for i, line in enumerate(lines):
        print("  ".join(cell.ljust(w) if j < 3 else cell.rjust(w) for j, (cell, w) in enumerate(zip(line, widths))))
        if i == 0:
            print("  ".join("-" * w for w in widths))


def machines(document):
    """Which machine, in words; each once."""
    said = [f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}" for m in (e["machine"] for e in document["programs"])]
    return "; ".join(dict.fromkeys(said))


def markdown(document):
    measured = any("ratio" in f for e in document["programs"] for f in e["figures"].values())
    lines = ["![How many times better than kernel loopback each figure is](docs/programs.svg)", ""] if measured else []
    lines += ["| " + " | ".join(HEAD) + " |", "|---|---|---|--:|--:|--:|--:|"]
    before = None
    for row in rows(document["programs"]):
        # A program's name and version stand in its first row only.
        cells = list(row) if row[0] != before else ["", "", *row[2:]]
        before = row[0]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", f"On {machines(document)}."]
    if measured:
        pairs = sorted({e["pairs"] for e in document["programs"] if e["figures"]})
        lines[-1] += (f" Medians of {' or '.join(map(str, pairs))} alternating runs; \"times better\" is more per second, or "
                      "shorter.")
    return "\n".join(lines)


def into_readme(document, path):
    text = path.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"programs: {path} has no lines {BEGIN} and {END}")
    head, rest = text.split(BEGIN, 1)
    path.write_text(f"{head}{BEGIN}\n{markdown(document)}\n{END}{rest.split(END, 1)[1]}")


def draw(document, path):
    """The picture; says so when there is no matplotlib."""
    try:
        import matplotlib
    except ImportError:
        print("programs: matplotlib is not installed (python3-matplotlib), so no picture was drawn", file=sys.stderr)
        return
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "programs", "font.family": "sans-serif", "font.size": 9,
                         "figure.facecolor": "white", "axes.facecolor": "white"})
    bars = [(e["program"], name, f) for e in document["programs"] for name, f in e["figures"].items() if "ratio" in f]
    if not bars:
        return
    met, missed, ink = "#2f7fb8", "#d98f3d", "#222222"
    figure, axes = plt.subplots(figsize=(9.5, 0.25 * len(bars) + 1.3), layout="constrained")
    for y, (_, _, f) in enumerate(bars):
        ratio, goal = f["ratio"], f["goal"] or FLOOR
        axes.barh(y, ratio - 1, left=1, height=0.62, color=met if f["met"] else missed, zorder=2)
        axes.plot([goal, goal], [y - 0.42, y + 0.42], color=ink, linewidth=1.6, zorder=3)
        axes.text(max(ratio, goal, 1) * 1.06, y, times(ratio), va="center", fontsize=8, color=ink)
    ratios = [f["ratio"] for _, _, f in bars]
    axes.set_xscale("log")
    axes.set_xlim(min(0.8, *ratios) * 0.9, max(1, *ratios, *(f["goal"] or 1 for _, _, f in bars)) * 3)
    axes.set_yticks(range(len(bars)), [f"{program}: {title(name)}" for program, name, _ in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.grid(axis="x", color="#dddddd", linewidth=0.7, zorder=0)
    axes.axvline(1, color="#888888", linewidth=0.9, zorder=1)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.suptitle(f"Unmodified programs: times better than kernel loopback\n{machines(document)}; log scale; "
                    "blue: goal met; orange: missed; black mark: the goal", fontsize=8.5, color="#444444")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
