"""Versions: which Docker Engine a simulated engine says it is, and which API it speaks."""

DOCKER_VERSION = "28.2.2"
ENGINE_VERSION = f"{DOCKER_VERSION}+swarmlab"
API_VERSION, API_VERSION_MIN = "1.50", "1.24"
