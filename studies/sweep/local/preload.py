"""Imported by a worker of this machine as soon as it is started: what it trains with, before anything is asked of it.

Nothing of what is imported is garbage, so the collector that would look for it, again and again, waits; it then
leaves alone what has been imported.
"""

import gc
from importlib import import_module

gc.disable()
try:
    import_module("studies.sweep.tune")
finally:
    gc.freeze()
    gc.enable()
