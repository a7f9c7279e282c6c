"""The live network: modules built from a Graph, their facts, and ONNX files."""
