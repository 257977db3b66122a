"""One machine's models: a worker process each, watched and restarted."""
