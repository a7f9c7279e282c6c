"""The other identities of these networks, proved at their sites in one network."""
