"""Parts of the status of a run."""
