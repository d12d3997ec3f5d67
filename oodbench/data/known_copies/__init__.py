"""Recognition of published and circulating copies of benchmarks by the digests of their frames."""
