"""Training: settings of a trial, one trial at a time, many as a pack, and the choice between the two."""

from robustness.training.engine import ENGINES, Engine, choose
from robustness.training.pack import PackTrainer, blocks, signature
from robustness.training.process import keep_freed_memory, one_thread
from robustness.training.results import CurvePoint, MomentSpread, TrialResult
from robustness.training.settings import Schedule, TrialSettings
from robustness.training.trial import train

__all__ = [
    "ENGINES",
    "CurvePoint",
    "Engine",
    "MomentSpread",
    "PackTrainer",
    "Schedule",
    "TrialResult",
    "TrialSettings",
    "blocks",
    "choose",
    "keep_freed_memory",
    "one_thread",
    "signature",
    "train",
]
