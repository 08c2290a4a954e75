"""For how long a ReLU unit is frozen, with proofs (E2c).

"Dead on this batch" is a symptom. A certificate says of which inputs, and for how long:

    domain      z ≤ 0 for every input of a domain, at these parameters
    radius      the same, and for all other parameters within r of their present values
    persistent  the same, whatever values the other parameters take

With z ≤ 0 the unit's derivative is 0 (φ'(0) = 0 by convention), so its own incoming parameters do
not move as long as the certificate holds.
"""

from numerics.frozen.certificate import FrozenCertificate as FrozenCertificate
from numerics.frozen.certificate import NotFrozen as NotFrozen
from numerics.frozen.certificate import Unknown as Unknown
from numerics.frozen.decide import frozen_certificate as frozen_certificate
from numerics.frozen.persistent import held_radius as held_radius
from numerics.frozen.persistent import persistent_units as persistent_units
from numerics.frozen.units import ReluUnits as ReluUnits
