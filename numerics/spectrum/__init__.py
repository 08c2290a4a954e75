"""Transverse spectra of cloned networks: the Hessian on the normal space, never formed in full."""

from numerics.spectrum.block import TransverseBlock as TransverseBlock
from numerics.spectrum.errors import SpectrumError as SpectrumError
from numerics.spectrum.off_blocks import ExtremePairs as ExtremePairs
from numerics.spectrum.off_blocks import TransverseOperator as TransverseOperator
from numerics.spectrum.panel import RowLabel as RowLabel
from numerics.spectrum.transverse import transverse_blocks as transverse_blocks
