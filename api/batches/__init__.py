"""Batches, as workers run them: the same services as requests, unattended."""
