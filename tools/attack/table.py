"""Table of a ledger in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tools.attack.ledger import FAULTS, Trial

Counts = Mapping[str, Counter[str]]
"""Number of each verdict, by subject."""


def make_table(trials: Sequence[Trial]) -> str:
    """Return one table per campaign: its subjects, the verdicts, and the number of faults."""
    commits = sorted({trial.commit for trial in trials})
    parts = [f"Commits: {', '.join(f'`{commit}`' for commit in commits)}."]
    for campaign in dict.fromkeys(trial.campaign for trial in trials):
        ours = [trial for trial in trials if trial.campaign == campaign]
        parts.append(f"### {campaign.capitalize()}\n\n{_make_part(ours)}")
    return "\n\n".join(parts)


def _make_part(trials: Sequence[Trial]) -> str:
    counts: dict[str, Counter[str]] = {}
    for trial in trials:
        for finding in trial.findings:
            counts.setdefault(finding.subject, Counter())[finding.verdict] += 1
    total = sum(counts.values(), Counter[str]())
    seeds = ", ".join(map(str, sorted({trial.seed for trial in trials})))
    said = (
        f"{len(trials)} trials with {sum(total.values())} verdicts, seeds {seeds}; "
        f"{sum(total[fault] for fault in FAULTS)} faults."
    )
    has_verbs = all(": " in subject for subject in counts)
    return "\n".join([said, "", *(_make_matrix(counts) if has_verbs else _make_list(counts))])


def _make_list(counts: Counts) -> list[str]:
    """Return the lines of a table with one row per subject."""
    lines = ["| subject | what happened | faults |", "|---|---|---|"]
    for subject in sorted(counts):
        faults = {fault: counts[subject][fault] for fault in FAULTS if counts[subject][fault]}
        right = Counter({verdict: count for verdict, count in counts[subject].items() if verdict not in FAULTS})
        lines.append(f"| {subject} | {_describe(right)} | {_describe(Counter(faults)) or 0} |")
    return lines


def _make_matrix(counts: Counts) -> list[str]:
    """Return the lines of a table with one row per kind and one column per verb of the subjects `kind: verb`."""
    pairs = {tuple(subject.split(": ", 1)): found for subject, found in counts.items()}
    verbs = sorted({verb for _, verb in pairs})
    lines = [f"| | {' | '.join(verbs)} |", f"|{'---|' * (len(verbs) + 1)}"]
    for kind in sorted({kind for kind, _ in pairs}):
        cells = [_describe(pairs.get((kind, verb), Counter())) for verb in verbs]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return lines


def _describe(found: Counter[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in found.most_common())
