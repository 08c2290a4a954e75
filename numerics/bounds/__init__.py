"""Proved bounds on what a network computes: for boxes of inputs, of parameters, or both."""

from numerics.bounds.domain import Box as Box
from numerics.bounds.domain import Data as Data
from numerics.bounds.domain import Domain as Domain
from numerics.bounds.interval import Interval as Interval
from numerics.bounds.interval import hull as hull
from numerics.bounds.interval import intersection as intersection
from numerics.bounds.linear import Propagator as Propagator
