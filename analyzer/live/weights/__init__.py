"""Weights in and out: torchvision's, timm's, Keras's and TF-Slim's files."""
