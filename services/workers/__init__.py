"""The workers: projector, policies, sweep and search, hosted by faust, or plain where there is no broker."""
