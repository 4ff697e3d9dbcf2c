"""WeChat's XML: one level of elements; a document type, or an entity, is an attack."""

from urllib.parse import parse_qsl
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from services.gateway.connectors.connector import Call, Refusal, Unmapped


def body(raw: bytes) -> dict[str, str]:
    """The elements' texts by name. Raises `Unmapped`, and `Refusal` for what is made to do harm."""
    try:
        root = fromstring(raw, forbid_dtd=True)
    except DefusedXmlException:
        raise Refusal(403, "xml_forbidden", "XML with a document type or entities is not read") from None
    except (ParseError, ValueError, LookupError):  # an encoding that nobody knows is a LookupError
        raise Unmapped("invalid", "$", "Expected XML") from None
    return {child.tag: (child.text or "").strip() for child in root}


def query(call: Call) -> dict[str, str]:
    """The query's fields; where one comes twice, the first."""
    try:
        return dict(reversed(parse_qsl(call.query, keep_blank_values=True, max_num_fields=50)))
    except ValueError:  # too many of them
        return {}
