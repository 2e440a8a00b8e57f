"""Versions: which Docker Engine a simulated engine says it is, and which API it speaks."""

DOCKER_VERSION = "28.2.2"
ENGINE_VERSION = f"{DOCKER_VERSION}+swarmlab"
API_VERSION, API_VERSION_MIN = "1.50", "1.24"

# Of real engines: the oldest whose swarm has all that this kit uses, and the image to launch.
REAL_DOCKER_MIN, REAL_API_VERSION_MIN = "20.10", (1, 41)
ENGINE_IMAGE = "docker:dind"
