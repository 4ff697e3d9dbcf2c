"""How fast each path is: beside the bare parts it is made of, and beside what a user would pick instead."""
