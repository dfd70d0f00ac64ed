"""config.yaml, the environment, secret files and the command line, as somebody who mistypes meets them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, Field

from mediaserver.core.config import Loaded, load, section
from mediaserver.core.server import Server
from mediaserver.core.settings import Configuration, Settings
from mediaserver.errors import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Any:
    def read(
        text: str, env: dict[str, str] | None = None, overrides: dict[tuple[str, ...], Any] | None = None
    ) -> Loaded:
        file = tmp_path / "config.yaml"
        file.write_text(text)
        return load(file, env or {}, overrides)

    return read


def complaint(config: Any, text: str, env: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        config(text, env)
    return str(caught.value)


def test_without_a_file_every_setting_has_its_default() -> None:
    assert load(None, {}).settings == Configuration()


def test_an_empty_file_is_a_file_of_defaults(config: Any) -> None:
    assert config("# nothing\n").settings == Configuration()


def test_an_unknown_key_is_told_with_file_line_key_and_the_nearest_one(config: Any) -> None:
    said = complaint(config, "server:\n  host: 127.0.0.1\n  prot: 8000\n")
    assert said == "config.yaml:3: server.prot: unknown key; did you mean port?"


def test_an_unknown_section_names_the_nearest_one(config: Any) -> None:
    assert complaint(config, "libary:\n  watch: off\n") == "config.yaml:1: libary: unknown key; did you mean library?"


def test_a_key_that_resembles_none_gets_the_whole_list(config: Any) -> None:
    said = complaint(config, "log: {xyzzy: 1}\n")
    assert said == "config.yaml:1: log.xyzzy: unknown key; expected one of format, level"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: {port: 70000}", "config.yaml:1: server.port: should be less than or equal to 65535, not 70000"),
        (
            "log:\n  level: loud",
            "config.yaml:2: log.level: should be 'debug', 'info', 'warning' or 'error', not 'loud'",
        ),
        ("server: {port: eight}", "config.yaml:1: server.port: should be a valid integer"),
        (
            "workers: {count: -1}",
            "config.yaml:1: workers.count: should be 'auto' or greater than or equal to 0, not -1",
        ),
        ("database: mysql://x", "config.yaml:1: database: "),
        ("server: 7", "config.yaml:1: server: should be "),
        ("plugins: {catalog: 7}", "config.yaml:1: plugins.catalog: should hold options"),
        ("plugins: [catalog]", "config.yaml:1: plugins: should be a valid dictionary"),
    ],
)
def test_a_bad_value_is_told_with_its_line_and_what_it_should_be(config: Any, text: str, said: str) -> None:
    assert complaint(config, text).startswith(said)


def test_every_fault_is_told_at_once_one_line_each(config: Any) -> None:
    lines = complaint(config, "server:\n  prot: 1\n  port: x\nlog: {level: loud}\n").splitlines()
    assert [line.split(" ")[0] for line in lines] == ["config.yaml:3:", "config.yaml:2:", "config.yaml:4:"]


def test_a_key_that_stands_twice_is_told_with_both_lines(config: Any) -> None:
    said = complaint(config, "server:\n  port: 1\nlog: {}\nserver:\n  port: 2\n")
    assert said == "config.yaml:4: server: stands here a second time, first at config.yaml:1."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: [1\n", "config.yaml:2: is not YAML"),
        ("server:\n\t- 1\n", "config.yaml:2: is not YAML"),
        ("- server\n", "config.yaml:1: should hold keys"),
        ("hello\n", "config.yaml:1: should hold keys"),
        ("server: *nobody\n", "config.yaml:1: is not YAML"),
        ("data: !!python/object:os.system x\n", "config.yaml:1: is not YAML"),
        ("server: \x01\n", "config.yaml: is not YAML"),
        ("server: {host: 2024-13-45}\n", "config.yaml: holds a value that YAML does not know (month"),
        ("server: {port: 0x_}\n", "config.yaml: holds a value that YAML does not know"),
        ("server: {port: !!timestamp x}\n", "config.yaml: holds a value that YAML does not know"),
        ('server: {port: !!int ""}\n', "config.yaml: holds a value that YAML does not know"),
        ('server: {port: !!float ""}\n', "config.yaml: holds a value that YAML does not know"),
        ("server: {port: !!bool x}\n", "config.yaml: holds a value that YAML does not know"),
        ("server: &itself\n  port: *itself\n", "config.yaml: is nested too deeply, or holds itself"),
        (f"server: {'[' * 600}{']' * 600}\n", "config.yaml: is nested too deeply, or holds itself"),
    ],
)
def test_what_is_no_yaml_is_told_in_one_line(config: Any, text: str, said: str) -> None:
    answer = complaint(config, text)
    assert answer.startswith(said)
    assert "\n" not in answer


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "config.yaml", {})
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "config.yaml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


def test_the_environment_overrides_the_file_and_the_command_line_both(config: Any) -> None:
    env = {"MEDIASERVER_SERVER__PORT": "2", "MEDIASERVER_SERVER__HOST": "::1", "PATH": "/bin"}
    loaded = config("server: {port: 1, base_path: a}\n", env, {("server", "port"): 3})
    server = loaded.settings.server
    assert (server.port, server.host, server.base_path) == (3, "::1", "/a")
    assert loaded.where(("server", "host")) == "environment MEDIASERVER_SERVER__HOST: server.host"
    assert loaded.where(("server", "port")) == "command line: server.port"


def test_short_names_of_the_environment_are_honoured(config: Any) -> None:
    env = {"DATABASE_URL": "postgres://h/d", "REDIS_URL": "redis://h", "MEDIASERVER_DATA": "elsewhere"}
    settings = config("{}", env).settings
    assert (settings.database, settings.redis, settings.data) == ("postgres://h/d", "redis://h", Path("elsewhere"))


@pytest.mark.parametrize("value", ["https://a.example, https://b.example", '["https://a.example","https://b.example"]'])
def test_a_list_in_the_environment_is_json_or_commas(config: Any, value: str) -> None:
    loaded = config("{}", {"MEDIASERVER_SERVER__CORS_ORIGINS": value})
    assert loaded.settings.server.cors_origins == ["https://a.example", "https://b.example"]


def test_an_empty_list_in_the_environment_is_an_empty_list(config: Any) -> None:
    loaded = config("server: {cors_origins: [https://a.example]}", {"MEDIASERVER_SERVER__CORS_ORIGINS": ""})
    assert loaded.settings.server.cors_origins == []


def test_broken_json_in_the_environment_names_the_variable(config: Any) -> None:
    said = complaint(config, "{}", {"MEDIASERVER_LIBRARY__FOLDERS": "[1"})
    assert "MEDIASERVER_LIBRARY__FOLDERS" in said
    assert "JSON" in said


def test_a_secret_is_read_from_its_file_without_the_line_end(config: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgres://u:p@h/d\n")
    assert config("{}", {"DATABASE_URL_FILE": str(secret)}).settings.database == "postgres://u:p@h/d"
    env = {"MEDIASERVER_SERVER__PUBLIC_URL_FILE": str(secret)}
    assert config("{}", env).settings.server.public_url == "postgres://u:p@h/d"


def test_a_secret_file_that_is_missing_names_the_variable(config: Any) -> None:
    said = complaint(config, "{}", {"REDIS_URL_FILE": "/nowhere/at-all"})
    assert said.startswith("environment REDIS_URL_FILE: the file /nowhere/at-all cannot be read")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("MEDIASERVER_SERVR__PORT", "did you mean server?"), ("MEDIASERVER_SERVER__PROT", "did you mean port?")],
)
def test_an_unknown_setting_of_the_environment_names_the_nearest(config: Any, name: str, nearest: str) -> None:
    said = complaint(config, "{}", {name: "1"})
    assert said.startswith(f"environment {name}: ")
    assert said.endswith(nearest)


def test_a_variable_below_a_plain_setting_is_told(config: Any) -> None:
    said = complaint(config, "data: here\n", {"MEDIASERVER_DATA__X": "1"})
    assert said.startswith("environment MEDIASERVER_DATA__X: ")


def test_options_for_a_plugin_that_is_off_are_one_warning(config: Any) -> None:
    env = {"MEDIASERVER_PLUGINS__CATALOG__X": "1", "MEDIASERVER_PLUGINS__ADMIN__Y": "1"}
    loaded = config("plugins: {admin: false}\n", env)
    assert loaded.settings.enabled_plugins == {}
    assert len(loaded.warnings) == 2
    assert all("is not switched on" in warning for warning in loaded.warnings)


def test_the_environment_sets_options_of_a_plugin_that_is_on(config: Any) -> None:
    loaded = config("plugins: {hls_transcoder: }\n", {"MEDIASERVER_PLUGINS__HLS_TRANSCODER__CRF": "30"})
    assert loaded.settings.enabled_plugins == {"hls_transcoder": {"crf": "30"}}


def test_a_bare_off_is_the_word_where_that_is_a_choice(config: Any) -> None:
    """YAML reads it as false."""
    assert config("library: {watch: off}\n").settings.library.watch == "off"
    assert "should be 'public' or 'admin', not False" in complaint(config, "server: {docs: off}\n")
    assert "'off', not True" in complaint(config, "library: {watch: on}\n")


class Lamp(Settings):
    light: Literal["auto"] | Annotated[Literal["on", "off"], Field()] = "auto"
    silent: bool = False
    either: Literal["off"] | bool = True


def test_a_bare_on_or_off_is_the_word_in_options_of_plugins_too(config: Any) -> None:
    def lamp(text: str) -> tuple[object, ...]:
        made = section(config(""), Lamp, yaml.safe_load(text), ("plugins", "lamp"))
        return made.light, made.silent, made.either

    assert lamp("{light: off, silent: off, either: off}") == ("off", False, False)
    assert lamp("{light: on, silent: on, either: on}") == ("on", True, True)
    assert lamp("{light: 'off'}") == ("off", False, True)


def test_a_shipped_plugin_is_told_to_make_nothing_ahead_as_documented(config: Any) -> None:
    server = Server(config("plugins: {hls_transcoder: {background: off}}\n"), "cli")
    server.register_only()
    assert server.hooks.loaded["hls_transcoder"].config.background == "off"  # type: ignore[attr-defined]


def test_relative_paths_start_beside_the_file(config: Any, tmp_path: Path) -> None:
    assert config("data: d\n").data == tmp_path / "d"
    assert config("data: /d\n").data == Path("/d")


# ---- the config.yaml that people get ---------------------------------------------------------------------------


def keys(model: BaseModel, prefix: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for name, info in type(model).model_fields.items():
        key, value = (*prefix, info.alias or name), getattr(model, name)
        found |= keys(value, key) if isinstance(value, BaseModel) else {key: value}
    return found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("~nobody.of.this.name/x", "there is no such user here"),
        (r'"a\0b"', "a path holds no zero byte"),
        (r'"a\ud800b"', "is no text that a path can hold"),
    ],
)
def test_what_is_no_path_is_told_with_file_line_and_key(config: Any, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^config.yaml:2: data: .*{said}"):
        assert config(f"plugins: {{}}\ndata: {text}\n").data
    with pytest.raises(ConfigError, match=f"^config.yaml:2: library.folders: .*{said}"):
        assert Server(config(f"plugins: {{}}\nlibrary: {{folders: [{text}]}}\n"), "cli")


def test_the_shipped_file_has_every_setting_with_its_default() -> None:
    raw = yaml.safe_load((ROOT / "config.yaml").read_text())
    shipped = load(ROOT / "config.yaml", {}).settings
    defaults = keys(Configuration())
    del defaults["plugins",]
    for key, default in defaults.items():
        spot = raw
        for part in key:
            assert part in spot, ".".join(key)
            spot = spot[part]
        assert keys(shipped)[key] == default, ".".join(key)


def test_every_setting_of_the_shipped_file_has_its_meaning_beside_it() -> None:
    bare = {"server", "log", "library", "workers", "plugins"}
    for line in (ROOT / "config.yaml").read_text().splitlines():
        key = re.match(r"\s*(\w+):", line)
        if key and key[1] not in bare and not re.match(r"  \w+:( \{\})?$", line):
            assert re.search(r"\S +# \S", line), line


# ---- mail ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "mail: {backend: smtp, smtp: {password: hush, username: me}}",
            "config.yaml:1: mail: smtp.host is missing, which `backend: smtp` needs",
        ),
        (
            "mail: {smtp: {host: a.example, password: hush}}",
            "config.yaml:1: mail: smtp.username and smtp.password go together; set both or none",
        ),
        ("mail: {smtp: {password: 4711}}", "config.yaml:1: mail.smtp.password: should be a valid string"),
        (
            "mail: {sender: a@b.example}",
            "config.yaml:1: mail.sender: unknown key; expected one of backend, directory, from, smtp",
        ),
        (
            "frontend: {activation_path: https://evil.example}",
            "config.yaml:1: frontend.activation_path: should begin with a slash",
        ),
    ],
)
def test_a_complaint_about_mail_says_what_to_do_and_shows_no_password(config: Any, text: str, said: str) -> None:
    told = complaint(config, text)
    assert told.startswith(said)
    assert not any(secret in told for secret in ("hush", "4711"))


@pytest.mark.parametrize(
    "sender", ["films@example.org", "Films <films@example.org>", "Köln: Filme <films+x@sub.example.org>"]
)
def test_a_sender_may_have_a_name(config: Any, sender: str) -> None:
    assert config(f"mail: {{from: '{sender}'}}").settings.mail.sender == sender
    assert config("{}", {"MEDIASERVER_MAIL__FROM": sender}).settings.mail.sender == sender


@pytest.mark.parametrize(
    "sender",
    ["films", "a@b.example, c@d.example", "<a@b.example", "a@b.example\\nBcc: c@d.example", "x <a@b.example> y"],
)
def test_a_sender_is_one_address(config: Any, sender: str) -> None:
    said = complaint(config, f'mail: {{from: "{sender}"}}')
    assert said.startswith(
        "config.yaml:1: mail.from: should be an address, films@example.org or Films <films@example.org>"
    )


@pytest.mark.parametrize("address", ["app.example.org", "ftp://app.example.org", "https://"])
def test_a_front_end_has_a_whole_address(config: Any, address: str) -> None:
    assert "frontend.base_url: should be an address such as" in complaint(
        config, f"frontend: {{base_url: '{address}'}}"
    )


def test_a_password_from_a_file_is_taken_as_it_stands(config: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('["hush"\n')
    env = {"MEDIASERVER_MAIL__SMTP__PASSWORD_FILE": str(secret), "MEDIASERVER_MAIL__SMTP__USERNAME": "{me}"}
    section = config("{}", env).settings.mail.smtp
    assert (section.username, section.password) == ("{me}", '["hush"')
