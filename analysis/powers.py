"""Text and ticks for quantities that are spaced by powers of ten."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def power_of_ten(value: float) -> str:
    """Write a value as a power of ten where it is one, in matplotlib's mathematical text.

    1e-4 becomes `10^{-4}`, half a decade `10^{-3.5}`, 0 and numbers from 1 to 10 stay as they are, 2e-4 becomes
    `2 x 10^{-4}` and null becomes `none`.
    """
    if np.isnan(value):
        return "none"
    if value == 0:
        return "0"
    exponent = float(np.log10(value))
    half = round(2 * exponent) / 2
    if abs(exponent - half) < 1e-3:
        return f"$10^{{{half:g}}}$" if half else "1"
    power = int(np.floor(exponent))
    if power == 0:
        return f"{value:.3g}"
    return rf"${value / 10.0**power:.3g}\times10^{{{power}}}$"


def decade_ticks(values: Sequence[float], most: int = 5) -> list[float]:
    """Choose the learning rates to label on a log axis.

    Args:
        values: The positive values on the axis.
        most: The largest number of ticks.

    Returns:
        Whole powers of ten between the smallest and the largest value, every second or third where there are
        more than `most`; where fewer than two fit in, the values themselves, thinned likewise.
    """
    exponents = np.log10(np.sort(np.asarray(values, dtype=float)))
    whole = np.arange(np.ceil(exponents[0] - 1e-6), np.floor(exponents[-1] + 1e-6) + 1)
    ticks = whole if len(whole) >= 2 else exponents
    step = -(-len(ticks) // most)
    return [float(10.0**exponent) for exponent in ticks[::step]]


def midpoint_edges(centres: np.ndarray) -> np.ndarray:
    """Return the edges of cells that meet halfway between sorted centres; a single cell is 0.5 wide."""
    if len(centres) == 1:
        return centres[0] + np.array([-0.25, 0.25])
    middle = (centres[:-1] + centres[1:]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
