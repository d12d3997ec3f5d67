"""Recognition of copies of benchmarks by the digests of their frames."""
