"""Training: settings of a trial, one trial at a time, many as a pack, and the choice between the two."""

from robustness.training.checkpoints import Checkpoint
from robustness.training.checks.factory import TaskUnfitError
from robustness.training.checks.passed import preflight_once
from robustness.training.checks.preflight import OptimizerUnfitError, preflight
from robustness.training.engine import ENGINES, Engine, choose
from robustness.training.functions.driving import train_function
from robustness.training.functions.run import Run
from robustness.training.graphs.identity import processor
from robustness.training.packs.ahead import build_ahead
from robustness.training.packs.columns import signature
from robustness.training.packs.trainer import PackTrainer
from robustness.training.process import keep_freed_memory, one_thread, warm_up
from robustness.training.results import CurvePoint, MomentSpread, TrialResult
from robustness.training.schedules.schedule import Schedule
from robustness.training.settings import Training, TrialSettings
from robustness.training.timing import sequential_seconds
from robustness.training.trial import train

__all__ = [
    "ENGINES",
    "Checkpoint",
    "CurvePoint",
    "Engine",
    "MomentSpread",
    "OptimizerUnfitError",
    "PackTrainer",
    "Run",
    "Schedule",
    "TaskUnfitError",
    "Training",
    "TrialResult",
    "TrialSettings",
    "build_ahead",
    "choose",
    "keep_freed_memory",
    "one_thread",
    "preflight",
    "preflight_once",
    "processor",
    "sequential_seconds",
    "signature",
    "train",
    "train_function",
    "warm_up",
]
