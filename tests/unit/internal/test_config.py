"""models.yaml, as it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from internal.config import ConfigError, ModelsFile, load_models, resolve_path

MODELS = """
models:
  - {name: tiny, kind: chat, backend: scripted, path: tiny.gguf}
  - {name: vectors, kind: embedding, backend: scripted}
  - {name: größe, kind: chat, backend: scripted}
"""


def read(folder: Path, aliases: str) -> ModelsFile:
    (folder / "models.yaml").write_text(f"{MODELS}\naliases: {aliases}")
    return load_models(folder / "models.yaml")


def test_paths_are_absolute_and_aliases_as_written(tmp_path: Path) -> None:
    file = read(tmp_path, '{gpt-4o: tiny, "gpt-4*": tiny, text-embedding-3-small: vectors, "*": tiny}')
    assert [model.path for model in file.models] == [str(tmp_path / "tiny.gguf"), "", ""]
    assert file.aliases == {"gpt-4o": "tiny", "gpt-4*": "tiny", "text-embedding-3-small": "vectors", "*": "tiny"}
    assert read(tmp_path, "{}").aliases == {}


@pytest.mark.parametrize(
    ("aliases", "said"),
    [
        ("{a: nowhere}", "'a': there is no model 'nowhere'. Name one of: tiny, vectors, größe."),
        ("{tiny: vectors}", "'tiny': a model has this name"),
        ("{tiny: tiny}", "'tiny': a model has this name"),
        ("{a: b, b: a}", "'a': 'b' is an alias, too. Name the model itself."),
        ("{a: b, b: tiny}", "'a': 'b' is an alias, too"),
        ("{a: a}", "'a': 'a' is an alias, too"),
        ('{"gpt-*-mini": tiny}', "one `*` at its end"),
        ('{"gpt-**": tiny}', "one `*` at its end"),
        ('{"": tiny}', "expected a name"),
        ("{a: größe}", "cannot be told in a header"),
        ("{a: [tiny]}", "Expected `str`"),
    ],
)
def test_aliases_that_cannot_work(tmp_path: Path, aliases: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, aliases)
    assert said in str(raised.value)
    assert "models.yaml" in str(raised.value)


@pytest.mark.parametrize(
    "field",
    ["replicas: 0", "memory_bytes: -1", "memory_bytes: 99999999999999999999", "created: -1", "idle_ttl_s: .nan"],
)
def test_numbers_that_no_model_has(tmp_path: Path, field: str) -> None:
    """Whoever watches a host would be told nothing of any model."""
    file = tmp_path / "models.yaml"
    file.write_text(f"models: [{{name: m, kind: chat, backend: scripted, {field}}}]")
    with pytest.raises(ConfigError, match=field.partition(":")[0]):
        load_models(file)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_models(tmp_path)


def test_a_projector_is_written_like_the_model_and_belongs_to_one_backend(tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    row = "{name: m, kind: chat, backend: %s, path: m.gguf, mmproj: eyes.gguf}"
    file.write_text(f"models: [{row % 'llamacpp'}]")
    assert load_models(file).models[0].mmproj == str(tmp_path / "eyes.gguf")
    file.write_text(f"models: [{row % 'scripted'}]")
    with pytest.raises(ConfigError, match="`mmproj` is for the backend llamacpp"):
        load_models(file)


def test_the_format_of_the_files_chooses_the_backend(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    file = tmp_path / "models.yaml"
    rows = ("a, path: m.gguf", "b, path: folder", "c, backend: scripted")
    file.write_text("models: [" + ", ".join(f"{{kind: chat, name: {row}}}" for row in rows) + "]")
    assert [model.backend for model in load_models(file).models] == ["llamacpp", "transformers", "scripted"]
    assert [model.backend for model in load_models(file, "transformers").models] == ["transformers"] * 2 + ["scripted"]
    assert [model.backend for model in load_models(file, "llama-cpp").models] == ["llamacpp"] * 2 + ["scripted"]
    with pytest.raises(ConfigError, match="MODEL_BACKEND='vllm': expected one of auto, llama-cpp, transformers"):
        load_models(file, "vllm")


@pytest.mark.parametrize("path", ["", "path: nowhere", "path: weights.bin"])
def test_files_of_no_format_name_their_backend(tmp_path: Path, path: str) -> None:
    (tmp_path / "models.yaml").write_text(f"models: [{{name: m, kind: chat, {path}}}]")
    with pytest.raises(ConfigError, match=r"'m': `path` is neither a \.gguf file nor a folder with a config\.json"):
        load_models(tmp_path / "models.yaml")


@pytest.mark.parametrize("package", ["no_such_package", "no_such_package.models", ".models", ""])
def test_a_package_that_is_not_installed_is_named(tmp_path: Path, package: str) -> None:
    with pytest.raises(ConfigError, match=f"the package '{package}' is not installed"):
        resolve_path(f"package:{package}/model.gguf", tmp_path)


def test_a_file_that_is_not_there_is_told_with_what_names_another(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.yaml: no such file\. .* NOVAI_MODELS=FILE"):
        load_models(tmp_path / "models.yaml")
