"""Optimizers whose robustness is studied, each rule written once for one model or for many at a time.

``OPTIMIZERS`` maps names to classes, ``RULES`` to the mathematics alone (``robustness.optimizers.rule``).
"""

from robustness.optimizers.ada2ms import Ada2MS
from robustness.optimizers.adamnx import AdamNX
from robustness.optimizers.adamomentum import AdaMomentum
from robustness.optimizers.base import RuleOptimizer
from robustness.optimizers.building import arguments, build
from robustness.optimizers.dual_adam import DualAdam
from robustness.optimizers.exponent_plane import ExponentPlane
from robustness.optimizers.foreign.muon import Muon
from robustness.optimizers.inv_adam import InvAdam
from robustness.optimizers.registry import OPTIMIZERS, RULES, code_of, find, rule_of
from robustness.optimizers.rule import Rule, advance, begin, finish
from robustness.optimizers.sgdw import SGDW
from robustness.optimizers.signature import REQUIRED, Signature, hyperparameters, signature, split_betas
from robustness.optimizers.smes import SMES

__all__ = [
    "OPTIMIZERS",
    "REQUIRED",
    "RULES",
    "SGDW",
    "SMES",
    "Ada2MS",
    "AdaMomentum",
    "AdamNX",
    "DualAdam",
    "ExponentPlane",
    "InvAdam",
    "Muon",
    "Rule",
    "RuleOptimizer",
    "Signature",
    "advance",
    "arguments",
    "begin",
    "build",
    "code_of",
    "find",
    "finish",
    "hyperparameters",
    "rule_of",
    "signature",
    "split_betas",
]
