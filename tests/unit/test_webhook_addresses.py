"""Where a webhook may go."""

import pytest

from infra.webhooks.addresses import NotAllowed, allowed_hosts, expect_allowed, is_public, read_url, resolve
from models.errors import Refused

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",  # noqa: S104
    "100.64.0.1", "100.100.100.200", "192.0.0.8", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "168.63.129.16", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1",
    "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_the_internets_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_any_other_is(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "0x7f.1",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "0",
        "::1",
    ],
)
def test_however_it_is_written_a_machine_of_ours_is_not_resolved(host):
    with pytest.raises(NotAllowed):
        resolve(host, 443, frozenset())


def test_hosts_that_the_operator_named_may_be_anywhere():
    named = allowed_hosts("127.0.0.1, Hooks.Intern ,[::1],")
    assert named == {"127.0.0.1", "hooks.intern", "::1"}
    assert resolve("127.0.0.1", 80, named) == ["127.0.0.1"]
    assert read_url("http://127.0.0.1:8080/x", named).port == 8080
    assert read_url("http://[::1]:8080/x", named).hostname == "::1"
    with pytest.raises(NotAllowed):
        resolve("127.0.0.2", 80, named)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "url.invalid"), ("example.com", "url.invalid"), ("https://", "url.invalid"),
        ("https:///path", "url.invalid"), ("https://a.example/#part", "url.invalid"),
        ("https://a.example:0/", "url.invalid"), ("https://a.example:99999/", "url.invalid"),
        ("https://a.example:x/", "url.invalid"), ("https://a.example/\n", "url.invalid"),
        ("https://a.example/ b", "url.invalid"), ("https://\u00fc.example/", "url.invalid"),
        ("https://a.example\\@127.0.0.1/", "url.invalid"), ("https://[::1/", "url.invalid"),
        ("https://a..example/", "url.invalid"), ("https://" + "a" * 64 + ".example/", "url.invalid"),
        ("https://a.example/" + "x" * 2_000, "url.invalid"), ("https://ann:pw@a.example/", "url.credentials"),
        ("https://@a.example/", "url.credentials"), ("http://a.example/", "url.not_https"),
        ("ftp://a.example/", "url.not_https"), ("file:///etc/passwd", "url.invalid"),
        ("gopher://127.0.0.1/", "url.not_https"),
    ],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url, code):
    with pytest.raises(Refused) as refused:
        read_url(url, frozenset({"127.0.0.1"}))
    assert refused.value.code == code


def test_a_private_address_is_refused_at_once_and_not_repeated():
    with pytest.raises(Refused) as refused:
        expect_allowed("https://169.254.169.254/latest/meta-data", frozenset())
    assert refused.value.code == "url.not_allowed"
    assert "169" not in refused.value.detail
