"""The program that fits the predictor's efficiencies to published tables; it alone needs NumPy and SciPy."""
