"""Example interpreters, each as its author might have written it, plus the hints of metatracer."""
