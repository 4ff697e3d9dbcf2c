"""Which kinds of senders there are."""

from services.gateway.connectors import (
    asterisk_cdr,
    asterisk_queue_log,
    chatwoot,
    connect,
    sendgrid,
    twilio,
    wechat,
)
from services.gateway.connectors.connector import Connector

CONNECTORS: dict[str, Connector] = {
    one.kind: one
    for one in (
        asterisk_cdr.CONNECTOR,
        asterisk_queue_log.CONNECTOR,
        chatwoot.CONNECTOR,
        connect.CONNECTOR,
        sendgrid.CONNECTOR,
        twilio.CONNECTOR,
        wechat.CONNECTOR,
    )
}

BY_LINE = frozenset({asterisk_cdr.CONNECTOR.kind, asterisk_queue_log.CONNECTOR.kind})
"""Kinds that write a file, an event a line: it can be followed, and imported when it is whole."""

IN_FILES = BY_LINE | {connect.CONNECTOR.kind}
"""Kinds whose past is kept in files: Amazon's records are, and they are read whole."""
