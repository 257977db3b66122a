"""Methods of resources that do more than one call does. Written by hand; a resource that the spec has gets those of the
file with its name."""
