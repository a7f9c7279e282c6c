"""The live network: everything that needs torch, and the only folder that imports it."""
