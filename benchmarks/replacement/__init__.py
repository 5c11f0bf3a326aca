"""Programs whose loops do not go on as they began, and what replacing roots makes of them."""
