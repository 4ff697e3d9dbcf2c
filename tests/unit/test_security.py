"""Who may call."""

import pytest

from infra.security import fingerprint, key_of, may_call
from infra.settings import Settings


def test_without_a_key_nobody_may_call_even_where_a_key_is_empty():
    assert not may_call(key_of({}), [""])
    assert may_call(key_of({"authorization": "Bearer k"}), ["k"])


def test_a_key_file_left_empty_is_an_error_that_names_it(tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "api-key").touch()
    with pytest.raises(ValueError, match="api-key is empty"):
        _ = Settings(var=tmp_path, api_keys="").keys


def test_a_folders_own_key_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    (first,) = Settings(var=tmp_path, api_keys="").keys
    assert Settings(var=tmp_path, api_keys="").keys == (first,)
    assert (tmp_path / "keys" / "api-key").stat().st_mode & 0o077 == 0


def test_a_key_says_behind_a_colon_whether_it_may_see_personal_values(tmp_path):
    known = Settings(var=tmp_path, api_keys="old, see:personal,count:plain,both,both:plain,a:b")
    assert known.keys == ("old", "see", "count", "both", "a:b")
    assert known.personal_keys == {"old", "see", "a:b"}
    own = Settings(var=tmp_path, api_keys="")
    assert own.personal_keys == set(own.keys)


def test_commands_take_the_first_key_that_sees_personal_values(tmp_path):
    for given, first in (
        ("a:plain,b,c", "b"),
        ("b:plain,a:plain", "b"),
        ("z,y,x:plain", "z"),
        ("a,a:plain,c", "c"),
    ):
        assert Settings(var=tmp_path, api_keys=given).first_key == first


def test_a_fingerprint_names_a_key_and_does_not_tell_it():
    assert fingerprint("secret") == fingerprint("secret") != fingerprint("Secret")
    assert "secret" not in fingerprint("secret")
