"""Numerical kernels: arrays in, small frozen results out; they know nothing of designs or tables."""
