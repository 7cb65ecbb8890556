"""Benchmarks: what impactkit takes beside the least work that gives the same answer, and beside other packages."""
