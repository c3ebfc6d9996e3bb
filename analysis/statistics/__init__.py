"""Intervals, tests, cross-fitting and Pareto fronts, which know no optimizer: numbers in, numbers out."""
