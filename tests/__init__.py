"""A package, so that no installed package called tests hides it from worker processes."""
