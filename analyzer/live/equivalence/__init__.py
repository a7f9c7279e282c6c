"""The proof that ResNeXt's three forms are one function."""
