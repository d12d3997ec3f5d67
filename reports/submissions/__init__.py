"""Leaderboard submissions, one folder per leaderboard."""
