"""Programs that stand beside the package: what they need is in no wheel."""
