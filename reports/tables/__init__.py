"""Tables of results in several formats."""
