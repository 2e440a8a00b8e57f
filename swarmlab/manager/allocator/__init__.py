"""The allocator: networks, addresses, virtual IPs and published ports.

Source: swarmkit manager/allocator.
"""
