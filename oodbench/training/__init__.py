"""Fits networks. Needs the extra `oodbench[train]`; running what was trained does not."""
