"""Kernels for times to an event: risk sets, curves and models, on arrays that know no design."""
