"""Progress output of the command line on standard error: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from oodbench.text import escape_controls

if TYPE_CHECKING:
    from oodbench.runs.run import Run

# Interval between two plain lines of one task, in seconds.
_INTERVAL = 10.0


class PlainProgress:
    """Progress as plain lines, for logs and pipes."""

    def say(self, text: str) -> None:
        """Print one line of progress."""
        print(escape_controls(text, "\n\t"), file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.say(f"warning: {text}")

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """Print the progress of a task every ten seconds, and its duration at the end."""
        start = last = time.monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, last
            done += count
            now = time.monotonic()
            if now - last >= _INTERVAL and done < total:
                last = now
                rate = done / (now - start)
                self.say(f"{title}: {done}/{total} {unit}, {rate:.2f} per second, {(total - done) / rate:.0f} s left")

        yield advance
        seconds = time.monotonic() - start
        self.say(f"{title}: {done}/{total} {unit} in {seconds:.1f} s")


class BarProgress:
    """Progress as a bar with rate and remaining time, for a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)

    def say(self, text: str) -> None:
        """Print one line above the bar."""
        self._print(text)

    def warn(self, text: str) -> None:
        """Print a warning above the bar."""
        self._print(f"warning: {text}", style="yellow")

    def _print(self, text: str, style: str | None = None) -> None:
        text = escape_controls(text, "\n\t")
        self._console.print(text, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """Show a bar while a task runs."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        def format_rate(done: float, seconds: float | None) -> str:
            return f"{done / seconds:.1f} {unit}/s" if done and seconds else ""

        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeft(),
            console=self._console,
        ) as bar:
            task = bar.add_task(escape_controls(title), total=total, rate="")

            def advance(count: int) -> None:
                state = bar.tasks[0]
                bar.update(task, advance=count, rate=format_rate(state.completed + count, state.elapsed))

            yield advance


def print_run(run: Run, *, as_json: bool) -> None:
    """Print a run's table, or its result.json, to standard output."""
    text = (
        json.dumps(run.content.model_dump(mode="json"), indent=1) + "\n"
        if as_json
        else run.registry.report("terminal").text(run)
    )
    print(text, end="")


def say_reports(run: Run, progress: PlainProgress | BarProgress) -> None:
    """Print the folder of a run's tables and figures, if its store has one."""
    if run.store.reports is not None:
        progress.say(f"table and figures: {run.store.reports}")


def make_progress() -> PlainProgress | BarProgress:
    """Return a progress bar if standard error is a terminal, and plain lines otherwise."""
    return BarProgress() if sys.stderr.isatty() else PlainProgress()
