"""Parts of the evaluation stage: measurements, metrics of objects, sketches, breakdowns."""
