"""What a customer will be worth: purchases to come, money per purchase, and how well both were foretold."""
