"""The scale space of signals: crossings at every scale, their tree, and the most stable count."""

from core.scale_space.fingerprint import Fingerprint, Intervals, fingerprint
from core.scale_space.scales import ScaleParams, Status, checked_ladder, scales
from core.scale_space.stable import StableCount, StableParams, stable_count

__all__ = [
    "Fingerprint",
    "Intervals",
    "ScaleParams",
    "StableCount",
    "StableParams",
    "Status",
    "checked_ladder",
    "fingerprint",
    "scales",
    "stable_count",
]
