"""Views filled anew beside the live ones: plan, fill, follow, difference, swap; and views compared with the journal."""
