"""Closed-form costs of a Graph: shapes, parameters, MACs, activations, receptive field. Plain integers, no torch."""
