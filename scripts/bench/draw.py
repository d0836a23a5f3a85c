#!/usr/bin/env python3
"""Draws the figures that run.py wrote: draw.py FILE.json FILE.svg"""

import json
import sys

try:
    import matplotlib
except ImportError:
    sys.exit("matplotlib is not installed")

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 (the backend comes first)

# Text stays text, and the same figures give the same file.
plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.family": "sans-serif", "font.size": 9,
                     "figure.facecolor": "white", "axes.facecolor": "white"})

MET, MISSED, GOAL, INK = "#2f7fb8", "#d98f3d", "#222222", "#222222"


def times_better(row):
    """(factor, goal) by which ours is better than the kernel."""
    if row["compare"] == "share":
        return 1 / row["ratio"], 1 / row["goal"]
    return row["ratio"], row["goal"]


def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def bars(axes, rows, value_and_goal, text):
    lowest, highest = 1.0, 1.0
    for y, row in enumerate(rows):
        if "ratio" not in row:
            axes.text(1.05, y, row["status"].split(":")[0], va="center", color=MISSED, fontsize=8)
            continue
        value, goal = value_and_goal(row)
        value = max(value, 1e-3)
        axes.barh(y, value - 1, left=1, height=0.62, color=MET if row["met"] else MISSED, zorder=2)
        axes.plot([goal, goal], [y - 0.42, y + 0.42], color=GOAL, linewidth=1.6, zorder=3)
        axes.text(max(value, goal, 1) * 1.09, y, text(row), va="center", fontsize=8, color=INK)
        lowest, highest = min(lowest, value), max(highest, value, goal)
    axes.set_xscale("log")
    axes.set_xlim(min(lowest * 0.8, 0.8), highest * 4)
    axes.set_yticks(range(len(rows)), [row["title"] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color="#dddddd", linewidth=0.7, zorder=0)
    axes.axvline(1, color="#888888", linewidth=0.9, zorder=1)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def limit_text(row):
    ratio, unit = row["ratio"], {"us": " µs", "x": " ×"}.get(row.get("unit"), " " + row.get("unit", ""))
    if row["compare"] == "part":
        return f"{ratio:.0%} of {row['part_of']:.3g} GB/s (at least {row['goal']:.0%})"
    sign = "+" if row["compare"] == "added" and ratio >= 0 else ""
    return f"{sign}{number(ratio) if ratio >= 0 else f'{ratio:.3g}'}{unit} (at most {row['goal']:,g}{unit})"


def headroom(row):
    """How far within its limit a figure stays, as a factor; 1 is the limit."""
    if row["compare"] == "part":
        return row["ratio"] / row["goal"], 1
    return row["goal"] / max(row["ratio"], row["goal"] / 100), 1


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as f:
        data = json.load(f)
    panels = []
    for group, title in (("stream", "Streams: times better than kernel TCP over loopback"),
                         ("datagram", "Datagrams: times better than kernel UDP over loopback"),
                         ("limit", "Limits: how far within (1 is the limit)")):
        rows = [row for row in data["figures"] if row["group"] == group]
        if rows:
            panels.append((group, title, rows))
    heights = [len(rows) + 1.5 for _, _, rows in panels]
    figure, all_axes = plt.subplots(len(panels), 1, figsize=(9.5, 0.27 * sum(heights) + 1.1), squeeze=False,
                                    gridspec_kw={"height_ratios": heights}, layout="constrained")
    for axes, (group, title, rows) in zip(all_axes[:, 0], panels):
        if group == "limit":
            bars(axes, rows, headroom, limit_text)
        else:
            bars(axes, rows, times_better, lambda row: f"{number(times_better(row)[0])} ×")
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    machine = data["machine"]
    figure.suptitle(f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; medians of {data['rounds']} "
                    "alternating runs; log scale\n"
                    "blue: goal met; orange: not met; black mark: the goal", fontsize=8.5, color="#444444")
    figure.savefig(target, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
