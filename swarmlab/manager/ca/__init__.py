"""The certificate authority: certificates, join tokens, root rotation, data keys.

Source: swarmkit ca.
"""
