"""What a treatment changes, and for whom: learned from those who were held out by chance."""
