"""A user's own code: found by ``package.module:name``, and told apart from its other versions by its source.

``names`` finds an object, in this process or as another one has sent it; ``source`` digests the files that it is in.
"""
