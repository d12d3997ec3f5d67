"""Attacks on oodbench: kills, damaged files, broken folders, hostile names, signals and full disks, from a seed.

    python -m tools.attack --ledger attack.jsonl
    python -m tools.attack --ledger attack.jsonl --table

Each trial is determined by its campaign, the seed and its number. The ledger is a file with one line per trial. The
same command again continues where it stopped, and trials of other seeds are added to it.
"""
