"""Models that other people's APIs compute: the same seam as for those that are computed here."""

from internal.inference.backends.upstream.backend import UpstreamBackend as UpstreamBackend
