"""Explicit gradients in SymPy, independent of ``theory.backprop``."""

from theory.symbolic.gradient_field import GradientField as GradientField
from theory.symbolic.gradient_field import Layer as Layer
from theory.symbolic.gradient_field import gradient_field as gradient_field
