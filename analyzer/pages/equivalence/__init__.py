"""The page Equivalence: one block in three forms, the whole network, and the other identities."""
