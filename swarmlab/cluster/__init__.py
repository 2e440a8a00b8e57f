"""The simulated cluster that users create, break, save and replay; and the current cluster."""
