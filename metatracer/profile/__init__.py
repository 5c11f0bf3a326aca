"""What is known of how often code runs, and what follows from it: counts, phases, and which root a loop should have.

Nothing here touches machine code or the interpreter: the runtime brings the counts and carries out the decisions.
"""
