"""Runs the same programs traced in several ways and untraced, in processes of their own, and compares everything."""
