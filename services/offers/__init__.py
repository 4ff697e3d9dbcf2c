"""What is offered to customers: defined in the rules, chosen for one customer, recorded, and learnt from."""
