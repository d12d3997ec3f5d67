"""Table of a ledger in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tools.attack.ledger import FAULTS, Trial


def make_table(trials: Sequence[Trial]) -> str:
    """Return one table per campaign: subjects, their verdicts and the number of faults."""
    commits = sorted({trial.commit for trial in trials})
    parts = [f"Commits: {', '.join(f'`{commit}`' for commit in commits)}."]
    for campaign in dict.fromkeys(trial.campaign for trial in trials):
        ours = [trial for trial in trials if trial.campaign == campaign]
        parts.append(f"## {campaign.capitalize()}\n\n{_make_part(ours)}")
    return "\n\n".join(parts)


def _make_part(trials: Sequence[Trial]) -> str:
    counts: dict[str, Counter[str]] = {}
    for trial in trials:
        for finding in trial.findings:
            counts.setdefault(finding.subject, Counter())[finding.verdict] += 1
    total = sum(counts.values(), Counter[str]())
    seeds = sorted({trial.seed for trial in trials})
    lines = [
        f"{len(trials)} trials, seeds {', '.join(map(str, seeds))}; {sum(total[fault] for fault in FAULTS)} faults.",
        "",
        "| subject | what happened | faults |",
        "|---|---|---|",
    ]
    for subject in sorted(counts):
        found = counts[subject]
        said = ", ".join(f"{count} {verdict}" for verdict, count in found.most_common() if verdict not in FAULTS)
        faults = ", ".join(f"{found[fault]} {fault}" for fault in FAULTS if found[fault]) or "0"
        lines.append(f"| {subject} | {said} | {faults} |")
    return "\n".join(lines)
