"""Storage of the artifacts of a run."""
