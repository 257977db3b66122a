"""`novai batch`: a client of /v1/files and /v1/batches. It knows HTTP and nothing of the server."""
