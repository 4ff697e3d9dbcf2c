"""Target lists: candidates gathered as of a moment, frozen, published once, pulled."""
