"""The next best offer: what each would bring with this customer, which to make, and what choosing so is worth."""
