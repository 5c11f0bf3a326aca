"""Trace in, better trace out."""
