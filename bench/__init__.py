"""Benchmarks: `make bench`. Server CPU per request, side by side with nginx in one interleaved run."""
