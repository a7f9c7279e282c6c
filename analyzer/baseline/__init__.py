"""The figures that a CI compares with, and the budgets that none may exceed."""
