"""Settings, from the environment only; read once, at the start of a command or a service."""

from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.errors import Misconfigured


class Mode(StrEnum):
    """How strict an instance is: `production` refuses what only a demo may do."""

    DEMO = "demo"
    PRODUCTION = "production"


class Provider(StrEnum):
    """Who holds the key-encryption keys."""

    FILE = "file"
    AWS_KMS = "aws-kms"


def _proxies(text: str) -> str:
    # Where everybody is a proxy (uvicorn's `*`), what the sender wrote into the header is believed.
    for each in text.split(",") if text else ():
        if ip_network(each.strip()).prefixlen == 0:
            raise ValueError("not everybody is a proxy")
    return text


class Settings(BaseSettings):
    """What an operator may set. Each field's description is its documentation (docs/settings.md)."""

    model_config = SettingsConfigDict(env_prefix="CLOISTER_", extra="forbid", populate_by_name=True)

    home: Annotated[
        Path,
        Field(
            description="Folder of this instance: embedded data, secrets, Dagster's storage.",
        ),
    ] = Path(".cloister")
    mode: Annotated[
        Mode | None,
        Field(
            description="`demo` or `production`; unset: demo with the embedded database, else production.",
        ),
    ] = None
    database_url: Annotated[
        str | None,
        Field(
            alias="DATABASE_URL",
            description="Any PostgreSQL 17+, as a role that may create roles; unset: the embedded one.",
        ),
    ] = None
    role_prefix: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9]{0,5}$",
            description="Starts every role's name, since roles belong to the whole server.",
        ),
    ] = "clstr"
    at_rest: Annotated[
        str | None,
        Field(
            pattern=r"^(luks|dm-crypt|cloud-volume|pg_tde|none)$",
            description="What encrypts the database's disks: `luks`, `dm-crypt`, `cloud-volume`, `pg_tde` or `none`.",
        ),
    ] = None
    home_at_rest: Annotated[
        str | None,
        Field(
            pattern=r"^(luks|dm-crypt|cloud-volume|none)$",
            description="What encrypts the disk of CLOISTER_HOME, beside a database that lies elsewhere.",
        ),
    ] = None
    key_provider: Annotated[
        Provider,
        Field(description="Who holds the key-encryption keys: `file`, a private keyring, or `aws-kms`."),
    ] = Provider.FILE
    kms_keys: Annotated[
        str,
        Field(description="Ids or ARNs of KMS keys, comma between: the first encrypts, all of them decrypt."),
    ] = ""
    host: Annotated[str, Field(description="Address that `cloister serve` listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port that `cloister serve` listens on.")] = 8700
    statement_timeout_ms: Annotated[
        int,
        Field(
            ge=100,
            description="Longest time, in ms, that one query of the API may take.",
        ),
    ] = 15_000

    audit_retention_years: Annotated[
        int,
        Field(
            ge=6,
            le=100,
            description="How long the audit log stays searchable; older months `cloister audit archive` files.",
        ),
    ] = 6
    feed_retention_days: Annotated[
        int,
        Field(ge=1, description="How far back, in days, the feed of a segment tells who entered and left."),
    ] = 730
    jitsi_url: Annotated[
        str | None,
        Field(
            pattern=r"^https://[^?#\s]+$",
            description="Jitsi server of video consultations, which knows the secret in `secrets/jitsi`; unset: none.",
        ),
    ] = None
    jitsi_app: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Its `app_id`, which issues our tokens.")
    ] = "cloister"
    public_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^/?#\s]+$",
            description="Address that people and systems reach the service at; names the built-in issuer.",
        ),
    ] = None
    trusted_proxies: Annotated[
        str,
        AfterValidator(_proxies),
        Field(
            description="Addresses or networks, with commas, whose `X-Forwarded-For` and `-Proto` are believed.",
        ),
    ] = ""
    requests_per_second: Annotated[
        float,
        Field(
            ge=0,
            description="Requests that one principal may make a second, in the long run; 0 is no limit.",
        ),
    ] = 50.0
    sign_ins_per_minute: Annotated[
        float,
        Field(
            ge=0,
            description="Failed sign-ins that one address may try a minute, over all replicas; 0 is no limit.",
        ),
    ] = 20.0
    smtp_url: Annotated[
        str | None,
        Field(description="Mail server: `smtps://user:password@host`, `smtp+starttls://…` or `smtp://…`."),
    ] = None
    mail_from: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", description="Address that messages come from.")] = (
        "cloister@localhost"
    )
    webhook_private_networks: Annotated[
        str,
        Field(description="Networks, comma between, that webhooks reach besides public addresses, as `10.1.0.0/16`."),
    ] = ""
    webhook_ca_file: Annotated[
        Path | None,
        Field(description="Certificates (PEM) of authorities that webhooks trust besides the system's."),
    ] = None
    export_keys_file: Annotated[
        Path | None,
        Field(description="Public keys of other platforms, one a line, whose patients' exports are taken here."),
    ] = None
    oidc_issuer: Annotated[
        str | None, Field(description="Issuer whose access tokens are accepted besides our own; an https URL.")
    ] = None
    oidc_audience: Annotated[str | None, Field(description="What `aud` of its tokens must name.")] = None
    oidc_jwks_url: Annotated[
        str | None, Field(description="Where its keys are; unset: as its discovery document says.")
    ] = None
    oidc_algorithm: Annotated[
        Literal["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"],
        Field(description="The one algorithm that its tokens may be signed with."),
    ] = "RS256"
    oidc_leeway_seconds: Annotated[int, Field(ge=0, le=120, description="How far its clock and ours may be apart.")] = (
        30
    )

    @property
    def embedded(self) -> bool:
        """Whether this instance runs its own PostgreSQL."""
        return not self.database_url

    @property
    def effective_mode(self) -> Mode:
        """The mode asked for, or the default that goes with the database."""
        return self.mode or (Mode.DEMO if self.embedded else Mode.PRODUCTION)

    @property
    def issuer(self) -> str:
        """The built-in issuer's name: where it can be reached."""
        return self.public_url or f"http://{self.host}:{self.port}"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process.

    Raises:
        Misconfigured: a variable has a value that its field does not allow.
    """
    try:
        found = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise Misconfigured(f"{first['loc'][0]}: {first['msg']}") from None
    found.home = found.home.expanduser().absolute()
    return found
