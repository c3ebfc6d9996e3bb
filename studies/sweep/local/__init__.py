"""Ray on this machine alone: started with what it needs here and no more, its workers ready as early as can be."""
