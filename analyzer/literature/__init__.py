"""What others published of these networks: figures, counting rules, claims, and how they agree with ours."""
