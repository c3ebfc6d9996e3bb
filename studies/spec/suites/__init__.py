"""Suites: one study file with several workloads, each of which is a study with keys of its own."""
