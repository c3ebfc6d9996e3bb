"""Training functions of a user's own: what one is given, what it reports, what it may forget, how it is driven."""
