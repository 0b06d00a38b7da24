"""One run: a configuration in, one result file out; and notebooks that run headless."""
