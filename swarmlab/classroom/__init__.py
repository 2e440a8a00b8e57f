"""What `swarmlab class` writes for an instructor, and what the hub runs."""
