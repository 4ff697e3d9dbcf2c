"""One process and its parent: signs of life, who is stuck, who is started again."""
