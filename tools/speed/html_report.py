"""Duration of writing the HTML report, its size, and its response times in the browser.

    python -m tools.speed.html_report [--frames 100] [--methods 8] [--out FOLDER] [--page FILE]

Frames of 1024 x 2048 and their maps are generated in memory. The program writes the whole page, with the comparison of
all pairs of methods, and opens it in a headless browser. It prints these measurements:

- the time from loading the page to the first rendered frame, and the longest task until then;
- the time from a move of the threshold, and of the line between two layers, to the picture on the screen;
- the time that the page's main thread worked for each move, which other processes disturb less;
- the longest gap between two pictures while the page is scrolled from top to bottom.

With `--page` it opens an existing page instead of writing one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from oodbench.registry import Registry
from tests.helpers.browser import Page, browser
from tools.speed.generated_run import GeneratedRun

_BUSY = """
const done = arguments[0];
new PerformanceObserver((list) => done(Math.max(0, ...list.getEntries().map((entry) => entry.duration))))
  .observe({ type: "longtask", buffered: true });
setTimeout(() => done(0), 500);
"""
_MOVES = """
const [selector, moves, done] = arguments;
const slider = document.querySelector(selector);
const [low, high] = [Number(slider.min), Number(slider.max)];
const took = [];
const next = (move) => {
  if (move === moves) return done(took);
  const start = performance.now();
  slider.value = low + Math.round((high - low) * ((move * 0.618) % 1));
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () => {
    took.push(performance.now() - start);
    next(move + 1);
  }; c.port2.postMessage(0); });
};
next(0);
"""
_SCROLL = """
const done = arguments[0];
const gaps = [];
let last = performance.now();
document.documentElement.style.scrollBehavior = "auto";
scrollTo(0, 0);
const next = (now) => {
  gaps.push(now - last);
  last = now;
  const before = scrollY;
  scrollBy(0, 60);
  if (scrollY === before) return done(gaps.slice(1));
  requestAnimationFrame(next);
};
requestAnimationFrame(next);
"""


def write_report(frames: int, methods: int, out: Path) -> Path:
    run = GeneratedRun(frames, methods)
    assert run.results
    clock, processor = time.perf_counter(), time.process_time()
    path, *others = Registry().report("html").write(run, out)
    spent, cpu = time.perf_counter() - clock, time.process_time() - processor
    size = sum(file.stat().st_size for file in (path, *others))
    print(f"written from {frames} frames, {methods} methods: {spent:.0f} s wall-clock time, {cpu:.0f} s CPU time, "
          f"{os.cpu_count()} cores; {size / 1e6:.1f} MB, {1 + len(others)} files")  # fmt: skip
    return path


def measure_page(page: Page, path: Path) -> None:
    page.size(1280, 900)
    page.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    clock = time.perf_counter()
    page.open(path)
    opened = time.perf_counter() - clock
    print(
        f"opened: {opened:.1f} s to the first frame; busy without a pause for {run_script(page, _BUSY):.0f} ms at most"
    )
    for name, selector in {"threshold": "#threshold", "line between layers": "#wipe"}.items():
        before = read_main_thread_time(page)
        took = run_script(page, _MOVES, selector, 60)
        each = 1000 * (read_main_thread_time(page) - before) / len(took)
        print(f"{name} moved: {statistics.median(took):.0f} ms in the median, {max(took):.0f} ms at most of "
              f"{len(took)}; {each:.0f} ms of the main thread")  # fmt: skip
    gaps = run_script(page, _SCROLL)
    print(f"scrolled: {statistics.median(gaps):.0f} ms between two pictures in the median, {max(gaps):.0f} ms at most")


def read_main_thread_time(page: Page) -> float:
    """Return the seconds that the main thread has worked."""
    metrics = page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


def run_script(page: Page, script: str, *arguments: Any) -> Any:
    page.driver.set_script_timeout(300)
    return page.driver.execute_async_script(script, *arguments)  # type: ignore[no-untyped-call]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--methods", type=int, default=8)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.out or Path(scratch)
        path = options.page or write_report(options.frames, options.methods, folder)
        with browser(Path(scratch) / "profile") as page:
            measure_page(page, path)


if __name__ == "__main__":
    main()
