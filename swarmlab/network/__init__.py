"""The overlay data plane: which task a request reaches, and what becomes of it."""
