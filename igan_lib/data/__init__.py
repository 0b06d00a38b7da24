"""Domains and pairs of domains, and the backbones that turn photographs into features."""
