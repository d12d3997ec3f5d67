"""Adapters that bring in networks, one file a format. The registry finds them; see oodbench.contracts.segmenter."""
