"""Programs of somebody else's: each sends through an SDK as its maker delivers it."""
