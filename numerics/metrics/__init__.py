"""Symptoms of lost plasticity: the paper's metrics, and beside each one what it misses.

A metric is a number computed from samples; a certificate (:mod:`numerics.refinement`,
:mod:`numerics.frozen`) is a statement about all of them. All metrics take values of one axis of
units as arrays ``(…, samples, units)`` and keep the leading axes (networks of an ensemble, say).
"""

from numerics.metrics.calibrated import adjusted_cloning_r2 as adjusted_cloning_r2
from numerics.metrics.calibrated import calibrated_cloning_r2 as calibrated_cloning_r2
from numerics.metrics.calibrated import calibrated_stable_rank as calibrated_stable_rank
from numerics.metrics.calibrated import chance_cloning_r2 as chance_cloning_r2
from numerics.metrics.calibrated import chance_cosine as chance_cosine
from numerics.metrics.calibrated import chance_stable_rank as chance_stable_rank
from numerics.metrics.calibrated import clone_units as clone_units
from numerics.metrics.calibrated import correlation as correlation
from numerics.metrics.calibrated import flat_units as flat_units
from numerics.metrics.calibrated import incoming_cosine as incoming_cosine
from numerics.metrics.calibrated import misleading_ratio as misleading_ratio
from numerics.metrics.paper import cloning_r2 as cloning_r2
from numerics.metrics.paper import cosine as cosine
from numerics.metrics.paper import dead_units as dead_units
from numerics.metrics.paper import duplicate_units as duplicate_units
from numerics.metrics.paper import effective_rank as effective_rank
from numerics.metrics.paper import saturated_units as saturated_units
from numerics.metrics.paper import stable_rank as stable_rank
from numerics.metrics.signals import Signals as Signals
from numerics.metrics.signals import activations as activations
from numerics.metrics.signals import signals as signals
