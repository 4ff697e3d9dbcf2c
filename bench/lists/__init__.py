"""`python -m bench.lists [MEMBERS]`: pulling a long list over HTTP, in every format."""
