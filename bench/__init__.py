"""Benchmarks: every figure is a ratio against a reference that ran in the same run, interleaved with it."""
