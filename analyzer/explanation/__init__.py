"""How each number comes about, and what a difference is due to: the cost formulas run on integers that remember."""
