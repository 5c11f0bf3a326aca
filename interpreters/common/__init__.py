"""What the interpreters' commands share."""
