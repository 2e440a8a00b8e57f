"""One scenario on a simulated and on a real cluster, side by side."""
