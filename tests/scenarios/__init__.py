"""What must hold for any interpreter, each in a small portal of its own."""
