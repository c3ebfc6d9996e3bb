"""Functions on tensors of fixed shapes as compiled graphs on disk, made by one process and loaded by others.

``lowering`` turns functions into calls of kernels, ``building`` compiles the kernels, ``loading`` runs what was
compiled, ``library`` keeps it under what ``identity`` says of a task.
"""
