"""`novai models …`: the models of a running installation, through its administration API."""
