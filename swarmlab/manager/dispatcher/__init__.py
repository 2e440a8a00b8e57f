"""The dispatcher: agents' sessions, heartbeats and assignments.

Source: swarmkit manager/dispatcher.
"""
