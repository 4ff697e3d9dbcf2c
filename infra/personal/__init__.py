"""Personal values once they are kept: opened, revealed, exported, kept for so long, erased."""
