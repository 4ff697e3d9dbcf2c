"""Systems that call us in their own words: one declaration a vendor, one route for all of them."""
