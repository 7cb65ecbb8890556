"""One module for each piece of work that is timed; each has a ``case(size)`` that builds it."""
