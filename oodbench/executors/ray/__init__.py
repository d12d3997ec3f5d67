"""Executor that scores batches on the workers of a Ray cluster."""
