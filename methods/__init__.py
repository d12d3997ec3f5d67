"""Anomaly scoring methods, one file per method. The registry finds them; see oodbench.contracts.method."""

if not __name__.startswith("oodbench."):
    raise ImportError(f"import it as oodbench.{__name__}: a second copy of every class would not be the same class")
