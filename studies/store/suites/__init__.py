"""Folders of suites: a suite's file, and a folder of a study for each of its workloads."""
