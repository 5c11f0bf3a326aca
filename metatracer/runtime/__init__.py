"""What happens while a program runs: portals, counting, entering and leaving machine code, invalidation."""
