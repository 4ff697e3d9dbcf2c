"""Who may call."""

import pytest

from infra.security import key_of, may_call
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
    assert Settings(var=tmp_path, api_keys="").keys == {first}
    assert (tmp_path / "keys" / "api-key").stat().st_mode & 0o077 == 0
