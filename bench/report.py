#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the tables of one or more result files of sop_bench.

Usage: report.py [--curves] FILE...
Medians over the repetitions; a ratio above 1 means that SOP is ahead of the best of the others."""
import json
import re
import statistics
import sys

# Where SOP has to be (ratio to the best of the others, see the table in README.md): at least, goal.
WANTED = {
    "a": (0.9, 1.2), "b": (1.5, 3), "b-nosync": (1.5, 3), "c": (1.1, 2), "d-4": (1.1, 2), "d-16": (1.1, 2),
    "e": (1.5, 3), "f-1": (1.5, 2.5), "f-2": (1.5, 2.5), "g-fwd": (0.9, 1.2), "g-back": (0.9, 1.2),
    "h": (0.9, 1.2), "i-nosync-1": (1.5, 3), "i-nosync-4": (1.5, 3), "i-1": (1.5, 3), "i-4": (1.5, 3),
    "j": (1.5, 3), "k": (1.5, 3), "l-A": (1.2, 2), "l-B": (1.2, 2), "l-E": (1.2, 2), "l-A-durable": (1.2, 2),
    "m-put-100k": (1.0, 2), "m-put-10m": (1.0, 2), "m-get-100k": (0.9, 1.0), "m-get-10m": (0.9, 1.0),
    "n": (1000, 3000), "p": (100, 280),
}
WANTED_MS = {"o-kill": (100, 30)}  # at most, goal
WITHIN_OF_LMDB = ("o-warm", "o-cold")  # at most three times its time
ITEMS_JUDGED = 1000000
UNSTEADY = 1.5  # largest over smallest repetition
LATENCIES = ("p50_us", "p99_us", "p999_us")


class Results:
    """The results of one setting (items, threads, stores) by workload and engine, in the order they came."""

    def __init__(self):
        self.by_workload = {}
        self.engines = []

    def add(self, result):
        engine = result["engine"]
        if engine not in self.engines:
            self.engines.append(engine)
            self.engines.sort(key=lambda name: (name != "sop", name))
        self.by_workload.setdefault(result["workload"], {}).setdefault(engine, []).append(result)

    def median(self, workload, engine, field="value"):
        values = [r[field] for r in self.by_workload[workload].get(engine, []) if r["status"] == "ok" and field in r]
        return statistics.median(values) if values else None

    def unsteady(self, workload, engine):
        """True when the repetitions differ too much for their median to mean much."""
        values = [r["value"] for r in self.by_workload[workload].get(engine, []) if r["status"] == "ok"]
        return bool(values) and max(values) > UNSTEADY * min(values)

    def first(self, workload):
        return next(iter(self.by_workload[workload].values()))[0]

    def has(self, workload, field):
        return any(self.median(workload, engine, field) is not None for engine in self.engines)

    def note(self, workload, engine):
        """What to show in place of a figure."""
        states = {r["status"] for r in self.by_workload[workload].get(engine, [])}
        return "FAILED" if "failed" in states else "none" if "none" in states else "-"

    def ratio(self, workload):
        lower = self.first(workload)["lower_is_better"]
        own = self.median(workload, "sop")
        others = [v for e in self.engines if e != "sop" and (v := self.median(workload, e)) is not None]
        if own is None or not others:
            return None, None
        best = min(others) if lower else max(others)
        name = next(e for e in self.engines if e != "sop" and self.median(workload, e) == best)
        return (best / own if lower else own / best), name


def figure(value):
    if value is None:
        return "-"
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    if value >= 1e4:
        return f"{value / 1e3:.1f} k"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def print_table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [str(c).ljust(w) if i < 2 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


def mark(results, workload):
    """How SOP stands to what is wanted of it; "" where nothing is, or where the run is too small to tell."""
    own = results.median(workload, "sop")
    if own is None or results.first(workload)["items"] < ITEMS_JUDGED:
        return ""
    if workload in WANTED_MS:
        most, goal = WANTED_MS[workload]
        return "goal" if own <= goal else "ok" if own <= most else f"above {most} ms"
    if workload in WITHIN_OF_LMDB:
        lmdb = results.median(workload, "lmdb")
        return "" if lmdb is None else "ok" if own <= 3 * lmdb else "above 3 x LMDB"
    least, goal = WANTED.get(workload, (None, None))
    ratio, _ = results.ratio(workload)
    if ratio is None or least is None:
        return ""
    return "goal" if ratio >= goal else "ok" if ratio >= least else f"below {least:g}"


def print_rates(results):
    rows = []
    for workload in results.by_workload:
        first = results.first(workload)
        cells = []
        for engine in results.engines:
            value = results.median(workload, engine)
            shown = figure(value) + ("~" if results.unsteady(workload, engine) else "")
            cells.append(shown if value is not None else results.note(workload, engine))
        ratio, best = results.ratio(workload)
        shown = "-" if ratio is None else f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}"
        rows.append([workload, f"{first['title']} ({first['unit']})", *cells, shown, best or "-",
                     mark(results, workload)])
    print_table(["", "workload", *results.engines, "ratio", "best other", "wanted"], rows)
    if any("~" in cell for row in rows for cell in row):
        print(f"~ the repetitions differ by more than {UNSTEADY:g} x: the machine was not quiet, repeat before believing")


def print_latencies(results):
    rows = []
    for workload in results.by_workload:
        if not results.has(workload, "p50_us"):
            continue
        cells = []
        for engine in results.engines:
            values = [results.median(workload, engine, field) for field in LATENCIES]
            cells.append("/".join(figure(v) for v in values) if values[0] is not None else results.note(workload, engine))
        own = results.median(workload, "sop", "p999_us")
        others = [v for e in results.engines if e != "sop" and (v := results.median(workload, e, "p999_us"))]
        tail = f"{own / min(others):.2f}" if own and others else "-"
        rows.append([workload, results.first(workload)["title"], *cells, tail])
    if rows:
        print("\nlatency of a transaction in microseconds: p50/p99/p99.9; last column: p99.9 of SOP /"
              " the best of the others (wanted: at most 3)")
        print_table(["", "workload", *results.engines, "tail"], rows)


def print_field(results, title, field, scale=1.0):
    rows = []
    for workload in results.by_workload:
        if not results.has(workload, field):
            continue
        values = [results.median(workload, engine, field) for engine in results.engines]
        rows.append([workload, results.first(workload)["title"], *("-" if v is None else f"{v * scale:.2f}" for v in values)])
    if rows:
        print(f"\n{title}")
        print_table(["", "workload", *results.engines], rows)


def print_all(results, setting):
    items, threads, stores, random_base = setting
    loaded = "random" if random_base else "sorted"
    print(f"\n{items:,} items, base loaded in {loaded} order" + (f", {threads} threads" if threads else "") +
          (f", {stores:,} stores" if stores else ""))
    print_rates(results)
    print_latencies(results)
    print_field(results, "peak anonymous memory of the engine, MiB", "anon_peak_bytes", 1 / (1 << 20))
    print_field(results, "processor seconds in the timed part", "cpu_s")
    print_field(results, "disk after the load / raw keys and values, log files apart (wanted of SOP: at most 1.15)", "disk_ratio")
    print_field(results, "log files after the load, MiB", "log_bytes", 1 / (1 << 20))
    print_field(results, "bytes the device wrote / bytes of keys and values updated (wanted of SOP: at most 12)", "write_amplification")
    print_field(results, "conflicts (transactions begun again)", "conflicts")


def print_curves(results_by_setting):
    """One table a workload: a line for each setting, so that a column is a curve."""
    workloads = {}
    engines = []
    for setting, results in results_by_setting.items():
        engines += [engine for engine in results.engines if engine not in engines]
        for workload in results.by_workload:
            workloads.setdefault(workload, []).append((setting, results))
    engines.sort(key=lambda name: (name != "sop", name))
    for workload, points in workloads.items():
        first = points[0][1].first(workload)
        title = re.sub(r", \d+ threads?$", "", first["title"])
        print(f"\n{workload}: {title} ({first['unit']})")
        rows = []
        for (items, threads, stores, _), results in sorted(points, key=lambda point: point[0][:3]):
            cells = [figure(results.median(workload, e)) if e in results.engines else "-" for e in engines]
            memory = results.median(workload, "sop", "anon_peak_bytes")
            ratio, _ = results.ratio(workload)
            rows.append([f"{items:,}", threads or "", f"{stores:,}" if stores else "", *cells,
                         "-" if ratio is None else f"{ratio:.2f}",
                         "-" if memory is None else f"{memory / (1 << 20):.1f}"])
        print_table(["items", "threads", "stores", *engines, "ratio", "SOP MiB"], rows)


def setting_of(result, curves):
    """What makes results comparable; without curves the threads are those of the workload itself."""
    stores = result["stores"] if result["workload"].startswith("s-") else 0
    threads = result["threads"] if curves else result["threads_forced"]
    return result["items"], threads, stores, result["random_base"]


def main():
    arguments = sys.argv[1:]
    curves = "--curves" in arguments
    by_setting = {}
    failures = []
    for name in (a for a in arguments if a != "--curves"):
        with open(name, encoding="utf-8") as lines:
            for line in lines:
                result = json.loads(line)
                by_setting.setdefault(setting_of(result, curves), Results()).add(result)
                if result["status"] == "failed":
                    failures.append(f"{result['workload']} {result['engine']} rep {result['rep']}: {result['error']}")
    if curves:
        print_curves(by_setting)
    else:
        for setting, results in by_setting.items():
            print_all(results, setting)
    for failure in failures:
        print(f"FAILED {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
