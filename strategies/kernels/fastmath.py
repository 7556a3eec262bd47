"""What kernels may do with a sum."""

from typing import Final

REASSOCIATE: Final = {"reassoc", "contract", "nsz"}
"""Sums of a dot product may be taken in vector lanes. The order of the lanes is fixed when it is
compiled: the bits depend on the two vectors alone, and these may change places."""
