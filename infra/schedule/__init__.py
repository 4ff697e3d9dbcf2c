"""What runs by itself at set times: which jobs there are, whose turn it is, and running one."""
