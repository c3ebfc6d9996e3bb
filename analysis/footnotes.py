"""What every figure and table has to say about the optimizers in it."""

REIMPLEMENTED = "ada2ms"
FOOTNOTE = "Ada2MS: our reimplementation from the abstract"
