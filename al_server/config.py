"""Settings of a server: defaults < TOML file < ``AL_*`` variables < arguments."""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from al_server.errors import BadInput

CONFIG_NAME = "al_server.toml"
# variables of ours that are not settings of a server
OTHER_VARIABLES = ("AL_CONFIG", "AL_URL", "AL_TEST_", "AL_REQUIRE_")


def _split(separator: str) -> BeforeValidator:
    """Let a variable hold a list as text."""

    def split(value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(separator) if part.strip())

    return BeforeValidator(split)


def _real(path: Path) -> Path:
    return path.expanduser().resolve()


Folder = Annotated[Path, AfterValidator(_real)]
Folders = Annotated[tuple[Folder, ...], _split(os.pathsep)]
Hosts = Annotated[tuple[str, ...], _split(",")]
Networks = Annotated[tuple[str, ...], _split(",")]


class Settings(BaseModel):
    """How a server runs. Paths are absolute; relative ones count from the current folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="address to listen on; any but loopback needs a token",
    )
    port: int = Field(9090, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    data: Folder = Field(
        Path("data"), description="folder for the store, the vector cache and downloads"
    )
    roots: Folders = Field(
        default_factory=lambda known: (known.get("data", Path("data")),),
        description="folders that sources and checkpoints may lie in; default: the data folder",
    )
    token: str | None = Field(
        None,
        min_length=1,
        repr=False,
        description="what clients must show; made and kept in the data folder where the host "
        "needs one and none is given",
    )
    demo: bool = Field(
        False, description="with no campaign yet, make one of real handwritten digits"
    )
    max_body_bytes: int = Field(
        64 * 2**20, ge=1024, description="longest request body that is read"
    )
    allowed_hosts: Hosts = Field(
        (), description="names, besides loopback and `host`, that clients may call this server by"
    )
    fetch_hosts: Hosts = Field(
        (),
        description="hosts that images may be downloaded from: a name, `*.name`, or `*`; "
        "private addresses only for hosts given by their full name",
    )
    networks: Networks = Field(
        (),
        description="what embedders may load: folders of .py files and `module:PREFIX` for "
        "`layer:`, `hub:NAME` for `text:`",
    )
    threads: int = Field(8, ge=1, le=256, description="threads that answer requests")


def load_settings(
    arguments: Mapping[str, Any], *, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Gather the settings from all places, the later ones winning.

    Parameters
    ----------
    arguments : mapping of setting to value; None where it was not given. The key `config` names a
        TOML file; without it `AL_CONFIG` does, or else `al_server.toml` in the data folder.
    environ : the environment variables

    Raises
    ------
    BadInput
        For an unknown key (it lists the known ones), a value that does not fit, or a file that
        cannot be read.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    config = given.pop("config", None) or environ.get("AL_CONFIG")
    variables = _from_environment(environ)
    data = Path({**variables, **given}.get("data", Settings.model_fields["data"].default))
    file = Path(config) if config else data.expanduser() / CONFIG_NAME
    from_file = _from_toml(file) if config or file.is_file() else {}
    return _build({**from_file, **variables, **given})


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for variable, value in environ.items():
        if not variable.startswith("AL_") or variable.startswith(OTHER_VARIABLES):
            continue
        # a misspelt AL_TOKEN must not start an open server
        found[_known(variable.removeprefix("AL_").lower(), where=f"variable {variable}")] = value
    return found


def _from_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            values = tomllib.load(stream)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{file}: {error}", "give a readable TOML file with --config") from error
    return {_known(key, where=str(file)): value for key, value in values.items()}


def _known(key: str, *, where: str) -> str:
    known = list(Settings.model_fields)
    if key in known:
        return key
    near = get_close_matches(key, known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise BadInput(f"{where}: unknown setting {key!r}", f"{meant}known: {', '.join(known)}")


def _build(values: Mapping[str, Any]) -> Settings:
    for key in values:
        _known(key, where="arguments")
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        field = Settings.model_fields[str(first["loc"][0])]
        # the value stays out of the message: it may be the token
        raise BadInput(f"setting {key}: {first['msg']}", f"{key}: {field.description}") from error
