"""A training function in the place of a task: its keys, the metric that it reports, and what it does itself."""
