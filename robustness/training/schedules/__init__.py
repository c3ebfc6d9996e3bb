"""Learning-rate schedules: shapes that have a name, and one shape with its numbers, checked, as a trial has it."""
