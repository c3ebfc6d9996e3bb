"""Intervals, tests and fronts that know no optimizer: numbers in, numbers out."""
