"""The families' own code run on symbolic integers, so that figures become polynomials."""
