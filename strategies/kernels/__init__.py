"""Compiled kernels: arrays and scalars in, arrays out; inputs are already checked."""
