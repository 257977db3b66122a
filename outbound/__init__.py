"""Calling what others point at. The one thing that the edge and what is behind it share beside `proto/`: who may be
called is decided in one place."""
