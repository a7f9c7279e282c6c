"""The other identities of these networks, proved at their places in one network."""
