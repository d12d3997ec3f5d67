"""Executors: where the batches of a run are scored."""
