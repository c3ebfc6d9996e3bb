"""Tasks of language: the next character of a text, and the next token by a model that is there already."""
