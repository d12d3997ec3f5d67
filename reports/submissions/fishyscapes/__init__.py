"""The Fishyscapes leaderboard."""
