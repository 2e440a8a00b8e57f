"""What the images hold: the programs that simulated containers run."""
