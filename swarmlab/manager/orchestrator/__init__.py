"""Orchestrators and the control loops around them: from services to tasks.

Source: swarmkit manager/orchestrator.
"""
