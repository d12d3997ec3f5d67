"""Anomaly scoring methods, one file per method. The registry finds them; see oodbench.contracts.method."""

if not __name__.startswith("oodbench."):
    raise ImportError(
        f"{__name__} is a part of oodbench, and a second copy of its classes would not equal the first: "
        f"import it as oodbench.{__name__}"
    )
