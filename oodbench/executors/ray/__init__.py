"""Executor on a Ray cluster. `executor` and `dispatch` run in the driver, `worker` runs in the actors."""
