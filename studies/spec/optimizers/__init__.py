"""What a study says of its optimizers: entries and their variations, a user's own code, and what is wrong with them."""
