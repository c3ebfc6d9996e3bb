"""Training: settings of a trial, and the run itself."""

from robustness.training.results import CurvePoint, TrialResult
from robustness.training.settings import Schedule, TrialSettings
from robustness.training.trial import train

__all__ = ["CurvePoint", "Schedule", "TrialResult", "TrialSettings", "train"]
