"""What a study says of its optimizers: entries, their variations, a user's own code, and what is wrong."""
