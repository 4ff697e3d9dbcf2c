"""What a user would pick instead, each as its own documentation recommends, on the same events and databases.

They run as programs of their own, partly in another environment, so nothing here imports anything of ours.
"""
