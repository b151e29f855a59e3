"""local.settings.json and host.json as newcomers write them: read as Azure reads them, or refused by name."""

from pathlib import Path

import pytest

from emulators.functions.settings import SettingsError, load_host_json, load_local_settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"Values": {"A": 1 "B"}}', "is not valid JSON"),
        ('{"Values": {}} {"Values": {}}', "is not valid JSON: Extra data"),
        ("[]", "must hold a JSON object"),
        ('{"Values": ["A"]}', "Values must be an object"),
        ('{"ConnectionStrings": "A"}', "ConnectionStrings must be an object"),
        ('{"Host": "x"}', "Host must be an object"),
        ('{"Host": {"CORS": ["*"]}}', "Host.CORS must be a string"),
        ('{"Values": {"A": {"B": "C"}}}', "write nested settings as A__key"),
        ('{"Values": {"A": "a\\u0000b"}}', "'A' and its value cannot be an environment variable"),
        ('{"Values": {"A=B": "c"}}', "'A=B' and its value cannot be an environment variable"),
        ('{"Values": {"": "c"}}', "'' and its value cannot be an environment variable"),
        ('{"IsEncrypted": true, "Values": {}}', "is encrypted"),
    ],
)
def test_wrong_local_settings_are_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "local.settings.json").write_text(text)
    with pytest.raises(SettingsError) as refused:
        load_local_settings(tmp_path, None)
    assert words in str(refused.value)
    assert "local.settings.json" in str(refused.value)


def test_values_become_text_as_environments_need_it(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(
        "\ufeff{ // comments and last commas, as .NET takes them\n"
        '"Values": {"URL": "http://x//y", "NUMBER": 7, "YES": true, "NOTHING": null, "TEXT": ",}",},\n'
        '/* and these */ "ConnectionStrings": {"One": "1", "Two": {"ConnectionString": "2"}}, }'
    )
    assert load_local_settings(tmp_path, None).values == {
        "URL": "http://x//y",
        "NUMBER": "7",
        "YES": "true",
        "NOTHING": "",
        "TEXT": ",}",
        "ConnectionStrings__One": "1",
        "ConnectionStrings__Two": "2",
    }


@pytest.mark.parametrize(
    ("http", "prefix"),
    [("{}", "api"), ('{"routePrefix": ""}', ""), ('{"routePrefix": null}', ""), ('{"routePrefix": "/v1/"}', "v1")],
)
def test_route_prefix_follows_host_json(tmp_path: Path, http: str, prefix: str) -> None:
    (tmp_path / "host.json").write_text(f'{{"version": "2.0", "extensions": {{"http": {http}}}}}')
    assert load_host_json(tmp_path, {}).route_prefix == prefix


def test_custom_headers_are_text(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"customHeaders": {"X-Age": 1}}}}')
    assert load_host_json(tmp_path, {}).custom_headers == {"X-Age": "1"}
