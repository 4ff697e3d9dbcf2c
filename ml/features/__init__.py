"""The features, a module a subject: each is defined here and only here."""
