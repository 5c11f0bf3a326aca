"""What runs inside the measured processes; plain Python 3.9, so that PyPy can run it too."""
