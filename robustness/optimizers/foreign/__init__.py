"""Optimizers that this project has not written: torch's, and a user's own.

``torch_rules`` has the rules of torch's classes, ``muon`` makes Muon train any model, ``closures`` says which
optimizers evaluate the model themselves, and ``codes`` tells one version of a class from another.
"""
