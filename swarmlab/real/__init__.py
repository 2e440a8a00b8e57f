"""Real engines: launched on your own Docker, or those of a swarm that is there already."""
