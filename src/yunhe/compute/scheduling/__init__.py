"""Who runs next, where, and why the others wait: pure, so that a simulator runs the same code."""
