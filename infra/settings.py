"""Settings from the environment; the first run needs none."""

import base64
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from zoneinfo import available_timezones

from phonenumbers import SUPPORTED_REGIONS
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PERSONAL, PLAIN = ":personal", ":plain"
"""After a key: whether it may see personal values. A key without either may."""


class Settings(BaseSettings):
    """What a process of one workspace needs to know. Every field is an environment variable."""

    model_config = SettingsConfigDict(env_prefix="TOUCHSTONE_", extra="ignore", populate_by_name=True)

    var: Path = Field(
        default=Path("var/touchstone"), description="Folder for local data, keys, logs, artifacts"
    )
    database_url: str = Field(
        default="", validation_alias="DATABASE_URL", description="PostgreSQL of the workspace"
    )
    vault_url: str = Field(default="", validation_alias="VAULT_URL", description="PostgreSQL of the vault")
    kafka_bootstrap: str = Field(
        default="", validation_alias="KAFKA_BOOTSTRAP", description="host:port of a broker"
    )
    topic_prefix: str = Field(default="touchstone", description="First part of every topic's name")
    host: str = Field(default="127.0.0.1", description="Address on which gateway, API and figures are served")
    gateway_port: int = Field(default=8471, description="HTTP port of the gateway")
    api_port: int = Field(default=8470, description="HTTP port of the API")
    metrics_port: int = Field(default=0, description="Where worker and relay serve /metrics; 0: nowhere")
    public_url: str = Field(
        default="", description="Where others reach the API; events then name their schemas there"
    )
    webhook_hosts: str = Field(
        default="",
        description="Hosts, separated by commas, that webhooks may go to whatever their addresses are",
    )
    region: str = Field(default="US", description="Region of phone numbers written without a country code")
    zone: str = Field(default="UTC", description="Zone of customers whose own is not known")
    sdk_issuer: str = Field(
        default="app", min_length=1, max_length=200,
        description="Issuer of the user, visitor and device ids that SDKs send",
    )  # fmt: skip
    workspace: Path | None = Field(default=None, description="TOML file with the workspace's rules")
    connectors: Path | None = Field(
        default=None, description="TOML file with the systems that may call /v1/connectors"
    )
    own: Path | None = Field(
        default=None, description="Folder with a data scientist's own features, labels and candidates"
    )
    lists: Path | None = Field(
        default=None, description="Folder with definitions of lists that are built on schedule"
    )
    archive_days: int = Field(
        default=35,
        ge=0,
        description="Days that backups of the vault are kept: till then what was erased is in them",
    )
    api_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Keys that may call, separated by commas; KEY:plain never sees a personal value, KEY and "
        "KEY:personal do",
    )
    reveal_values_per_minute: int = Field(
        default=10_000,
        ge=1,
        description="Personal values that one key may have opened by /v1/reveal in a minute",
    )
    master_key: SecretStr = Field(
        default=SecretStr(""), description="Base64 of the 32 bytes that wrap data keys"
    )
    matching_key: SecretStr = Field(
        default=SecretStr(""), description="Base64 of the 32 bytes that hash identifiers"
    )

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"{zone!r} is no time zone: write one like Europe/Berlin (TOUCHSTONE_ZONE)")
        return zone

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        if url and not url.startswith(("https://", "http://")):
            raise ValueError("write an address like https://api.example.com (TOUCHSTONE_PUBLIC_URL)")
        return url.rstrip("/")

    @field_validator("region")
    @classmethod
    def _known_region(cls, region: str) -> str:
        if region not in SUPPORTED_REGIONS:
            raise ValueError(f"{region!r} is no region: write two letters like DE (TOUCHSTONE_REGION)")
        return region

    @property
    def gateway_url(self) -> str:
        """Where senders reach the gateway on this machine."""
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def api_url(self) -> str:
        """Where readers reach the API on this machine."""
        return f"http://127.0.0.1:{self.api_port}"

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys that may call, each once, in the order given; without a setting, one made for this folder."""
        return tuple(dict.fromkeys(map(_key_of, self._given))) or (self._own,)

    @cached_property
    def personal_keys(self) -> frozenset[str]:
        """Those of the keys that may see personal values; one that is given twice has its lesser right."""
        plain = {_key_of(one) for one in self._given if one.endswith(PLAIN)}
        return frozenset(self.keys) - plain

    @property
    def first_key(self) -> str:
        """The key for this machine's own commands: the first that sees personal values, else the first."""
        return next((key for key in self.keys if key in self.personal_keys), self.keys[0])

    @property
    def _given(self) -> list[str]:
        return [key.strip() for key in self.api_keys.get_secret_value().split(",") if key.strip()]

    @property
    def _own(self) -> str:
        return self._kept("api-key", lambda: "ts_" + secrets.token_urlsafe(32))

    @cached_property
    def master(self) -> bytes:
        """The key that wraps every data key."""
        return self._key(self.master_key, "master-key")

    @cached_property
    def matching(self) -> bytes:
        """The key under which identifiers are hashed."""
        return self._key(self.matching_key, "matching-key")

    def _key(self, given: SecretStr, name: str) -> bytes:
        text = given.get_secret_value() or self._kept(
            name, lambda: base64.b64encode(secrets.token_bytes(32)).decode()
        )
        key = base64.b64decode(text)
        if len(key) != 32:
            raise ValueError(f"{name}: 32 bytes in base64 are wanted, this has {len(key)}")
        return key

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        """A secret of this folder, made at first need and readable by its owner alone."""
        path = self.var / "keys" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with NamedTemporaryFile("w", dir=path.parent) as file:  # made readable by its owner alone
                file.write(make())
                file.flush()
                with suppress(FileExistsError):  # another process was first: its secret stands
                    os.link(file.name, path)
        found = path.read_text().strip()
        if not found:
            raise ValueError(f"{path} is empty: put the secret back, or delete the file to have one made")
        return found


def _key_of(given: str) -> str:
    """The key itself, without what it may see."""
    return given.removesuffix(PERSONAL).removesuffix(PLAIN)
