"""The workers: projector, policies and sweep, hosted by faust, or plain where there is no broker."""
